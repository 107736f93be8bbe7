// The thin callers: pages, keys, tokens, regions that fail, and the access check.
#include <algorithm>
#include <optional>

#include <doctest/doctest.h>

#include "providers/gcp/cloud.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::gcp {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::sent;

constexpr const char* kSkus = "GET https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus?";
constexpr const char* kSecondPage =
    "GET https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/"
    "skus?pageSize=5000&currencyCode=USD&pageToken=page-2";
constexpr const char* kToken = "POST https://oauth2.googleapis.com/token";
constexpr const char* kCompute = "GET https://compute.googleapis.com/compute/v1/projects/env-proj";
constexpr const char* kQuotaInfos = "GET https://cloudquotas.googleapis.com/v1/projects/env-proj";
constexpr const char* kAdvice = "POST https://compute.googleapis.com/compute/v1/projects/env-proj/regions/";

struct World {
  FakeHome home = {};
  std::optional<FakeVisit> visit{std::in_place};  // emplaced anew: a network that knows nothing
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);

  World() {
    home.processes.variables["NO_GCE_CHECK"] = "true";
    visit->http.answer(kSkus, fixture("gcp/skus_1.json"));
    visit->http.answer(kSecondPage, fixture("gcp/skus_2.json"));
  }
  void log_in(const std::string& project = "env-proj") {
    home.write(".config/gcloud/application_default_credentials.json",
               R"({"type":"authorized_user","client_id":"c","client_secret":"client-secret",)"
               R"("refresh_token":"refresh-secret","account":"me@example.com"})");
    if (!project.empty()) { home.processes.variables["GOOGLE_CLOUD_PROJECT"] = project; }
    visit->http.answer(kToken, R"({"access_token":"ya29.one","expires_in":3599})");
    visit->http.answer(kToken, R"({"access_token":"ya29.two","expires_in":3599})");
  }
  void answer_compute() {
    const std::string compute = kCompute;
    visit->http.answer(compute + "/zones", fixture("gcp/zones.json"));
    visit->http.answer(compute + "/aggregated/machineTypes", fixture("gcp/machine_types.json"));
    visit->http.answer(compute + "/aggregated/acceleratorTypes", fixture("gcp/accelerator_types.json"));
    visit->http.answer(compute + "/regions", fixture("gcp/regions.json"));
    visit->http.answer(compute, fixture("gcp/project.json"));
    visit->http.answer(kQuotaInfos, fixture("gcp/quota_infos.json"));
  }
  Result<Harvest> fetch(const std::string& name) {
    for (PriceFeed* const feed : cloud->feeds()) {
      if (feed->name() == name) { return feed->fetch(visit->request()); }
    }
    FAIL("no such feed");
    return Harvest{};
  }
  [[nodiscard]] bool was_asked(const std::string& prefix) const {
    return std::any_of(visit->http.requests.begin(), visit->http.requests.end(),
                       [&](const HttpRequest& request) {
                         return (request.method + " " + request.url).rfind(prefix, 0) == 0;
                       });
  }
};

TEST_CASE("gcp feeds: prices by an API key alone, over all pages") {
  World world;
  world.home.processes.variables["GPUBROKER_GCP_API_KEY"] = "key-secret";
  const Result<Harvest> harvest = world.fetch("gcp/skus");
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() > 20);
  REQUIRE(world.visit->http.requests.size() == 2);
  for (const HttpRequest& request : world.visit->http.requests) {
    CHECK(sent(request, "x-goog-api-key") == "key-secret");  // never in the URL: those are logged
    CHECK(sent(request, "Authorization").empty());
    CHECK(request.url.find("key-secret") == std::string::npos);
  }
  CHECK(world.visit->http.requests[1].url.find("pageToken=page-2") != std::string::npos);
}

TEST_CASE("gcp feeds: prices by a token when there is no key") {
  World world;
  world.log_in();
  world.home.processes.variables["GOOGLE_CLOUD_QUOTA_PROJECT"] = "payer";
  REQUIRE(world.fetch("gcp/skus").ok());
  CHECK(sent(world.visit->http.requests[1], "Authorization") == "Bearer ya29.one");
  CHECK(sent(world.visit->http.requests[1], "x-goog-user-project") == "payer");
}

TEST_CASE("gcp feeds: nothing to ask with is told with both ways") {
  World world;
  const Result<Harvest> harvest = world.fetch("gcp/skus");
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().code == "no_credentials");
  CHECK(harvest.error().hint.find("API key") != std::string::npos);
  CHECK(world.fetch("gcp/machine-types").error().code == "no_credentials");
  CHECK(world.visit->http.requests.empty());
  CHECK(world.fetch("gcp/quotes").value().listings.size() == 5);
}

