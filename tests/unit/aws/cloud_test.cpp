// What `gpubroker check aws` is told.
#include "providers/aws/cloud.hpp"

#include <doctest/doctest.h>

#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::aws {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kSts = "POST https://sts.us-east-1.amazonaws.com/";
constexpr const char* kEc2 = "POST https://ec2.us-east-1.amazonaws.com/";

HttpResponse refusal(int status, const std::string& code, const std::string& message) {
  std::string body = "<Response><Errors><Error><Code>";
  body += code;
  body += "</Code><Message>";
  body += message;
  body += "</Message></Error></Errors><RequestID>r</RequestID></Response>";
  return {.status = status, .body = body};
}

struct Place {
  FakeHome home = {};
  FakeVisit visit = {};
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);

  Place() { home.processes.variables["AWS_EC2_METADATA_DISABLED"] = "true"; }
  void log_in() {
    home.write(".aws/credentials",
               "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = very-secret\n");
  }
  AccessReport check() { return cloud->check(visit.request()); }
};

TEST_CASE("aws check: no keys are no trouble for list prices") {
  Place place;
  const AccessReport report = place.check();
  CHECK(report.state == AccessReport::State::missing);
  CHECK(report.found_in.empty());
  CHECK(report.next.find("aws configure") != std::string::npos);
  CHECK(place.visit.http.requests.empty());
}

TEST_CASE("aws check: who we are, what we may, and what is missing") {
  Place place;
  place.log_in();
  place.visit.http.answer(kSts, fixture("aws/caller_identity.xml"));
  const HttpResponse would =
      refusal(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
  for (int i = 0; i < 4; ++i) { place.visit.http.answer(kEc2, would); }
  place.visit.http.answer(kEc2, refusal(403, "UnauthorizedOperation", "You are not authorized"));
  place.visit.http.answer(kEc2, refusal(503, "RequestLimitExceeded", "Request limit exceeded."));
  const AccessReport report = place.check();
  CHECK(report.state == AccessReport::State::valid);
  std::string file = place.home.folder.path();
  file += "/.aws/credentials [default]";
  CHECK(report.found_in == file);
  CHECK(report.identity == "arn:aws:iam::123456789012:user/trainer");
  REQUIRE(report.permissions.size() > 20);
  CHECK(report.permissions[1].name == "ec2:DescribeSpotPriceHistory");
  CHECK(report.permissions[1].state == Permission::State::granted);
  CHECK(report.permissions[4].name == "ec2:GetSpotPlacementScores");
  CHECK(report.permissions[4].state == Permission::State::missing);
  CHECK(report.permissions[5].state == Permission::State::unknown);
  CHECK(report.permissions[6].name == "ec2:RunInstances");
  CHECK(report.permissions.back().state == Permission::State::unknown);  // never taken for granted
  CHECK(report.next == "allow ec2:GetSpotPlacementScores to arn:aws:iam::123456789012:user/trainer");
  CHECK(report.warnings.empty());
  for (const HttpRequest& request : place.visit.http.requests) {
    CHECK((request.body.find("DryRun=true") != std::string::npos ||
           request.body.find("GetCallerIdentity") != std::string::npos));
  }
}

TEST_CASE("aws check: refused keys, and nobody to ask") {
  Place place;
  place.log_in();
  SUBCASE("refused") {
    place.visit.http.answer(
        kSts, {.status = 403,
               .body = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security "
                       "token included in the request is invalid.</Message></Error></ErrorResponse>"});
    const AccessReport report = place.check();
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem.find("security token included in the request is invalid") != std::string::npos);
    CHECK(report.problem.find("very-secret") == std::string::npos);
    CHECK_FALSE(report.next.empty());
    CHECK(report.permissions.empty());
  }
  SUBCASE("unreachable") {
    place.visit.http.fail(kSts, {.kind = ErrorKind::network, .message = "could not resolve host"});
    const AccessReport report = place.check();
    CHECK(report.state == AccessReport::State::unreachable);
    CHECK(report.problem == "could not resolve host");
  }
}

TEST_CASE("aws check: a profile that cannot be used says why and what to do") {
  Place place;
  place.home.write(".aws/config", "[default]\nlogin_session = arn:aws:iam::1:user/me\n");
  const AccessReport report = place.check();
  CHECK(report.state == AccessReport::State::refused);
  CHECK(report.problem.find("login_session") != std::string::npos);
  CHECK(report.next.find("credential_process") != std::string::npos);
}

TEST_CASE("aws: feeds have names of their own") {
  Place place;
  std::vector<std::string> names;
  for (const PriceFeed* const feed : place.cloud->feeds()) { names.push_back(feed->name()); }
  CHECK(names == std::vector<std::string>{"aws/price-list", "aws/spot-feed", "aws/spot-advisor",
                                          "aws/ec2-spot", "aws/ec2-offerings", "aws/ec2-scores",
                                          "aws/capacity-blocks"});
}

}  // namespace
}  // namespace gpubroker::aws
