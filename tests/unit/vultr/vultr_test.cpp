// Vultr's plans over recorded shapes, their mutants, pages, and the thin caller.
#include <doctest/doctest.h>

#include "providers/vultr/cloud.hpp"
#include "providers/vultr/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::vultr {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kPlans = "GET https://api.vultr.com/v2/plans?type=vcg&per_page=500";
constexpr const char* kMetal = "GET https://api.vultr.com/v2/plans-metal?per_page=500";
const Instant kNow{1'795'521'600'000};

Harvest read(Plans plans) {
  const Result<PlansPage> page = parse_plans(
      fixture(plans == Plans::metal ? "vultr/plans_metal.json" : "vultr/plans.json"), plans, kNow);
  REQUIRE(page.ok());
  return page.value().harvest;
}

TEST_CASE("vultr: a cloud plan's cards follow from its memory") {
  const Harvest harvest = read(Plans::cloud);
  REQUIRE(harvest.listings.size() == 3);
  const Listing& one = harvest.listings[0];
  CHECK(one.offer.key ==
        OfferKey{.provider = "vultr", .region = "ewr", .instance_type = "vcg-a100-12c-120g-80vram"});
  CHECK(one.offer.price == Rate{2'397'000});
  CHECK(one.offer.gpu == Accelerator{.model = "", .form = "", .memory_gib = 80, .count = 1});
  CHECK(one.offer.vcpus == 12);
  CHECK(one.offer.memory_mib == 122'880);
  CHECK(one.disk_gib == 1'400);
  CHECK(says_available(one.availability));
  CHECK(harvest.listings[1].offer.key.region == "sjc");
  const Listing& two = harvest.listings[2];
  CHECK(two.offer.gpu.count == 2);
  CHECK(two.offer.key.region == "any");  // no locations: sold out
  CHECK_FALSE(says_available(two.availability));
}

TEST_CASE("vultr: a fraction of a card is no GPU, and an unknown card is told") {
  const Harvest harvest = read(Plans::cloud);
  REQUIRE(harvest.remarks.size() == 2);
  CHECK(harvest.remarks[0] == Remark{.what = "a fraction of a card", .detail = "vcg-a100-1c-6g-4vram"});
  CHECK(harvest.remarks[1].what == "row refused");
  CHECK(harvest.remarks[1].detail == "plans[3]: nobody knows how large a card of NVIDIA_X9 is");
}

TEST_CASE("vultr: a metal plan's GPU stands in its id; preemptible is spot") {
  const Harvest harvest = read(Plans::metal);
  REQUIRE(harvest.listings.size() == 3);  // no machine without a GPU
  const Listing& h100 = harvest.listings[0];
  CHECK(h100.gpu_text == "h100");
  CHECK(h100.offer.gpu == Accelerator{.model = "", .form = "", .memory_gib = 80, .count = 8});
  CHECK(h100.offer.price == Rate{23'920'000});
  CHECK(h100.offer.vcpus == 224);  // threads, not cores
  CHECK(h100.offer.memory_mib == 2'097'152);
  CHECK(harvest.listings[1].offer.key.market == Market::spot);
  CHECK(harvest.listings[1].offer.price == Rate{18'400'000});
  const Listing& grace = harvest.listings[2];
  CHECK(grace.gpu_text == "gh200");
  CHECK(grace.offer.gpu.count == 1);
  CHECK(grace.arch == "arm64");
  CHECK(grace.offer.key.market == Market::on_demand);  // a preemptible price of 0 is none
}

TEST_CASE("vultr: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("vultr/plans.json")),
      [](const std::string& text) { static_cast<void>(parse_plans(text, Plans::cloud, kNow)); });
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("vultr/plans_metal.json")),
      [](const std::string& text) { static_cast<void>(parse_plans(text, Plans::metal, kNow)); });
}

TEST_CASE("vultr: pages by cursor, without a key, and not in a circle") {
  FakeHome home;
  home.processes.variables["VULTR_API_KEY"] = "s3cret-key";
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  REQUIRE(cloud->feeds().size() == 2);
  visit.http.answer(kPlans, fixture("vultr/plans.json"));
  const std::string second = std::string(kPlans) + "&cursor=WxYzExampleNext";
  SUBCASE("two pages") {
    visit.http.answer(second,
                      std::string(R"({"plans":[],"meta":{"total":5,"links":{"next":"","prev":"x"}}})"));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(harvest.ok());
    CHECK(harvest.value().listings.size() == 3);
    CHECK(visit.http.requests.size() == 2);
    CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  }
  SUBCASE("a circle") {
    visit.http.answer(second, fixture("vultr/plans.json"));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().message == "the pages run in a circle");
  }
  SUBCASE("metal is asked apart") {
    visit.http.answer(kMetal, fixture("vultr/plans_metal.json"));
    REQUIRE(cloud->feeds()[1]->fetch(visit.request()).ok());
    CHECK(visit.http.requests.size() == 1);
  }
  SUBCASE("refused") {
    visit.http.answer(second, {.status = 503, .body = R"({"error":"try later","status":503})"});
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().message == "HTTP 503: try later");
  }
}

TEST_CASE("vultr: who we are, what the key may do") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  const std::string account = "GET https://api.vultr.com/v2/account";
  CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
  home.processes.variables["VULTR_API_KEY"] = "s3cret-key";
  SUBCASE("valid") {
    visit.http.answer(
        account,
        std::string(
            R"({"account":{"name":"A","email":"a@b.example","acls":["subscriptions_view","provisioning"],"balance":-5.0}})"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.identity == "a@b.example");
    REQUIRE(report.permissions.size() == 1);
    CHECK(report.permissions[0].state == Permission::State::granted);
  }
  SUBCASE("may only look") {
    visit.http.answer(account,
                      std::string(R"({"account":{"email":"a@b.example","acls":["subscriptions_view"]}})"));
    CHECK(cloud->check(visit.request()).permissions[0].state == Permission::State::missing);
  }
  SUBCASE("refused: the key is not shown") {
    visit.http.answer(account, {.status = 401, .body = R"({"error":"Invalid API token.","status":401})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: Invalid API token.");
  }
}

}  // namespace
}  // namespace gpubroker::vultr
