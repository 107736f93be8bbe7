// DigitalOcean's sizes over a recorded shape, their mutants, pages, doctl's file, and the thin caller.
#include <doctest/doctest.h>

#include "providers/digitalocean/cloud.hpp"
#include "providers/digitalocean/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::digitalocean {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kFirst = "GET https://api.digitalocean.com/v2/sizes?per_page=200";
constexpr const char* kSecond = "GET https://api.digitalocean.com/v2/sizes?page=2&per_page=200";
constexpr const char* kLastPage =
    R"({"sizes":[{"slug":"gpu-h100x1-80gb","memory":245760,"vcpus":20,"disk":720,"price_hourly":4.41,"regions":["tor1"],)"
    R"("available":true,"gpu_info":{"count":1,"model":"nvidia_h100","vram":{"amount":80,"unit":"gib"}}}],"links":{}})";
const Instant kNow{1'795'521'600'000};

TEST_CASE("digitalocean: sizes become offers in the account's regions") {
  const Result<SizesPage> page = parse_sizes(fixture("digitalocean/sizes.json"), kNow);
  REQUIRE(page.ok());
  const std::vector<Listing>& listings = page.value().harvest.listings;
  REQUIRE(listings.size() == 3);  // two regions and one: nothing contracted, nothing without a GPU
  CHECK(listings[0].offer.key ==
        OfferKey{.provider = "digitalocean", .region = "tor1", .instance_type = "gpu-h100x8-640gb"});
  CHECK(listings[0].offer.price == Rate{35'280'000});
  CHECK(listings[0].offer.gpu == Accelerator{.model = "", .form = "", .memory_gib = 80, .count = 8});
  CHECK(listings[0].offer.memory_mib == 1'966'080);
  CHECK(listings[0].offer.vcpus == 160);
  CHECK(listings[0].disk_gib == 2'046);
  CHECK(listings[0].gpu_text == "nvidia_h100");
  CHECK(listings[0].fabric == Fabric::ethernet);
  CHECK(says_available(listings[0].availability));
  CHECK(listings[1].offer.key.region == "nyc2");
  CHECK(page.value().next == "https://api.digitalocean.com/v2/sizes?page=2&per_page=200");
}

TEST_CASE("digitalocean: spot is a slug of its own") {
  const Result<SizesPage> page = parse_sizes(fixture("digitalocean/sizes.json"), kNow);
  REQUIRE(page.ok());
  const Listing& spot = page.value().harvest.listings[2];
  CHECK(spot.offer.key.market == Market::spot);
  CHECK(spot.offer.key.instance_type == "gpu-b300x8-2304gb-spot");
  CHECK(spot.offer.price == Rate{64'000'000});
  CHECK(spot.offer.gpu.memory_gib == 288);
}

TEST_CASE("digitalocean: available in no region is no offer") {
  const Result<SizesPage> page = parse_sizes(fixture("digitalocean/sizes.json"), kNow);
  REQUIRE(page.ok());
  CHECK(page.value().harvest.remarks ==
        std::vector<Remark>{{"no region for this account", "gpu-h200x1-141gb", 1}});
}

TEST_CASE("digitalocean: memory in another unit is told, not guessed") {
  testing::MutableJson sizes = testing::MutableJson::parse(fixture("digitalocean/sizes.json"));
  sizes["sizes"][0]["gpu_info"]["vram"]["unit"] = "tib";
  const Result<SizesPage> page = parse_sizes(sizes.dump(), kNow);
  REQUIRE(page.ok());
  CHECK(page.value().harvest.listings[0].offer.gpu.memory_gib == 0);
  CHECK(page.value().harvest.remarks[0] == Remark{.what = "unknown unit", .detail = "tib"});
}

TEST_CASE("digitalocean: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("digitalocean/sizes.json")),
                           [](const std::string& text) { static_cast<void>(parse_sizes(text, kNow)); });
}

TEST_CASE("digitalocean: what doctl keeps") {
  CHECK(parse_doctl(fixture("digitalocean/config.yaml")).reveal() == "dop_v1_team");
  CHECK(parse_doctl("access-token: 'dop_v1_x'\n").reveal() == "dop_v1_x");
  CHECK(parse_doctl("access-token: dop_v1_x\ncontext: default\n").reveal() == "dop_v1_x");
  CHECK(parse_doctl("access-token: dop_v1_x\ncontext: gone\n").reveal() == "dop_v1_x");
  CHECK(parse_doctl("context: team\n").empty());
  CHECK(parse_doctl("").empty());
}

