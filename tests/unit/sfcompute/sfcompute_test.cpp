// SF Compute's codec over recorded shapes, their mutants, and the thin callers over a fake network.
#include <doctest/doctest.h>

#include "providers/sfcompute/cloud.hpp"
#include "providers/sfcompute/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::sfcompute {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kZones = "GET https://api.sfcompute.com/v0/zones";
constexpr const char* kQuote = "GET https://api.sfcompute.com/v0/quote";
const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z
const Question kDay{.instance_type = "h100i", .length = std::chrono::hours{24}};

TEST_CASE("sfcompute: zones count the nodes of the window that is now") {
  Harvest harvest;
  const auto zones = parse_zones(fixture("sfcompute/zones.json"), kNow, harvest);
  REQUIRE(zones.ok());
  const std::vector<Signal> signals = zone_signals(zones.value());
  REQUIRE(signals.size() == 3);
  CHECK(signals[0].region == "alamo");
  CHECK(signals[0].instance_type == "h100v");  // no InfiniBand
  CHECK(signals[0].availability.value == 0);
  CHECK(signals[1].region == "richmond");
  CHECK(signals[1].instance_type == "h100i");
  CHECK(signals[1].market == Market::block);
  CHECK(signals[1].availability == Availability{AvailabilityKind::count, 12, "sfcompute available_capacity"});
  CHECK(signals[2].instance_type == "h200i");
  CHECK(signals[2].availability.value == 0);  // free tomorrow
}

