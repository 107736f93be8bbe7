// Vast's offers over a recorded shape, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/vast/cloud.hpp"
#include "providers/vast/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::vast {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kSearch = "POST https://console.vast.ai/api/v0/bundles/";
const Instant kNow{1'795'521'600'000};

Harvest read(Market market) {
  const Result<Harvest> harvest = parse_offers(fixture("vast/offers.json"), market, kNow);
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().listings.size() == 3);
  return harvest.value();
}

TEST_CASE("vast: an offer is one machine of one host, its price all-in") {
  const Harvest harvest = read(Market::on_demand);
  const Listing& h100 = harvest.listings[0];
  CHECK(h100.offer.key ==
        OfferKey{.provider = "vast", .region = "Quebec, CA", .instance_type = "8x H100 SXM"});
  CHECK(h100.offer.price == Rate{19'210'000});  // of the whole offer, not per GPU
  CHECK(h100.offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100.offer.vcpus == 192);
  CHECK(h100.offer.memory_mib == 2'063'834);
  CHECK(h100.disk_gib == 7'168);
  CHECK(h100.variant == "14412345");
  CHECK(h100.seller == "host 88");
  CHECK(h100.nvlink_domain == 8);
  CHECK(h100.availability.kind == AvailabilityKind::count);
  CHECK(says_available(h100.availability));
  CHECK_FALSE(says_available(h100.availability, 2));
}

TEST_CASE("vast: the parts are the price; traffic is told besides") {
  const Harvest harvest = read(Market::on_demand);
  for (const Listing& listing : harvest.listings) {
    std::int64_t sum = 0;
    for (const PricePart& part : listing.parts) { sum += part.rate.micros_per_hour; }
    CHECK(sum == listing.offer.price.micros_per_hour);
  }
  const std::vector<PricePart>& parts = harvest.listings[0].parts;
  REQUIRE(parts.size() == 3);
  CHECK(parts[0] == PricePart{"machine", {18'900'000}, "vast/offers"});
  CHECK(parts[1] == PricePart{"200 GB of disk", {310'000}, "vast/offers"});
  CHECK(parts[2] == PricePart{"egress, not in the price: 0.003 USD per GB", {0}, "vast/offers"});
}

TEST_CASE("vast: A100 SXM4 is told apart by its memory") {
  const Harvest harvest = read(Market::on_demand);
  CHECK(harvest.listings[1].offer.gpu.memory_gib == 40);
  CHECK(harvest.listings[2].offer.gpu.memory_gib == 80);
  CHECK(harvest.listings[1].offer.vcpus == 16);  // 15.9
  CHECK(harvest.listings[1].offer.price == Rate{641'096});
  CHECK(harvest.listings[1].nvlink_domain == 1);
  CHECK(harvest.listings[2].offer.key.region == "unknown");
  CHECK(harvest.listings[2].parts.size() == 2);  // nobody says what traffic costs
}

TEST_CASE("vast: a bid wins a machine, its disk comes on top") {
  const Harvest harvest = read(Market::spot);
  const Listing& h100 = harvest.listings[0];
  CHECK(h100.offer.key.market == Market::spot);
  CHECK(h100.basis == PriceBasis::market);
  CHECK(h100.offer.price == Rate{9'910'000});
  CHECK(h100.parts[0] == PricePart{"bid", {9'600'000}, "vast/bids"});
  CHECK(h100.offer.source == "vast/bids");
}

TEST_CASE("vast: a host that is not verified is left out and told") {
  const Harvest harvest = read(Market::on_demand);
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] == Remark{.what = "host not verified", .detail = "14412348"});
}

TEST_CASE("vast: bridged cards do not join all of four") {
  testing::MutableJson offers = testing::MutableJson::parse(fixture("vast/offers.json"));
  offers["offers"][3]["verification"] = "verified";
  const Result<Harvest> harvest = parse_offers(offers.dump(), Market::on_demand, kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings[3].offer.gpu.form == "PCIe");
  CHECK(harvest.value().listings[3].nvlink_domain == 0);
}

TEST_CASE("vast: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("vast/offers.json")),
      [](const std::string& text) { static_cast<void>(parse_offers(text, Market::spot, kNow)); });
}

TEST_CASE("vast: too many calls are answered in plain text, with the seconds to wait") {
  const auto wait = [](const std::string& body) {
    const Error error = parse_error({.status = 429, .body = body}, "POST /x", kNow);
    CHECK(error.kind == ErrorKind::throttled);
    return error.retry_after;
  };
  CHECK(wait("API requests too frequent: endpoint threshold=4.5") == Millis{4'500});
  CHECK(wait("API requests too frequent: endpoint threshold=1.0.") == Millis{3'000});
  CHECK(wait("API requests too frequent: endpoint threshold=") == Millis{3'000});
  CHECK(wait("") == Millis{3'000});
}

TEST_CASE("vast: the codes decide the kind") {
  const auto kind = [](int status, const std::string& code, const std::string& message) {
    const HttpResponse answer{
        .status = status, .body = R"({"success":false,"error":")" + code + R"(","msg":")" + message + "\"}"};
    return parse_error(answer, "PUT /x", kNow).kind;
  };
  CHECK(kind(404, "no_such_ask", "gone") == ErrorKind::capacity);
  CHECK(kind(401, "auth_error", "no") == ErrorKind::auth);
  CHECK(kind(400, "invalid_args", "no") == ErrorKind::invalid);
  CHECK(kind(400, "", "insufficient credit") == ErrorKind::quota);
}

TEST_CASE("vast: both searches go without a key, to the path with its slash") {
  FakeHome home;
  home.processes.variables["VAST_API_KEY"] = "s3cret-key";
  FakeVisit visit;
  visit.http.answer(kSearch, fixture("vast/offers.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  REQUIRE(cloud->feeds().size() == 2);
  for (PriceFeed* const feed : cloud->feeds()) {
    CHECK(feed->needs().empty());
    REQUIRE(feed->fetch(visit.request()).ok());
  }
  CHECK(visit.http.unexpected.empty());
  for (const HttpRequest& request : visit.http.requests) {
    CHECK(testing::sent(request, "Authorization").empty());
    CHECK(request.repeatable);
    CHECK(testing::MutableJson::parse(request.body)["verified"]["eq"] == true);
  }
  CHECK(testing::MutableJson::parse(visit.http.requests[0].body)["type"] == "on-demand");
  CHECK(testing::MutableJson::parse(visit.http.requests[1].body)["type"] == "bid");
}

TEST_CASE("vast: the key is found, judged, and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  const std::string ssh = "GET https://console.vast.ai/api/v0/ssh/";
  SUBCASE("nowhere: prices are public all the same") {
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::missing);
    CHECK(report.next.rfind("prices need no key", 0) == 0);
  }
  SUBCASE("in the old file") {
    home.write(".vast_api_key", "old-secret");
    visit.http.answer(ssh, std::string("[]"));
    CHECK(cloud->check(visit.request()).found_in == "~/.vast_api_key");
    CHECK(testing::sent(visit.http.requests[0], "Authorization") == "Bearer old-secret");
  }
  SUBCASE("refused") {
    home.write(".config/vastai/vast_api_key", "s3cret-key\n");
    visit.http.answer(
        ssh, {.status = 401, .body = R"({"success":false,"error":"auth_error","msg":"Invalid key"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: Invalid key");
  }
}

}  // namespace
}  // namespace gpubroker::vast