TEST_CASE("digitalocean: errors") {
  const auto kind = [](int status, const std::string& id, const std::string& message) {
    const HttpResponse answer{.status = status,
                              .body = R"({"id":")" + id + R"(","message":")" + message + "\"}"};
    return parse_error(answer, "/x", kNow).kind;
  };
  CHECK(kind(422, "unprocessable_entity", "Size is not available in this region") == ErrorKind::capacity);
  CHECK(kind(422, "unprocessable_entity", "creating this would exceed your droplet limit") ==
        ErrorKind::quota);
  CHECK(kind(422, "unprocessable_entity", "name is invalid") == ErrorKind::invalid);
  CHECK(kind(401, "unauthorized", "Unable to authenticate you") == ErrorKind::auth);
  CHECK(kind(403, "forbidden", "You are not authorized") == ErrorKind::auth);
  CHECK(kind(429, "too_many_requests", "") == ErrorKind::throttled);
}

TEST_CASE("digitalocean: pages are followed, on their own host and not in a circle") {
  FakeHome home;
  home.processes.variables["DIGITALOCEAN_TOKEN"] = "s3cret-token";
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  visit.http.answer(kFirst, fixture("digitalocean/sizes.json"));
  SUBCASE("two pages") {
    visit.http.answer(kSecond, std::string(kLastPage));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(harvest.ok());
    CHECK(harvest.value().listings.size() == 4);
    CHECK(testing::sent(visit.http.requests[1], "Authorization") == "Bearer s3cret-token");
  }
  SUBCASE("a circle") {
    visit.http.answer(kSecond, fixture("digitalocean/sizes.json"));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().kind == ErrorKind::internal);
    CHECK(harvest.error().message == "the pages run in a circle");
  }
  SUBCASE("somebody else's page is not asked with our token") {
    testing::MutableJson sizes = testing::MutableJson::parse(fixture("digitalocean/sizes.json"));
    for (const char* const url :
         {"https://evil.example/v2/sizes", "https://api.digitalocean.com.evil.example/v2/",
          "https://api.digitalocean.com/v2.evil.example/", "http://api.digitalocean.com/v2/sizes"}) {
      sizes["links"]["pages"]["next"] = url;
      const Result<SizesPage> page = parse_sizes(sizes.dump(), kNow);
      REQUIRE_FALSE(page.ok());
      CHECK(page.error().kind == ErrorKind::internal);
    }
  }
  SUBCASE("a page that fails fails all") {
    visit.http.answer(kSecond, {.status = 500, .body = "s3cret-token"});
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().kind == ErrorKind::network);
    CHECK(harvest.error().message.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("digitalocean: who we are, and whether GPUs are ours to order") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  const std::string account = "GET https://api.digitalocean.com/v2/account";
  SUBCASE("nowhere") {
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
  }
  SUBCASE("with GPUs, by doctl's file") {
    home.write(".config/doctl/config.yaml", fixture("digitalocean/config.yaml"));
    visit.http.answer(account, std::string(R"({"account":{"email":"a@b.example","status":"active"}})"));
    visit.http.answer(kFirst, std::string(kLastPage));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.identity == "a@b.example");
    REQUIRE(report.permissions.size() == 1);
    CHECK(report.permissions[0].state == Permission::State::granted);
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer dop_v1_team");
  }
  SUBCASE("without GPUs") {
    home.processes.variables["DIGITALOCEAN_ACCESS_TOKEN"] = "s3cret-token";
    visit.http.answer(account, std::string(R"({"account":{"email":"a@b.example"}})"));
    visit.http.answer(kFirst, std::string(R"({"sizes":[],"links":{}})"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.permissions[0].state == Permission::State::missing);
    CHECK(report.next.find("ask") == 0);
  }
  SUBCASE("refused") {
    home.processes.variables["DIGITALOCEAN_ACCESS_TOKEN"] = "s3cret-token";
    visit.http.answer(
        account, {.status = 401, .body = R"({"id":"unauthorized","message":"Unable to authenticate you"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: Unable to authenticate you");
  }
}

}  // namespace
}  // namespace gpubroker::digitalocean
