#include <algorithm>
#include <array>

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/codec_xml.hpp"

namespace gpubroker::aws {
namespace {

// Source: "Error codes for the Amazon EC2 API", read 2026-11, as far as our calls meet them.
constexpr std::array kCodes = {
    CodeRow{"RequestLimitExceeded", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"EC2ThrottledException", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"Throttling", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"ThrottlingException", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"ThrottledException", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"TooManyRequestsException", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"SlowDown", ErrorKind::throttled, ErrorScope::region},
    CodeRow{"InternalError", ErrorKind::network, ErrorScope::request},
    CodeRow{"InternalFailure", ErrorKind::network, ErrorScope::request},
    CodeRow{"ServiceUnavailable", ErrorKind::network, ErrorScope::request},
    CodeRow{"Unavailable", ErrorKind::network, ErrorScope::request},
    CodeRow{"RequestTimeout", ErrorKind::network, ErrorScope::request},
    CodeRow{"IDPCommunicationError", ErrorKind::network, ErrorScope::request},
    CodeRow{"AuthFailure", ErrorKind::auth, ErrorScope::account},
    CodeRow{"UnauthorizedOperation", ErrorKind::auth, ErrorScope::account},
    CodeRow{"AccessDenied", ErrorKind::auth, ErrorScope::account},
    CodeRow{"AccessDeniedException", ErrorKind::auth, ErrorScope::account},
    CodeRow{"InvalidClientTokenId", ErrorKind::auth, ErrorScope::account},
    CodeRow{"UnrecognizedClientException", ErrorKind::auth, ErrorScope::account},
    CodeRow{"SignatureDoesNotMatch", ErrorKind::auth, ErrorScope::account},
    CodeRow{"InvalidSignatureException", ErrorKind::auth, ErrorScope::account},
    CodeRow{"IncompleteSignature", ErrorKind::auth, ErrorScope::account},
    CodeRow{"MissingAuthenticationToken", ErrorKind::auth, ErrorScope::account},
    CodeRow{"RequestExpired", ErrorKind::auth, ErrorScope::account},
    CodeRow{"RequestInTheFuture", ErrorKind::auth, ErrorScope::account},
    CodeRow{"OptInRequired", ErrorKind::auth, ErrorScope::account},
    CodeRow{"Blocked", ErrorKind::auth, ErrorScope::account},
    CodeRow{"ExpiredToken", ErrorKind::auth, ErrorScope::account},
    CodeRow{"ExpiredTokenException", ErrorKind::auth, ErrorScope::account},
    CodeRow{"InvalidIdentityToken", ErrorKind::auth, ErrorScope::account},
    CodeRow{"IDPRejectedClaim", ErrorKind::auth, ErrorScope::account},
    CodeRow{"DryRunOperation", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"MaxConfigLimitExceeded", ErrorKind::quota, ErrorScope::account},
    // Of machines. EC2 sends the first of these with status 500.
    CodeRow{"InsufficientInstanceCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"InsufficientCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"UnfulfillableCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"InsufficientHostCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"InsufficientReservedInstanceCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"ReservationCapacityExceeded", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{"Unsupported", ErrorKind::capacity, ErrorScope::zone},  // the type is not sold there
    CodeRow{"InsufficientFreeAddressesInSubnet", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"SpotMaxPriceTooLow", ErrorKind::capacity, ErrorScope::offer},
    CodeRow{"VcpuLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"InstanceLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"MaxSpotInstanceCountExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"PendingVerification", ErrorKind::quota, ErrorScope::region},
    CodeRow{"VolumeLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"MaxIOPSLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"AddressLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"SecurityGroupLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"SecurityGroupsPerVpcLimitExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"AuthFailure.ServiceLinkedRoleCreationNotPermitted", ErrorKind::auth, ErrorScope::account},
    CodeRow{"IdempotentParameterMismatch", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"IncorrectInstanceState", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"IncorrectState", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"Resource.AlreadyAssociated", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"DependencyViolation", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InvalidPlacementGroup.InUse", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InvalidIPAddress.InUse", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InvalidInstanceID.NotFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidInstanceID.Malformed", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidGroup.NotFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidLaunchTemplateName.NotFoundException", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidLaunchTemplateName.AlreadyExistsException", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"InvalidPlacementGroup.Unknown", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidAllocationID.NotFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidAssociationID.NotFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"InvalidNetworkInterfaceID.NotFound", ErrorKind::not_found, ErrorScope::request},
};

template <std::size_t count>
bool is_one_of(const std::string& code, const std::array<std::string_view, count>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// EC2 wraps <Errors><Error>, STS only <Error>.
pugi::xml_node error_node(const pugi::xml_node& root) {
  const pugi::xml_node wrapped = root.child("Errors").child("Error");
  return wrapped ? wrapped : root.child("Error");
}

}  // namespace

Error parse_error(const HttpResponse& answer, const std::string& call, Instant now) {
  std::string code;
  std::string message;
  // A body that is not theirs (a proxy's page) leaves the status to speak for itself.
  static_cast<void>(visit_xml(answer.body, "aws", [&](const pugi::xml_node& root) {
    code = text_or_empty(error_node(root), "Code");
    message = text_or_empty(error_node(root), "Message");
  }));
  Error error = error_from_answer(answer, "aws " + call, code, message, now);
  judge_by_code(error, code, kCodes);
  return error;
}

void judge_ec2_code(Error& error, const std::string& code) {
  error.code = code;
  judge_by_code(error, code, kCodes);
}

bool may_be_clock_skew(const Error& error) {
  constexpr std::array<std::string_view, 7> kSkew = {
      "AccessDeniedException", "AuthFailure",          "InvalidSignatureException", "RequestExpired",
      "RequestInTheFuture",    "RequestTimeTooSkewed", "SignatureDoesNotMatch"};
  return is_one_of(error.code, kSkew);
}

bool is_expired_token(const Error& error) {
  constexpr std::array<std::string_view, 3> kExpired = {"ExpiredToken", "ExpiredTokenException",
                                                        "RequestExpired"};
  return is_one_of(error.code, kExpired);
}

QueryPairs caller_identity_call() {
  return {{"Action", "GetCallerIdentity"}, {"Version", "2011-06-15"}};
}

Result<CallerIdentity> parse_caller_identity(std::string_view body) {
  return read_xml(body, "aws sts", [](const pugi::xml_node& root) -> Result<CallerIdentity> {
    const pugi::xml_node result = root.child("GetCallerIdentityResult");
    CallerIdentity who{.account = text_or_empty(result, "Account"), .arn = text_or_empty(result, "Arn")};
    if (who.arn.empty()) {
      return Error{
          .kind = ErrorKind::internal, .message = "STS does not say who we are", .source = "aws sts"};
    }
    return who;
  });
}

}  // namespace gpubroker::aws
