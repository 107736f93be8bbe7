#include <array>

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/json.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::array kCodes = {
    CodeRow{"quotaExceeded", ErrorKind::quota, ErrorScope::region},
    CodeRow{"rateLimitExceeded", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"userRateLimitExceeded", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"RATE_LIMIT_EXCEEDED", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"RESOURCE_EXHAUSTED", ErrorKind::throttled, ErrorScope::request},
    CodeRow{"backendError", ErrorKind::network, ErrorScope::request},
    CodeRow{"insufficientCapacity", ErrorKind::capacity, ErrorScope::zone},
    CodeRow{"accessNotConfigured", ErrorKind::auth, ErrorScope::account},
    CodeRow{"SERVICE_DISABLED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"API_KEY_INVALID", ErrorKind::auth, ErrorScope::account},
    CodeRow{"API_KEY_SERVICE_BLOCKED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"CONSUMER_INVALID", ErrorKind::auth, ErrorScope::account},
    CodeRow{"USER_PROJECT_DENIED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"IAM_PERMISSION_DENIED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"PERMISSION_DENIED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"UNAUTHENTICATED", ErrorKind::auth, ErrorScope::account},
    CodeRow{"authError", ErrorKind::auth, ErrorScope::account},
    CodeRow{"forbidden", ErrorKind::auth, ErrorScope::account},
    CodeRow{"invalid_grant", ErrorKind::auth, ErrorScope::account},
    CodeRow{"invalid_client", ErrorKind::auth, ErrorScope::account},
    CodeRow{"unauthorized_client", ErrorKind::auth, ErrorScope::account},
    CodeRow{"invalid_target", ErrorKind::auth, ErrorScope::account},
    CodeRow{"invalid_token", ErrorKind::auth, ErrorScope::account},
    CodeRow{"notFound", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"NOT_FOUND", ErrorKind::not_found, ErrorScope::request},
    CodeRow{"alreadyExists", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"resourceInUseByAnotherResource", ErrorKind::conflict, ErrorScope::request},
    CodeRow{"resourceNotReady", ErrorKind::conflict, ErrorScope::request},
};

struct Told {
  std::string code = {};
  std::string message = {};
};

/// The most exact of the codes: details' reason, then errors' reason, then the status.
Told read_error(const AnswerValue& root) {
  const AnswerValue error = root.at("error");
  if (!error.is_object()) { return {error.text(), root.text_or("error_description")}; }
  Told told{.code = error.text_or("status"), .message = error.text_or("message")};
  if (const auto errors = error.find("errors"); errors && !errors->list().empty()) {
    told.code = errors->list().front().text_or("reason", told.code);
  }
  const auto details = error.find("details");
  if (!details) { return told; }
  for (const AnswerValue& detail : details->list()) {
    if (const auto reason = detail.find("reason")) { told.code = reason->text(); }
  }
  return told;
}

std::string hint_for(const Told& told) {
  if (told.code == "accessNotConfigured" || told.code == "SERVICE_DISABLED") {
    return "enable the API in the project: the message names it";
  }
  if (told.message.find("quota project") != std::string::npos) {
    return "gcloud auth application-default set-quota-project PROJECT";
  }
  if (told.code == "quotaExceeded") { return kQuotaHint; }
  if (told.code == "invalid_grant") { return "gcloud auth application-default login, or a new key"; }
  return {};
}

}  // namespace

Error parse_error(const HttpResponse& answer, const std::string& what, Instant now) {
  Told told;
  // A body that is not theirs (a proxy's page) leaves the status to speak for itself.
  static_cast<void>(
      visit_answer(answer.body, "gcp", [&](const AnswerValue& root) { told = read_error(root); }));
  Error error = error_from_answer(answer, "gcp " + what, told.code, told.message, now);
  error.hint = hint_for(told);
  // A server that fails may say anything; only a lack of machines comes as a 503 in earnest.
  if (answer.status >= 500 && told.code != "insufficientCapacity") { return error; }
  judge_by_code(error, told.code, kCodes);
  // A type has a price in regions where no zone sells it: "Machine type with name 'a3-edgegpu-8g' does not
  // exist in zone 'us-central1-a'" comes as `invalid`, and is a matter of the place.
  if (error.kind == ErrorKind::invalid && told.message.find("does not exist in zone") != std::string::npos) {
    error.kind = ErrorKind::not_found;
    error.scope = ErrorScope::offer;
  }
  if (error.kind == ErrorKind::quota && told.message.find("GPUS_ALL_REGIONS") != std::string::npos) {
    error.scope = ErrorScope::account;  // one quota for all regions together
  }
  return error;
}

std::string permissions_question(const std::vector<std::string>& permissions) {
  return dump_json({{"permissions", permissions}});
}

Result<std::vector<std::string>> parse_permissions(std::string_view body) {
  return read_answer(body, "gcp", [](const AnswerValue& root) -> Result<std::vector<std::string>> {
    std::vector<std::string> granted;
    if (const auto permissions = root.find("permissions")) {
      for (const AnswerValue& permission : permissions->list()) { granted.push_back(permission.text()); }
    }
    return granted;
  });
}

}  // namespace gpubroker::gcp
