// Hyperstack's flavors, price book and stocks over recorded shapes, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/hyperstack/cloud.hpp"
#include "providers/hyperstack/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::hyperstack {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

const std::string kUrl = "GET https://infrahub-api.nexgencloud.com/v1";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type) { return &listing; }
  }
  return nullptr;
}

Harvest read() {
  const Result<PriceBook> prices = parse_pricebook(fixture("hyperstack/pricebook.json"), kNow);
  const Result<Stocks> stocks = parse_stocks(fixture("hyperstack/stocks.json"));
  REQUIRE(prices.ok());
  REQUIRE(stocks.ok());
  const Result<Harvest> harvest =
      parse_flavors(fixture("hyperstack/flavors.json"), prices.value(), stocks.value(), kNow);
  REQUIRE(harvest.ok());
  return harvest.value();
}

TEST_CASE("hyperstack: the price book's price per GPU becomes one per machine") {
  const Harvest harvest = read();
  CHECK(harvest.listings.size() == 4);  // no CPU machine, no flavor twice, none without a price
  const Listing* const sxm = find(harvest, "n3-H100-SXM5x8");
  REQUIRE(sxm != nullptr);
  CHECK(sxm->offer.price == Rate{25'600'000});
  CHECK(sxm->offer.key.region == "CANADA-1");
  CHECK(sxm->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(sxm->offer.vcpus == 192);
  CHECK(sxm->offer.memory_mib == 1800 * 1024);
  CHECK(sxm->disk_gib == 32'100);
}

TEST_CASE("hyperstack: stocks count machines of that size, else the flavor says yes or no") {
  const Harvest harvest = read();
  CHECK(find(harvest, "n3-H100-SXM5x8")->availability ==
        Availability{.kind = AvailabilityKind::count, .value = 3, .basis = "hyperstack stocks"});
  const Listing* const pcie = find(harvest, "n3-H100x2");
  REQUIRE(pcie != nullptr);
  CHECK(pcie->availability.kind == AvailabilityKind::level);
  CHECK_FALSE(says_available(pcie->availability));
}

TEST_CASE("hyperstack: the price that is in force, not one that has ended") {
  const Harvest harvest = read();
  CHECK(find(harvest, "n3-H100x2")->offer.price == Rate{5'000'000});
}

TEST_CASE("hyperstack: a spot flavor is of the market spot, its GPU named without it") {
  const Harvest harvest = read();
  const Listing* const spot = find(harvest, "n3-H100x2-spot");
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.key.market == Market::spot);
  CHECK(spot->offer.price == Rate{4'000'000});
  CHECK(spot->gpu_text == "H100-80G-PCIe");
}

TEST_CASE("hyperstack: NVLink is bridged PCIe, no form of its own") {
  const Harvest harvest = read();
  const Listing* const bridged = find(harvest, "n3-H100x8-NVLink");
  REQUIRE(bridged != nullptr);
  CHECK(bridged->offer.gpu.form == "PCIe");
  CHECK(bridged->gpu_text == "H100-80G-PCIe");  // the card's name, which the catalog knows
  CHECK(bridged->offer.price == Rate{20'800'000});
}

TEST_CASE("hyperstack: a flavor without a price is told, not guessed") {
  const Harvest harvest = read();
  REQUIRE(harvest.remarks.size() == 2);
  CHECK(harvest.remarks[0] == Remark{.what = "no price", .detail = "n4-B300x8: B300-262G-SXM6"});
  CHECK(harvest.remarks[1].what == "row told twice");
}

TEST_CASE("hyperstack: a refusal with status 200 is none of a list") {
  const std::string body = R"({"status":false,"message":"nope"})";
  CHECK_FALSE(parse_stocks(body).ok());
  const Result<Harvest> harvest = parse_flavors(body, {}, {}, kNow);
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().message == "cannot read the answer: it is refused: nope");
}

TEST_CASE("hyperstack: mutants are refused or told, never thrown over") {
  const PriceBook prices = {{"H100-80G-SXM5", {3'200'000}}};
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("hyperstack/flavors.json")),
      [&](const std::string& text) { static_cast<void>(parse_flavors(text, prices, {}, kNow)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("hyperstack/pricebook.json")),
                           [](const std::string& text) { static_cast<void>(parse_pricebook(text, kNow)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("hyperstack/stocks.json")),
                           [](const std::string& text) { static_cast<void>(parse_stocks(text)); });
}

TEST_CASE("hyperstack: the words decide the kind") {
  const auto kind = [](int status, const std::string& message) {
    const HttpResponse answer{
        .status = status,
        .body = R"({"status":false,"message":")" + message + R"(","error_reason":"bad_request"})"};
    return parse_error(answer, "/x", kNow).kind;
  };
  CHECK(kind(409, "Insufficient stock for n3-H100x8") == ErrorKind::capacity);
  CHECK(kind(400, "There is not enough capacity") == ErrorKind::capacity);
  CHECK(kind(400, "GPU quota exceeded") == ErrorKind::quota);
  CHECK(kind(400, "insufficient credit") == ErrorKind::quota);
  CHECK(kind(400, "name is required") == ErrorKind::invalid);
  CHECK(kind(401, "Unauthorized") == ErrorKind::auth);
}

TEST_CASE("hyperstack: three questions, and only prices are vital") {
  FakeHome home;
  home.processes.variables["HYPERSTACK_API_KEY"] = "s3cret-key";
  FakeVisit visit;
  visit.http.answer(kUrl + "/core/flavors", fixture("hyperstack/flavors.json"));
  visit.http.answer(kUrl + "/pricebook", fixture("hyperstack/pricebook.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  SUBCASE("all there") {
    visit.http.answer(kUrl + "/core/stocks", fixture("hyperstack/stocks.json"));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(harvest.ok());
    CHECK(harvest.value().listings.size() == 4);
    CHECK(testing::sent(visit.http.requests[0], "api_key") == "s3cret-key");
    CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  }
  SUBCASE("stocks fail") {
    visit.http.answer(kUrl + "/core/stocks", {.status = 500, .body = "{}"});
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(harvest.ok());
    CHECK(find(harvest.value(), "n3-H100-SXM5x8")->availability.kind == AvailabilityKind::level);
    CHECK(harvest.value().remarks.back().what == "no stocks");
  }
  SUBCASE("prices fail") {
    visit.http.answer(kUrl + "/core/stocks", fixture("hyperstack/stocks.json"));
    visit.http.answer(kUrl + "/pricebook", {.status = 401, .body = "{}"});
    static_cast<void>(cloud->feeds()[0]->fetch(visit.request()));
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().kind == ErrorKind::auth);
  }
}

TEST_CASE("hyperstack: the key is judged and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
  const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().code == "no_credentials");
  home.processes.variables["HYPERSTACK_API_KEY"] = "s3cret-key";
  visit.http.answer(kUrl + "/core/environments",
                    {.status = 401, .body = R"({"status":false,"message":"bad key"})"});
  const AccessReport report = cloud->check(visit.request());
  CHECK(report.state == AccessReport::State::refused);
  CHECK(report.problem == "HTTP 401: bad key");
}

}  // namespace
}  // namespace gpubroker::hyperstack