TEST_CASE("sfcompute: a quote is the cents of the whole window, a listing the dollars of a node's hour") {
  const auto quote = parse_quote(fixture("sfcompute/quote.json"), kDay, kNow);
  REQUIRE(quote.ok());
  REQUIRE(quote.value().has_value());
  const Listing& listing = *quote.value();
  CHECK(listing.offer.price == Rate{16'880'000});  // 405.12 / 24: 2.11 per GPU
  CHECK(listing.offer.key.market == Market::block);
  CHECK(listing.offer.key.region == "richmond");
  CHECK(listing.offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(listing.offer.vcpus == 112);
  CHECK(listing.offer.memory_mib == 960 * 1024);
  CHECK(listing.fabric == Fabric::infiniband);
  CHECK(listing.variant == "1d");
  REQUIRE(listing.window.has_value());
  CHECK(format_utc(listing.window->from) == "2026-11-24T13:00:00Z");
  CHECK(format_utc(listing.window->until) == "2026-11-25T13:00:00Z");
  CHECK(listing.basis == PriceBasis::market);
  CHECK(says_available(listing.availability));
}

TEST_CASE("sfcompute: prices round to the nearest, several nodes share theirs, NOW is the next minute") {
  const auto read = [](const std::string& fields) {
    return parse_quote(R"({"quote":{)" + fields + "}}", kDay, kNow + Millis{1});
  };
  const auto thirds =
      read(R"("price":"100","quantity":3,"start_at":"2026-11-24T13:00:00Z","end_at":"2026-11-24T14:00:00Z")");
  REQUIRE(thirds.ok());
  CHECK(thirds.value()->offer.price == Rate{333'333});
  CHECK(thirds.value()->offer.key.region == "any");
  const auto at_once = read(R"("price":59,"quantity":1,"start_at":"NOW","end_at":"2026-11-24T13:00:00Z")");
  REQUIRE(at_once.ok());
  CHECK(at_once.value()->offer.price == Rate{600'000});  // 59 minutes
  for (
      const char* bad :
      {R"("price":0,"quantity":1,"start_at":"2026-11-24T13:00:00Z","end_at":"2026-11-24T14:00:00Z")",
       R"("price":5,"quantity":0,"start_at":"2026-11-24T13:00:00Z","end_at":"2026-11-24T14:00:00Z")",
       R"("price":5,"quantity":1,"start_at":"2026-11-24T14:00:00Z","end_at":"2026-11-24T14:00:00Z")",
       R"("price":5,"quantity":1,"start_at":"soon","end_at":"2026-11-24T14:00:00Z")",
       R"("price":99999999999999,"quantity":1,"start_at":"2026-11-24T13:00:00Z","end_at":"2026-11-24T14:00:00Z")"}) {
    CAPTURE(bad);
    CHECK(read(bad).error().kind == ErrorKind::internal);
  }
}

TEST_CASE("sfcompute: null is nothing for sale") {
  const auto quote = parse_quote(R"({"quote":null})", kDay, kNow);
  REQUIRE(quote.ok());
  CHECK_FALSE(quote.value().has_value());
}

TEST_CASE("sfcompute: a question starts on the hour") {
  CHECK(quote_path(kDay, kNow + Millis{1}) ==
        "/v0/quote?side=buy&instance_type=h100i&quantity=1&min_start_date=2026-11-24T13%3A00%3A00Z&"
        "max_start_date=2026-11-25T13%3A00%3A00Z&min_duration=86400&max_duration=86400");
}

TEST_CASE("sfcompute: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("sfcompute/zones.json")),
                           [](const std::string& text) {
                             Harvest harvest;
                             const auto zones = parse_zones(text, kNow, harvest);
                             if (!zones.ok()) { return; }
                             for (const Zone& zone : zones.value()) {
                               CHECK(zone.nodes_now >= 0);
                               static_cast<void>(make_node(zone.instance_type));
                             }
                           });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("sfcompute/quote.json")),
                           [](const std::string& text) { static_cast<void>(parse_quote(text, kDay, kNow)); });
}

TEST_CASE("sfcompute: errors, and what a market means by them") {
  const auto kind = [](int status, const std::string& type, const std::string& message) {
    return parse_error({.status = status,
                        .body = R"({"error":{"type":")" + type + R"(","message":")" + message + R"("}})"},
                       "/v0/quote?side=buy", kNow)
        .kind;
  };
  CHECK(kind(401, "authentication_error", "m") == ErrorKind::auth);
  CHECK(kind(402, "invalid_request_error", "insufficient balance") == ErrorKind::quota);
  CHECK(kind(400, "invalid_request_error", "insufficient capacity") == ErrorKind::capacity);
  CHECK(kind(400, "invalid_request_error", "price too low") == ErrorKind::capacity);
  CHECK(kind(409, "conflict", "the name is taken") == ErrorKind::conflict);
  CHECK(kind(500, "api_error", "m") == ErrorKind::network);
  CHECK(parse_error({.status = 500}, "/v0/quote?side=buy", kNow).source == "sfcompute GET /v0/quote");
}

struct World {
  FakeHome home = {};
  FakeVisit visit = {};
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);
};

TEST_CASE("sfcompute: each type is quoted for an hour, a day and a week") {
  World world;
  world.home.processes.variables["SF_API_KEY"] = "the-token";
  world.visit.http.answer(kZones, fixture("sfcompute/zones.json"));
  world.visit.http.answer(kQuote, fixture("sfcompute/quote.json"));
  SUBCASE("all answered") {
    const Result<Harvest> harvest = world.cloud->feeds()[1]->fetch(world.visit.request());
    REQUIRE(harvest.ok());
    CHECK(harvest.value().listings.size() == 9);  // three types
    CHECK(world.visit.http.requests.size() == 10);
    CHECK(harvest.value().listings[2].variant == "7d");
  }
  SUBCASE("one failing fails the visit: it might be of any zone") {
    world.visit.http.answer(
        "GET https://api.sfcompute.com/v0/quote?side=buy&instance_type=h200i",
        HttpResponse{.status = 503, .body = R"({"error":{"type":"api_error","message":"m"}})"});
    CHECK(world.cloud->feeds()[1]->fetch(world.visit.request()).error().kind == ErrorKind::network);
  }
}

TEST_CASE("sfcompute: the market's average needs nobody") {
  World world;
  const Result<Harvest> table = world.cloud->feeds()[2]->fetch(world.visit.request());
  REQUIRE(table.ok());
  REQUIRE(table.value().listings.size() == 1);
  CHECK(table.value().listings[0].offer.price == Rate{16'880'000});
  CHECK(table.value().listings[0].basis == PriceBasis::table);
  CHECK(format_utc(table.value().listings[0].offer.learnt_at) == "2026-09-20T00:00:00Z");
  CHECK(world.visit.http.requests.empty());
}

TEST_CASE("sfcompute: the token is found, sent, and never shown") {
  World world;
  SUBCASE("nowhere") {
    CHECK(world.cloud->feeds()[0]->fetch(world.visit.request()).error().code == "no_credentials");
    CHECK(world.cloud->feeds()[1]->fetch(world.visit.request()).error().code == "no_credentials");
    CHECK(world.cloud->check(world.visit.request()).state == AccessReport::State::missing);
  }
  SUBCASE("in the file of its own client") {
    world.home.write(".sfcompute/config",
                     R"({"api_url":"https://api.sfcompute.com","auth_token":"file-token"})");
    world.visit.http.answer(kZones, fixture("sfcompute/zones.json"));
    REQUIRE(world.cloud->feeds()[0]->fetch(world.visit.request()).ok());
    CHECK(testing::sent(world.visit.http.requests[0], "Authorization") == "Bearer file-token");
  }
  SUBCASE("refused") {
    world.home.processes.variables["SF_BEARER_TOKEN"] = "env-token";
    world.visit.http.answer(
        "GET https://api.sfcompute.com/v1/nodes",
        {.status = 401, .body = R"({"error":{"type":"authentication_error","message":"expired"}})"});
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: expired");
    CHECK(report.problem.find("env-token") == std::string::npos);
  }
}

}  // namespace
}  // namespace gpubroker::sfcompute
