// Crusoe's signature against its vector, its codec over recorded shapes and their mutants, and the thin
// callers.
#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "providers/crusoe/cloud.hpp"
#include "providers/crusoe/codec.hpp"
#include "providers/crusoe/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::crusoe {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;

constexpr const char* kBase = "GET https://api.cloud.crusoe.ai/v1";
constexpr const char* kSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
const Instant kNow{1'795'521'600'000};

std::string route(const std::string& path) {
  return kBase + path;
}

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type && listing.offer.key.region == region) { return &listing; }
  }
  return nullptr;
}

Harvest read_all() {
  Harvest harvest;
  std::vector<Listing> types;
  Capacities capacities;
  CHECK(parse_types(fixture("crusoe/types.json"), kNow, types, harvest).ok());
  CHECK(parse_capacities(fixture("crusoe/capacities.json"), capacities, harvest).ok());
  place_types(types, capacities, harvest);
  return harvest;
}

// Source: shared API notes on Crusoe, read 2026-11.
TEST_CASE("crusoe: the signature is the vector") {
  const Instant at = parse_utc("2026-11-23T20:00:00Z").value();
  const Result<HttpRequest> request =
      encode_get("https://api.cloud.crusoe.ai/v1", "/capacities",
                 {{"product_name", "h100-80gb-sxm-ib.8x"}, {"location", "us-east1-a"}},
                 {.id = "the-id", .secret = Secret(kSecret)}, at + Millis{999});
  REQUIRE(request.ok());
  CHECK(request.value().url ==
        "https://api.cloud.crusoe.ai/v1/capacities?location=us-east1-a&product_name=h100-80gb-sxm-ib.8x");
  CHECK(testing::sent(request.value(), "X-Crusoe-Timestamp") == "2026-11-23T20:00:00Z");
  CHECK(find_header(request.value().headers, "Authorization") ==
        "Bearer 1.0:the-id:7FTDrRf7qNsy7xyFTZXVhlgikY7KdXE_q4UdkUKZdcM");
}

TEST_CASE("crusoe: a query is signed as it is sent, spaces as plus; none is an empty line") {
  const Keys keys{.id = "i", .secret = Secret(kSecret)};
  const Result<HttpRequest> request = encode_get("https://x.example/v1", "/a", {{"b", "c d/e"}}, keys, kNow);
  REQUIRE(request.ok());
  CHECK(request.value().url == "https://x.example/v1/a?b=c+d%2Fe");
  CHECK(signed_text("/v1/a", "", "GET", "t") == "/v1/a\n\nGET\nt\n");
  CHECK(encode_get("https://x.example/v1", "/a", {}, {.id = "i", .secret = Secret("!")}, kNow).error().kind ==
        ErrorKind::auth);
}

TEST_CASE("crusoe: types are listed where there are some, with the table's price") {
  const Harvest harvest = read_all();
  CHECK(harvest.remarks.empty());
  CHECK(harvest.listings.size() == 5);  // two places, one, and two types without a place; no CPU machine
  const Listing* const h100 = find(harvest, "h100-80gb-sxm-ib.8x", "us-east1-a");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{31'200'000});
  CHECK(h100->basis == PriceBasis::table);
  CHECK(h100->availability ==
        Availability{AvailabilityKind::count, 4, "crusoe capacities"});  // not the 2 of its twin
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 176);
  CHECK(h100->offer.memory_mib == 960 * 1024);
  CHECK(h100->disk_gib == 7680);
  CHECK(h100->fabric == Fabric::infiniband);
  CHECK(h100->nvlink_domain == 8);
  const Listing* const sold_out = find(harvest, "h100-80gb-sxm-ib.8x", "eu-iceland1-a");
  REQUIRE(sold_out != nullptr);
  CHECK_FALSE(says_available(sold_out->availability));
  const Listing* const a100 = find(harvest, "a100-80gb.1x", "us-northcentral1-a");
  REQUIRE(a100 != nullptr);
  CHECK(a100->offer.price == Rate{2'000'000});
  CHECK(a100->offer.gpu.form == "PCIe");
  CHECK(a100->fabric == Fabric::ethernet);
  CHECK(a100->nvlink_domain == 0);
}

