// Lambda's codec over a recorded shape, its mutants, and the thin caller over a fake network.
#include <doctest/doctest.h>

#include "providers/lambda/cloud.hpp"
#include "providers/lambda/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::lambda {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kTypes = "GET https://cloud.lambda.ai/api/v1/instance-types";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type && listing.offer.key.region == region) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("lambda: instance types become offers in the regions that have one") {
  const Result<Harvest> harvest = parse_instance_types(fixture("lambda/instance_types.json"), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 4);  // two regions, sold out, one region; no CPU machine
  const Listing* const h100 = find(harvest.value(), "gpu_8x_h100_sxm5", "us-west-3");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{31'920'000});  // 3192 cents per instance-hour
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 208);
  CHECK(h100->offer.memory_mib == 1800 * 1024);
  CHECK(h100->disk_gib == 22528);
  CHECK(h100->arch == "x86_64");
  CHECK(says_available(h100->availability));
}

TEST_CASE("lambda: no region with capacity is sold out, not gone") {
  const Result<Harvest> harvest = parse_instance_types(fixture("lambda/instance_types.json"), kNow);
  REQUIRE(harvest.ok());
  const Listing* const gh200 = find(harvest.value(), "gpu_1x_gh200", "any");
  REQUIRE(gh200 != nullptr);
  CHECK(gh200->arch == "arm64");
  CHECK(gh200->availability.kind == AvailabilityKind::level);
  CHECK_FALSE(says_available(gh200->availability));
}

TEST_CASE("lambda: a row that cannot be read is told and does not take the others along") {
  testing::MutableJson types = testing::MutableJson::parse(fixture("lambda/instance_types.json"));
  types["data"]["gpu_1x_gh200"]["instance_type"].erase("price_cents_per_hour");
  const Result<Harvest> harvest = parse_instance_types(types.dump(), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0].what == "row refused");
  CHECK(harvest.value().remarks[0].detail == "gpu_1x_gh200: the field price_cents_per_hour is missing");
}

TEST_CASE("lambda: less than no GPUs is no offer") {
  testing::MutableJson types = testing::MutableJson::parse(fixture("lambda/instance_types.json"));
  types["data"]["gpu_1x_gh200"]["instance_type"]["specs"]["gpus"] = -8;
  const Result<Harvest> harvest = parse_instance_types(types.dump(), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0].detail == "gpu_1x_gh200: gpus: less than none");
}

TEST_CASE("lambda: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("lambda/instance_types.json")),
      [](const std::string& text) { static_cast<void>(parse_instance_types(text, kNow)); });
}

TEST_CASE("lambda: a web page instead of an answer is named as such") {
  const Result<Harvest> harvest = parse_instance_types("<!DOCTYPE html><html></html>", kNow);
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().kind == ErrorKind::internal);
  CHECK(harvest.error().message == "cannot read the answer: it is a web page, not JSON");
}

TEST_CASE("lambda: the cloud's codes decide the kind, not the status") {
  const auto kind = [](int status, const std::string& code) {
    const HttpResponse answer{.status = status,
                              .body = R"({"error":{"code":")" + code + R"(","message":"m"}})"};
    return parse_error(answer, "GET /instance-types", kNow).kind;
  };
  CHECK(kind(400, "instance-operations/launch/insufficient-capacity") == ErrorKind::capacity);
  CHECK(kind(400, "global/quota-exceeded") == ErrorKind::quota);
  CHECK(kind(401, "global/invalid-api-key") == ErrorKind::auth);
  CHECK(kind(403, "global/account-inactive") == ErrorKind::auth);
  CHECK(kind(500, "provider/internal-unavailable") == ErrorKind::network);
  CHECK(parse_error({.status = 429, .headers = {{"retry-after", "7"}}, .body = "<html>"}, "/x", kNow)
            .retry_after == Millis{7'000});
}

TEST_CASE("lambda: the key is found, sent, and never shown") {
  FakeHome home;
  FakeVisit visit;
  visit.http.answer(kTypes, fixture("lambda/instance_types.json"));
  const auto cloud = make_cloud(home.files, home.processes);

  SUBCASE("nowhere") {
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    CHECK(visit.http.requests.empty());
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
  }
  SUBCASE("in the file that SkyPilot reads") {
    home.write(".lambda_cloud/lambda_keys", "api_key = file-secret\n");
    REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer file-secret");
  }
  SUBCASE("in the environment, which wins; refused") {
    home.write(".lambda_cloud/lambda_keys", "api_key = file-secret\n");
    home.processes.variables["LAMBDA_API_KEY"] = "env-secret";
    visit.http.answer(
        "GET https://cloud.lambda.ai/api/v1/ssh-keys",
        {.status = 401,
         .body = R"({"error":{"code":"global/invalid-api-key","message":"API key was invalid"}})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.found_in == "$LAMBDA_API_KEY");
    CHECK(report.problem.find("API key was invalid") != std::string::npos);
    CHECK(report.problem.find("env-secret") == std::string::npos);
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer env-secret");
  }
}

}  // namespace
}  // namespace gpubroker::lambda