TEST_CASE("gcp feeds: a key of another service gives way to a login") {
  World world;
  world.home.processes.variables["GOOGLE_API_KEY"] = "key-secret";
  world.visit.emplace();
  world.visit->http.answer(
      kSkus,
      {.status = 403,
       .body =
           R"({"error":{"code":403,"message":"blocked","status":"PERMISSION_DENIED","details":[{"reason":"API_KEY_SERVICE_BLOCKED"}]}})"});
  const Result<Harvest> refused = world.fetch("gcp/skus");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::auth);
  CHECK(refused.error().code == "API_KEY_SERVICE_BLOCKED");
  world.visit.emplace();
  world.visit->http.answer(
      kSkus,
      {.status = 403, .body = R"({"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}})"});
  world.visit->http.answer(kSkus, fixture("gcp/skus_1.json"));
  world.visit->http.answer(kSecondPage, fixture("gcp/skus_2.json"));
  world.log_in();
  CHECK(world.fetch("gcp/skus").ok());
}

TEST_CASE("gcp feeds: an empty price list is an error, and so are pages in a circle") {
  World world;
  world.home.processes.variables["GOOGLE_API_KEY"] = "k";
  world.visit.emplace();
  world.visit->http.answer(kSkus, R"({"skus":[],"nextPageToken":""})");
  CHECK(world.fetch("gcp/skus").error().message == "the price list is empty");
  world.visit.emplace();
  world.visit->http.answer(kSkus, fixture("gcp/skus_1.json"));
  const Error circle = world.fetch("gcp/skus").error();
  CHECK(circle.kind == ErrorKind::internal);
  CHECK(circle.message == "the pages run in a circle");
}

TEST_CASE("gcp feeds: zones, machine types and accelerators become signals") {
  World world;
  world.log_in();
  world.answer_compute();
  const Result<Harvest> harvest = world.fetch("gcp/machine-types");
  REQUIRE(harvest.ok());
  CHECK(harvest.value().signals.size() == 7);
  CHECK(world.visit->http.unexpected.empty());
  for (const HttpRequest& request : world.visit->http.requests) {
    if (request.url.find("/aggregated/") == std::string::npos) { continue; }
    CHECK(request.url.find("returnPartialSuccess=true") != std::string::npos);
    CHECK(request.url.find("maxResults=500") != std::string::npos);
  }
}

TEST_CASE("gcp feeds: without a project nobody is asked") {
  World world;
  world.log_in("");
  const Result<Harvest> harvest = world.fetch("gcp/machine-types");
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().code == "no_credentials");
  CHECK(harvest.error().hint.find("GOOGLE_CLOUD_PROJECT") != std::string::npos);
}

TEST_CASE("gcp feeds: a token that is refused is renewed once") {
  World world;
  world.log_in();
  world.answer_compute();
  world.visit.emplace();
  world.log_in();
  const HttpResponse refused{.status = 401,
                             .body = R"({"error":{"code":401,"message":"bad","status":"UNAUTHENTICATED"}})"};
  world.visit->http.answer(kSkus, refused);
  world.visit->http.answer(kSkus, fixture("gcp/skus_1.json"));
  world.visit->http.answer(kSecondPage, fixture("gcp/skus_2.json"));
  REQUIRE(world.fetch("gcp/skus").ok());
  CHECK(sent(world.visit->http.requests[1], "Authorization") == "Bearer ya29.one");
  CHECK(sent(world.visit->http.requests[3], "Authorization") == "Bearer ya29.two");
  // Refused again, it is an error that shows no token.
  world.visit.emplace();
  world.log_in();
  world.visit->http.answer(kSkus, refused);
  const Error error = world.fetch("gcp/skus").error();
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.message.find("ya29") == std::string::npos);
}

TEST_CASE("gcp feeds: quotas, with Cloud Quotas and when that API is off") {
  World world;
  world.log_in();
  world.answer_compute();
  const Result<Harvest> all = world.fetch("gcp/quotas");
  REQUIRE(all.ok());
  CHECK(all.value().remarks.empty());
  world.visit.emplace();
  world.log_in();
  const std::string compute = kCompute;
  world.visit->http.answer(compute + "/regions", fixture("gcp/regions.json"));
  world.visit->http.answer(compute, fixture("gcp/project.json"));
  world.visit->http.answer(
      kQuotaInfos,
      {.status = 403,
       .body =
           R"({"error":{"code":403,"message":"off","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}})"});
  const Result<Harvest> some = world.fetch("gcp/quotas");
  REQUIRE(some.ok());
  CHECK(some.value().signals.size() < all.value().signals.size());
  REQUIRE(some.value().remarks.size() == 1);
  CHECK(some.value().remarks[0].detail == "SERVICE_DISABLED: HTTP 403: off");
}

