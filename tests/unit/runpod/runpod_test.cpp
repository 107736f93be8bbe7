// RunPod's catalog and GraphQL prices over recorded shapes, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/runpod/cloud.hpp"
#include "providers/runpod/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::runpod {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kCatalog = "GET https://api.runpod.io/v2/catalog/gpus";
constexpr const char* kTypes = "POST https://api.runpod.io/graphql";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region,
                    Market market = Market::on_demand) {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == type && key.region == region && key.market == market) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("runpod: the catalog's price per GPU becomes one per machine, in each data center") {
  const Result<Harvest> harvest =
      parse_catalog(fixture("runpod/catalog_secure_8.json"), 8, Ownership::secure, kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);  // no A100 of eight, no A2000 in the secure cloud
  const Listing* const h100 = find(harvest.value(), "8x NVIDIA H100 80GB HBM3 secure", "US-KS-2");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{31'920'000});
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->gpu_text == "NVIDIA H100 80GB HBM3");
  CHECK(h100->availability.kind == AvailabilityKind::level);
  CHECK(h100->availability.value == 1);
  const Listing* const none = find(harvest.value(), "8x NVIDIA H100 80GB HBM3 secure", "EU-RO-1");
  REQUIRE(none != nullptr);
  CHECK_FALSE(says_available(none->availability));
  const Listing* const nvl = find(harvest.value(), "8x NVIDIA H100 NVL secure", "any");
  REQUIRE(nvl != nullptr);
  CHECK(nvl->offer.gpu.form == "NVL");
  CHECK(nvl->availability.value == 3);
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0].what == "row told twice");
}

TEST_CASE("runpod: the community cloud has its own price and counts") {
  const Result<Harvest> harvest =
      parse_catalog(fixture("runpod/catalog_secure_8.json"), 4, Ownership::community, kNow);
  REQUIRE(harvest.ok());
  const Listing* const nvl = find(harvest.value(), "4x NVIDIA H100 NVL community", "any");
  REQUIRE(nvl != nullptr);
  CHECK(nvl->offer.price == Rate{10'360'000});
  CHECK(find(harvest.value(), "4x NVIDIA RTX A2000 community", "any") != nullptr);
}

TEST_CASE("runpod: an availability that nobody taught us is told, the price stays") {
  testing::MutableJson catalog = testing::MutableJson::parse(fixture("runpod/catalog_secure_8.json"));
  catalog["gpus"][1]["availability"] = "PLENTY";
  const Result<Harvest> harvest = parse_catalog(catalog.dump(), 8, Ownership::secure, kNow);
  REQUIRE(harvest.ok());
  const Listing* const nvl = find(harvest.value(), "8x NVIDIA H100 NVL secure", "any");
  REQUIRE(nvl != nullptr);
  CHECK(nvl->availability.kind == AvailabilityKind::unknown);
  CHECK(harvest.value().remarks[0] == Remark{.what = "unknown availability", .detail = "PLENTY"});
}

TEST_CASE("runpod: gpuTypes tell on-demand, spot's least bid and clusters") {
  const Result<Harvest> harvest = parse_gpu_types(fixture("runpod/gpu_types.json"), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().remarks.empty());
  const Listing* const list = find(harvest.value(), "8x NVIDIA H100 80GB HBM3 secure", "any");
  REQUIRE(list != nullptr);
  CHECK(list->offer.price == Rate{31'920'000});
  CHECK(list->offer.vcpus == 160);
  CHECK(list->offer.memory_mib == 1000 * 1024);
  CHECK(list->availability.value == 1);
  const Listing* const spot = find(harvest.value(), "8x NVIDIA H100 80GB HBM3 secure", "any", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{14'000'000});  // 1.75 for each of eight
  CHECK(spot->basis == PriceBasis::market);
  CHECK(spot->availability.kind == AvailabilityKind::unknown);
  const Listing* const sold_out = find(harvest.value(), "1x NVIDIA H100 80GB HBM3 community", "any");
  REQUIRE(sold_out != nullptr);
  CHECK(sold_out->offer.price == Rate{2'690'000});  // the list price, as there is none now
  CHECK(sold_out->availability.kind == AvailabilityKind::level);
  CHECK_FALSE(says_available(sold_out->availability));
  const Listing* const cluster = find(harvest.value(), "8x NVIDIA H100 80GB HBM3 cluster", "any");
  REQUIRE(cluster != nullptr);
  CHECK(cluster->offer.price == Rate{34'480'000});
  CHECK(cluster->fabric_gbps == 3'200);
  const Listing* const a100 = find(harvest.value(), "8x NVIDIA A100-SXM4-80GB cluster", "any");
  REQUIRE(a100 != nullptr);
  CHECK(a100->fabric_gbps == 1'600);
}

TEST_CASE("runpod: a price of zero is no offer") {
  const Result<Harvest> harvest = parse_gpu_types(fixture("runpod/gpu_types.json"), kNow);
  REQUIRE(harvest.ok());
  CHECK(find(harvest.value(), "1x NVIDIA H100 PCIe secure", "any") != nullptr);
  CHECK(find(harvest.value(), "1x NVIDIA H100 PCIe secure", "any", Market::spot) == nullptr);
  CHECK(find(harvest.value(), "1x NVIDIA H100 PCIe community", "any") == nullptr);
}

TEST_CASE("runpod: GraphQL refuses with status 200") {
  const Result<Harvest> auth = parse_gpu_types(
      R"({"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}],"data":null})", kNow);
  REQUIRE_FALSE(auth.ok());
  CHECK(auth.error().kind == ErrorKind::auth);
  const Result<Harvest> other = parse_gpu_types(R"({"errors":[{"message":"Cannot query field"}]})", kNow);
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().kind == ErrorKind::internal);
  CHECK(other.error().message == "Cannot query field");
}

