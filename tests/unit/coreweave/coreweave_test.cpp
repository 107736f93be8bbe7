// CoreWeave's table, its codec over recorded shapes, their mutants, and the thin caller over a fake network.
#include <doctest/doctest.h>

#include "providers/coreweave/cloud.hpp"
#include "providers/coreweave/codec.hpp"
#include "providers/coreweave/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::coreweave {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kZones = "GET https://api.coreweave.com/v1alpha1/inference/capacityclaims/parameters";
constexpr const char* kClusters = "GET https://api.coreweave.com/v1beta1/cks/clusters";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region,
                    Market market = Market::on_demand) {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == type && key.region == region && key.market == market) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("coreweave: the table is whole nodes, dated, and needs nobody") {
  const Harvest table = price_table();
  CHECK(table.listings.size() == 14);  // nine types, five of them spot too
  const Listing* const h100 = find(table, "gd-8xh100ib-i128", "north-america");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{49'240'000});
  CHECK(h100->basis == PriceBasis::table);
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 128);
  CHECK(h100->offer.memory_mib == 2048 * 1024);
  CHECK(h100->fabric == Fabric::infiniband);
  CHECK(format_utc(h100->offer.learnt_at) == "2026-10-04T00:00:00Z");
  const Listing* const spot = find(table, "gd-8xh100ib-i128", "north-america", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{19'710'000});
  CHECK(format_utc(spot->offer.learnt_at) == "2026-09-20T00:00:00Z");
}

TEST_CASE("coreweave: racks are Arm and NVL72 and never spot; what sales sell is a quote") {
  const Harvest table = price_table();
  const Listing* const gb200 = find(table, "gb200-4x", "north-america");
  REQUIRE(gb200 != nullptr);
  CHECK(gb200->offer.price == Rate{42'000'000});
  CHECK(gb200->offer.gpu.count == 4);
  CHECK(gb200->arch == "arm64");
  CHECK(gb200->nvlink_domain == 72);
  CHECK(find(table, "gb200-4x", "north-america", Market::spot) == nullptr);
  const Listing* const gb300 = find(table, "gb300-4x-e", "north-america");
  REQUIRE(gb300 != nullptr);
  CHECK(gb300->basis == PriceBasis::quote);
  CHECK(gb300->fabric == Fabric::roce);
  CHECK(find(table, "gd-1xgh200", "north-america")->arch == "arm64");
  // B300 has a spot price, but none on demand.
  CHECK(find(table, "b300-8x", "north-america")->basis == PriceBasis::quote);
  CHECK(find(table, "b300-8x", "north-america", Market::spot)->offer.price == Rate{35'840'000});
}

TEST_CASE("coreweave: zones know types; the table's prices are America's alone") {
  const Result<Harvest> harvest = parse_zones(fixture("coreweave/parameters.json"));
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 7);
  const Listing* const h100 = find(harvest.value(), "gd-8xh100ib-i128", "US-EAST-04A");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{49'240'000});
  CHECK(h100->offer.source == "coreweave/zones");
  CHECK(h100->availability.kind == AvailabilityKind::unknown);
  const Listing* const europe = find(harvest.value(), "gd-8xh200ib-i128", "EU-SOUTH-03A");
  REQUIRE(europe != nullptr);
  CHECK(europe->basis == PriceBasis::quote);
  CHECK(europe->offer.price == Rate{});
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0] ==
        Remark{"row refused", "US-CENTRAL-09A[0]: the instance type verarubin-4x-e is unknown", 1});
}

TEST_CASE("coreweave: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("coreweave/parameters.json")),
                           [](const std::string& text) { static_cast<void>(parse_zones(text)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("coreweave/clusters.json")),
                           [](const std::string& text) { static_cast<void>(parse_clusters(text)); });
  CHECK(parse_clusters("{}").value().empty());  // an empty list is left out
}

TEST_CASE("coreweave: Connect's codes decide the kind") {
  const auto kind = [](int status, const std::string& code, const std::string& more = "") {
    return parse_error({.status = status, .body = R"({"code":")" + code + R"(","message":"m")" + more + "}"},
                       "/x", kNow)
        .kind;
  };
  CHECK(kind(401, "unauthenticated") == ErrorKind::auth);
  CHECK(kind(403, "permission_denied") == ErrorKind::auth);
  CHECK(kind(429, "resource_exhausted") == ErrorKind::throttled);
  CHECK(kind(429, "resource_exhausted", R"(,"details":[{"type":"google.rpc.QuotaFailure","value":"CgA"}])") ==
        ErrorKind::quota);
  CHECK(kind(400, "failed_precondition") == ErrorKind::conflict);
  CHECK(kind(503, "unavailable") == ErrorKind::network);
}

TEST_CASE("coreweave: the token is found, sent, and never shown") {
  FakeHome home;
  FakeVisit visit;
  auto& variables = home.processes.variables;
  visit.http.answer(kZones, fixture("coreweave/parameters.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  SUBCASE("nowhere") {
    CHECK(cloud->feeds()[0]->fetch(visit.request()).error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
    CHECK(cloud->feeds()[1]->fetch(visit.request()).ok());
    CHECK(visit.http.requests.empty());
  }
  SUBCASE("by its other name, at an endpoint of its own") {
    variables["CW_TOKEN"] = "CW-SECRET-b";
    variables["COREWEAVE_API_ENDPOINT"] = "https://api.example/";
    visit.http.answer("GET https://api.example/v1alpha1", fixture("coreweave/parameters.json"));
    REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer CW-SECRET-b");
  }
  SUBCASE("in a kubeconfig") {
    home.write(".kube/config", fixture("coreweave/kubeconfig.yaml"));
    visit.http.answer(kClusters, fixture("coreweave/clusters.json"));
    REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer CW-SECRET-k");
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.kube/config [train]");
  }
  SUBCASE("good") {
    variables["COREWEAVE_API_TOKEN"] = "CW-SECRET-a";
    visit.http.answer(kClusters, fixture("coreweave/clusters.json"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.identity == "1 cluster: US-EAST-04A");
    CHECK(report.permissions.at(0).state == Permission::State::granted);
  }
  SUBCASE("refused") {
    variables["COREWEAVE_API_TOKEN"] = "CW-SECRET-a";
    visit.http.answer(kClusters,
                      {.status = 401, .body = R"({"code":"unauthenticated","message":"invalid token"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: invalid token");
    CHECK(report.next.find("console.coreweave.com") != std::string::npos);
    CHECK(report.problem.find("CW-SECRET") == std::string::npos);
  }
}

}  // namespace
}  // namespace gpubroker::coreweave
