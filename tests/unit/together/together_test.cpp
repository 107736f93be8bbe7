// Together's codec over a recorded shape, its mutants, and the thin caller over a fake network.
#include <doctest/doctest.h>

#include "providers/together/cloud.hpp"
#include "providers/together/codec.hpp"
#include "providers/together/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::together {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("together: regions are nodes of eight, priced by the table") {
  const Result<Harvest> harvest = parse_regions(fixture("together/regions.json"));
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);  // told twice is one; inference is no cluster
  const Listing* const h100 = find(harvest.value(), "H100_SXM");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.key.region == "us-central-8");
  CHECK(h100->offer.price == Rate{27'920'000});  // 8 x 3.49
  CHECK(h100->basis == PriceBasis::table);
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.memory_mib == 1760 * 1024);
  CHECK(h100->fabric == Fabric::infiniband);
  CHECK(h100->nvlink_domain == 8);
  CHECK(h100->availability.kind == AvailabilityKind::unknown);
  CHECK(h100->offer.source == "together/regions");
  const Listing* const h200 = find(harvest.value(), "H200_SXM");
  REQUIRE(h200 != nullptr);
  CHECK(h200->basis == PriceBasis::quote);
  CHECK(h200->offer.price == Rate{});
}

TEST_CASE("together: the table is dated and needs nobody") {
  const Harvest table = price_table();
  CHECK(table.listings.size() == 5);
  CHECK(find(table, "B200_SXM")->offer.price == Rate{59'920'000});
  CHECK(find(table, "L40_PCIE")->basis == PriceBasis::quote);
  CHECK(format_utc(table.listings[0].offer.learnt_at) == "2026-05-01T00:00:00Z");
}

TEST_CASE("together: rows that cannot be read are told") {
  const Result<Harvest> harvest = parse_regions(
      R"({"regions":[{"name":"a"},{"name":"b","supported_instance_types":[1.5,"H100_SXM",null]}]})");
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0] ==
        Remark{"row refused", "regions[0]: the field supported_instance_types is missing", 2});
}

TEST_CASE("together: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("together/regions.json")),
                           [](const std::string& text) { static_cast<void>(parse_regions(text)); });
}

TEST_CASE("together: errors") {
  const auto kind = [](int status, const std::string& message) {
    return parse_error(
               {.status = status,
                .body = R"({"error":{"message":")" + message + R"(","type":"t","param":null,"code":null}})"},
               "/x", kNow)
        .kind;
  };
  CHECK(kind(401, "m") == ErrorKind::auth);
  CHECK(kind(402, "credit") == ErrorKind::quota);
  CHECK(kind(422, "not enough capacity") == ErrorKind::capacity);
  CHECK(kind(429, "m") == ErrorKind::throttled);
}

TEST_CASE("together: the key is found, sent, and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  SUBCASE("nowhere") {
    CHECK(cloud->feeds()[0]->fetch(visit.request()).error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
    CHECK(cloud->feeds()[1]->fetch(visit.request()).ok());
    CHECK(visit.http.requests.empty());
  }
  home.processes.variables["TOGETHER_API_KEY"] = "the-key";
  SUBCASE("good") {
    visit.http.answer("GET https://api.together.ai/v1/compute/regions", fixture("together/regions.json"));
    visit.http.answer("GET https://api.together.ai/v1/compute/clusters", R"({"clusters":[]})");
    REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer the-key");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::valid);
  }
  SUBCASE("refused") {
    visit.http.answer(
        "GET https://api.together.ai/v1/compute/clusters",
        {.status = 401,
         .body =
             R"({"error":{"message":"Invalid API key provided","type":"invalid_request_error","code":"invalid_api_key"}})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: Invalid API key provided");
    CHECK(report.found_in == "$TOGETHER_API_KEY");
  }
}

}  // namespace
}  // namespace gpubroker::together