TEST_CASE("runpod: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("runpod/catalog_secure_8.json")),
      [](const std::string& text) { static_cast<void>(parse_catalog(text, 8, Ownership::secure, kNow)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("runpod/gpu_types.json")),
                           [](const std::string& text) { static_cast<void>(parse_gpu_types(text, kNow)); });
}

TEST_CASE("runpod: a price that leaves all bounds is refused, not wrapped") {
  testing::MutableJson catalog = testing::MutableJson::parse(fixture("runpod/catalog_secure_8.json"));
  catalog["gpus"][1]["price"]["secure"] = "9000000000000";
  catalog["gpus"][0]["price"]["secure"] = -1;
  const Result<Harvest> harvest = parse_catalog(catalog.dump(), 8, Ownership::secure, kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.empty());
  CHECK(harvest.value().remarks[0].count == 2);
}

TEST_CASE("runpod: errors are problem+json, without a code of its own") {
  const auto kind = [](int status, const std::string& detail) {
    const HttpResponse answer{
        .status = status,
        .body = R"({"title":"Error","status":400,"detail":")" + detail + R"(","errors":[]})"};
    return parse_error(answer, "/pods", kNow).kind;
  };
  CHECK(kind(400, "There are no longer any instances available with the requested specifications") ==
        ErrorKind::capacity);
  CHECK(kind(400, "count must be positive") == ErrorKind::invalid);
  CHECK(kind(401, "Unauthorized") == ErrorKind::auth);
  CHECK(kind(402, "balance too low") == ErrorKind::quota);
  CHECK(kind(422, "bad") == ErrorKind::invalid);
  CHECK(kind(503, "later") == ErrorKind::network);
}

TEST_CASE("runpod: eight questions make one harvest, and one that fails makes none") {
  FakeHome home;
  home.processes.variables["RUNPOD_API_KEY"] = "s3cret-key";
  FakeVisit visit;
  visit.http.answer(kCatalog, fixture("runpod/catalog_secure_8.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE(harvest.ok());
  CHECK(visit.http.requests.size() == 8);
  CHECK(visit.http.requests[3].url ==
        "https://api.runpod.io/v2/catalog/gpus?include=AVAILABILITY&product=POD&count=8&cloud=SECURE");
  CHECK(testing::sent(visit.http.requests[3], "Authorization") == "Bearer s3cret-key");
  CHECK(find(harvest.value(), "1x NVIDIA H100 NVL secure", "any") != nullptr);
  CHECK(find(harvest.value(), "4x NVIDIA H100 NVL community", "any") != nullptr);

  visit.http.answer(std::string(kCatalog) + "?include=AVAILABILITY&product=POD&count=4&cloud=COMMUNITY",
                    {.status = 500, .body = "s3cret-key"});
  const Result<Harvest> failed = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().kind == ErrorKind::network);
  CHECK(failed.error().message.find("s3cret") == std::string::npos);
}

TEST_CASE("runpod: GraphQL needs no key and sends none") {
  FakeHome home;
  home.processes.variables["RUNPOD_API_KEY"] = "s3cret-key";
  FakeVisit visit;
  visit.http.answer(kTypes, fixture("runpod/gpu_types.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  CHECK(cloud->feeds()[1]->needs().empty());
  REQUIRE(cloud->feeds()[1]->fetch(visit.request()).ok());
  CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  CHECK(visit.http.requests[0].body.find("secure8:lowestPrice(input:{gpuCount:8,secureCloud:true})") !=
        std::string::npos);
}

TEST_CASE("runpod: the key is found, judged, and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  SUBCASE("nowhere") {
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
    CHECK(visit.http.requests.empty());
  }
  SUBCASE("in runpodctl's file") {
    home.write(".runpod/config.toml",
               "apikey = \"file-secret\"\napiurl = \"https://api.runpod.io/graphql\"\n");
    visit.http.answer("GET https://api.runpod.io/v2/pods", std::string(R"({"pods":[]})"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.runpod/config.toml");
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer file-secret");
  }
  SUBCASE("refused") {
    home.processes.variables["RUNPOD_API_KEY"] = "s3cret-key";
    visit.http.answer(
        "GET https://api.runpod.io/v2/pods",
        {.status = 401, .body = R"({"title":"Unauthorized","status":401,"detail":"invalid key"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: invalid key");
    CHECK_FALSE(report.next.empty());
  }
}

}  // namespace
}  // namespace gpubroker::runpod