TEST_CASE("gcp feeds: the calendar is asked where a type is sold; a region that fails is told alone") {
  World world;
  world.log_in();
  world.answer_compute();
  const std::string advice = kAdvice;
  world.visit->http.answer(advice + "us-central1", fixture("gcp/calendar.json"));
  const Result<Harvest> harvest = world.fetch("gcp/calendar");
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);  // a3-highgpu-8g, a3-ultragpu-8g, a4-highgpu-8g
  CHECK_FALSE(world.was_asked(advice + "europe-west4"));

  testing::MutableJson types = testing::MutableJson::parse(fixture("gcp/machine_types.json"));
  types["items"]["zones/europe-west4-b"]["machineTypes"][0]["name"] = "a3-megagpu-8g";
  world.visit->http.requests.clear();
  World other;
  other.log_in();
  const std::string compute = kCompute;
  other.visit->http.answer(compute + "/zones", fixture("gcp/zones.json"));
  other.visit->http.answer(compute + "/aggregated/machineTypes", types.dump());
  other.visit->http.answer(advice + "us-central1", fixture("gcp/calendar.json"));
  other.visit->http.answer(advice + "europe-west4", {.status = 503, .body = "busy"});
  const Result<Harvest> some = other.fetch("gcp/calendar");
  REQUIRE(some.ok());
  CHECK(some.value().listings.size() == 3);
  REQUIRE(some.value().failed.size() == 1);
  CHECK(some.value().failed[0].first == "europe-west4");
  CHECK(some.value().failed[0].second.kind == ErrorKind::network);
}

TEST_CASE("gcp feeds: no calendar in a region is no failure; the same no everywhere is the account's") {
  World world;
  world.log_in();
  world.answer_compute();
  const std::string advice = kAdvice;
  world.visit->http.answer(advice,
                           {.status = 400, .body = R"({"error":{"code":400,"message":"not supported"}})"});
  const Result<Harvest> none = world.fetch("gcp/calendar");
  REQUIRE(none.ok());
  CHECK(none.value().listings.empty());
  CHECK(none.value().failed.empty());
  World denied;
  denied.log_in();
  denied.answer_compute();
  denied.visit->http.answer(
      advice,
      {.status = 403, .body = R"({"error":{"code":403,"message":"no","errors":[{"reason":"forbidden"}]}})"});
  CHECK(denied.fetch("gcp/calendar").error().kind == ErrorKind::auth);
}

TEST_CASE("gcp check: who we are, in which project, and what is missing") {
  World world;
  world.log_in();
  world.visit->http.answer("POST https://oauth2.googleapis.com/tokeninfo", R"({"email":"me@real.example"})");
  world.visit->http.answer(
      "POST https://cloudresourcemanager.googleapis.com/v1/projects/env-proj:testIamPermissions",
      R"({"permissions":["compute.zones.list","compute.machineTypes.list"]})");
  const AccessReport report = world.cloud->check(world.visit->request());
  CHECK(report.state == AccessReport::State::valid);
  CHECK(report.identity == "me@real.example, project env-proj");
  CHECK(report.found_in == "~/.config/gcloud/application_default_credentials.json");
  REQUIRE(report.permissions.size() > 20);
  CHECK(report.permissions[0] ==
        Permission{"compute.zones.list", Permission::State::granted, "the zones and their regions"});
  CHECK(report.permissions[5].state == Permission::State::missing);
  CHECK(report.permissions.back() ==
        Permission{"compute.instances.delete", Permission::State::missing, "cleaning up"});
  CHECK(report.next.rfind("grant compute.acceleratorTypes.list, ", 0) == 0);
  // The token goes in the body.
  for (const HttpRequest& request : world.visit->http.requests) {
    CHECK(request.url.find("ya29") == std::string::npos);
  }
}

TEST_CASE("gcp check: missing, refused, unreachable, a key alone") {
  World world;
  world.visit.emplace();
  CHECK(world.cloud->check(world.visit->request()).state == AccessReport::State::missing);

  world.home.processes.variables["GOOGLE_API_KEY"] = "key-secret";
  world.visit->http.answer(kSkus, R"({"skus":[]})");
  AccessReport report = world.cloud->check(world.visit->request());
  CHECK(report.state == AccessReport::State::valid);
  CHECK(report.found_in == "$GOOGLE_API_KEY");
  CHECK(report.next.find("key-secret") == std::string::npos);

  world.log_in();
  world.visit.emplace();
  world.visit->http.answer(
      kToken, {.status = 400, .body = R"({"error":"invalid_grant","error_description":"revoked"})"});
  report = world.cloud->check(world.visit->request());
  CHECK(report.state == AccessReport::State::refused);
  CHECK(report.problem == "HTTP 400: revoked");
  CHECK(report.problem.find("refresh-secret") == std::string::npos);
  CHECK_FALSE(report.next.empty());

  world.visit.emplace();
  world.visit->http.fail(kToken, {.kind = ErrorKind::network, .message = "no route"});
  CHECK(world.cloud->check(world.visit->request()).state == AccessReport::State::unreachable);
}

}  // namespace
}  // namespace gpubroker::gcp