TEST_CASE("crusoe: racks are Arm and NVL72; what has no price is a quote") {
  const Harvest harvest = read_all();
  const Listing* const gb200 = find(harvest, "gb200-186gb-nvl.4x", "any");
  REQUIRE(gb200 != nullptr);
  CHECK(gb200->arch == "arm64");
  CHECK(gb200->nvlink_domain == 72);
  CHECK(gb200->offer.gpu.memory_gib == 186);
  CHECK(gb200->basis == PriceBasis::quote);
  CHECK(gb200->availability.kind == AvailabilityKind::unknown);
  const Listing* const mi300x = find(harvest, "mi300x-192gb-ib.8x", "any");
  REQUIRE(mi300x != nullptr);
  CHECK(mi300x->basis == PriceBasis::quote);
  CHECK(mi300x->offer.gpu.memory_gib == 192);
  CHECK(mi300x->fabric == Fabric::infiniband);
}

TEST_CASE("crusoe: rows that cannot be read are told") {
  MutableJson types = MutableJson::parse(fixture("crusoe/types.json"));
  types["items"][0].erase("cpu_cores");
  Harvest harvest;
  std::vector<Listing> read;
  REQUIRE(parse_types(types.dump(), kNow, read, harvest).ok());
  CHECK(read.size() == 3);
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] == Remark{"row refused", "items[0]: the field cpu_cores is missing", 1});
}

TEST_CASE("crusoe: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(MutableJson::parse(fixture("crusoe/types.json")), [](const std::string& text) {
    Harvest harvest;
    std::vector<Listing> types;
    static_cast<void>(parse_types(text, kNow, types, harvest));
  });
  testing::for_each_mutant(MutableJson::parse(fixture("crusoe/capacities.json")),
                           [](const std::string& text) {
                             Harvest harvest;
                             Capacities capacities;
                             static_cast<void>(parse_capacities(text, capacities, harvest));
                             for (const auto& [place, count] : capacities) { CHECK(count >= 0); }
                           });
  testing::for_each_mutant(MutableJson::parse(fixture("crusoe/projects.json")), [](const std::string& text) {
    std::vector<Project> projects;
    static_cast<void>(parse_projects(text, projects));
  });
}

TEST_CASE("crusoe: the cloud's codes decide the kind") {
  const auto kind = [](int status, const std::string& code) {
    return parse_error({.status = status, .body = R"({"code":")" + code + R"(","message":"m"})"}, "/x", kNow)
        .kind;
  };
  CHECK(kind(401, "bad_credential") == ErrorKind::auth);
  CHECK(kind(400, "out_of_stock") == ErrorKind::capacity);
  CHECK(kind(400, "quota_exceeded") == ErrorKind::quota);
  CHECK(kind(500, "internal_error") == ErrorKind::network);
  CHECK(parse_error({.status = 502, .body = "<html>"}, "/x", kNow).kind == ErrorKind::network);
}

TEST_CASE("crusoe: the price table is whole machines, dated, and needs nobody") {
  const Harvest table = price_table();
  CHECK(table.listings.size() == 9);
  const Listing* const h200 = find(table, "h200-141gb-sxm-ib.8x", "any");
  REQUIRE(h200 != nullptr);
  CHECK(h200->offer.price == Rate{34'320'000});
  CHECK(format_utc(h200->offer.learnt_at) == "2026-09-20T00:00:00Z");
  const Listing* const a100 = find(table, "a100-80gb.4x", "any");
  REQUIRE(a100 != nullptr);
  CHECK(a100->offer.price == Rate{8'000'000});
  CHECK(a100->offer.vcpus == 48);
  CHECK(a100->offer.memory_mib == 480 * 1024);
  CHECK(find(table, "b200-180gb-sxm-ib.8x", "any")->basis == PriceBasis::quote);
}

struct World {
  FakeHome home = {};
  FakeVisit visit = {};
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);
  World() {
    home.processes.variables["CRUSOE_ACCESS_KEY_ID"] = "env-id";
    home.processes.variables["CRUSOE_SECRET_KEY"] = kSecret;
  }
  void answer_all() {
    visit.http.answer(route("/organizations/projects"), fixture("crusoe/projects.json"));
    visit.http.answer(route("/projects/"), fixture("crusoe/types.json"));
    visit.http.answer(route("/capacities"), fixture("crusoe/capacities.json"));
  }
};

TEST_CASE("crusoe: the feed asks the project of the settings, by name or id") {
  World world;
  world.answer_all();
  world.home.processes.variables["CRUSOE_DEFAULT_PROJECT"] = "default";
  const Result<Harvest> harvest = world.cloud->feeds()[0]->fetch(world.visit.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 5);
  CHECK(world.visit.http.requests[1].url ==
        "https://api.cloud.crusoe.ai/v1/projects/9f1d2c4b-0000-4d55-8e11-aaaaaaaaaaaa/compute/vms/types");
  world.home.processes.variables["CRUSOE_DEFAULT_PROJECT"] = "nobody";
  CHECK(world.cloud->feeds()[0]->fetch(world.visit.request()).error().kind == ErrorKind::not_found);
}

TEST_CASE("crusoe: pages are followed to the end, and not in a circle") {
  World world;
  world.visit.http.answer(route("/organizations/projects"), fixture("crusoe/projects.json"));
  world.visit.http.answer(route("/projects/"), fixture("crusoe/types.json"));
  world.visit.http.answer(
      route("/capacities"),
      R"({"items":[{"type":"a100-80gb.1x","location":"us-a","quantity":1}],"next_page_token":"p 2"})");
  SUBCASE("two pages") {
    world.visit.http.answer(route("/capacities"), fixture("crusoe/capacities.json"));
    const Result<Harvest> harvest = world.cloud->feeds()[0]->fetch(world.visit.request());
    REQUIRE(harvest.ok());
    CHECK(harvest.value().listings.size() == 6);
    CHECK(world.visit.http.requests.back().url == "https://api.cloud.crusoe.ai/v1/capacities?next_token=p+2");
  }
  SUBCASE("a circle") {
    const Result<Harvest> harvest = world.cloud->feeds()[0]->fetch(world.visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().message == "the pages run in a circle");
  }
}

TEST_CASE("crusoe: where credentials are found, and what check says of them") {
  World world;
  auto& variables = world.home.processes.variables;
  SUBCASE("nowhere") {
    variables.erase("CRUSOE_SECRET_KEY");
    CHECK(world.cloud->feeds()[0]->fetch(world.visit.request()).error().code == "no_credentials");
    CHECK(world.cloud->check(world.visit.request()).state == AccessReport::State::missing);
    CHECK(world.visit.http.requests.empty());
  }
  SUBCASE("the file's profile, readable by others, with an endpoint of its own") {
    variables.erase("CRUSOE_ACCESS_KEY_ID");
    variables.erase("CRUSOE_SECRET_KEY");
    const std::string path = world.home.write(
        ".crusoe/config",
        std::string(
            "profile=\"work\"\n[default]\naccess_key_id=\"wrong\"\n[work]\naccess_key_id=\"file-id\"\n"
            "secret_key=\"") +
            kSecret +
            "\"\napi_endpoint=\"https://api.crusoecloud.com/v1alpha5/\"\ndefault_project=\"training\"\n");
    std::filesystem::permissions(path, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    world.visit.http.answer("GET https://api.crusoecloud.com/v1alpha5/organizations/projects",
                            fixture("crusoe/projects.json"));
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.crusoe/config [work]");
    CHECK(report.identity == "key file-id, project training");
    CHECK(report.warnings.size() == 1);
  }
  SUBCASE("refused, and the secret is nowhere") {
    world.visit.http.answer(
        route("/organizations/projects"),
        {.status = 401, .body = R"({"code":"bad_credential","message":"check your credentials"})"});
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: check your credentials");
    for (const HttpRequest& request : world.visit.http.requests) {
      CHECK(request.url.find(kSecret) == std::string::npos);
      CHECK(find_header(request.headers, "Authorization").find(kSecret) == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace gpubroker::crusoe
