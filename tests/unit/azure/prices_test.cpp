// The price list: each kind of row that it has, and the feed over a fake network.
#include <doctest/doctest.h>

#include "core/wire/url.hpp"
#include "providers/azure/cloud.hpp"
#include "providers/azure/codec.hpp"
#include "providers/azure/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::azure {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z
constexpr const char* kEmpty = R"({"Items":[],"NextPageLink":null,"Count":0})";

const Listing* find(const Harvest& harvest, const std::string& size, Market market,
                    const std::string& region = "eastus") {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == size && key.market == market && key.region == region) { return &listing; }
  }
  return nullptr;
}

const Remark* find_remark(const Harvest& harvest, const std::string& what) {
  for (const Remark& remark : harvest.remarks) {
    if (remark.what == what) { return &remark; }
  }
  return nullptr;
}

/// Both pages of the fixture.
Harvest harvest_of_eastus() {
  RegionPrices prices("eastus", kNow);
  REQUIRE(prices.take_page(fixture("azure/prices_1.json")).ok());
  REQUIRE(prices.take_page(fixture("azure/prices_2.json")).ok());
  return std::move(prices).finish();
}

/// One row like the fixture's first one, changed.
Harvest harvest_of(const std::function<void(MutableJson&)>& change) {
  MutableJson page = MutableJson::parse(fixture("azure/prices_1.json"));
  MutableJson row = page["Items"][0];
  change(row);
  page["Items"] = MutableJson::array({row});
  RegionPrices prices("eastus", kNow);
  REQUIRE(prices.take_page(page.dump()).ok());
  return std::move(prices).finish();
}

/// A network where each region has no prices, but those that a test gives it.
void answer_prices(FakeVisit& visit) {
  visit.http.answer("GET https://prices.azure.com/", kEmpty);
}

std::string first_page(const std::string& region) {
  return "GET " + encode_prices(region).url;
}

PriceFeed& feed_of(Cloud& cloud) {
  return *cloud.feeds()[0];
}

TEST_CASE("azure prices: whole machines with Linux become offers") {
  const Harvest harvest = harvest_of_eastus();
  CHECK(harvest.listings.size() == 5);
  const Listing* const h100 = find(harvest, "Standard_ND96isr_H100_v5", Market::on_demand);
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{98'320'000});  // not the 70.00 of the savings plan inside the row
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 96);
  CHECK(h100->offer.memory_mib == 1900 * 1024);
  CHECK(h100->offer.source == "azure/retail-prices");
  CHECK(h100->offer.learnt_at == kNow);
  CHECK(h100->gpu_text == "H100");
  CHECK(h100->disk_gib == 29 * 1024);
  CHECK(h100->fabric == Fabric::infiniband);
  CHECK(h100->fabric_gbps == 3200);
  CHECK(h100->nvlink_domain == 8);
  CHECK(h100->arch == "x86_64");
  CHECK(h100->basis == PriceBasis::list);
  CHECK(h100->availability == Availability{});  // a price list says nothing of stock

  const Listing* const spot = find(harvest, "Standard_ND96isr_H100_v5", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{18'169'500});  // not the 19.664 of Low Priority
  CHECK(spot->basis == PriceBasis::market);

  const Listing* const gb200 = find(harvest, "Standard_ND128isr_NDR_GB200_v6", Market::on_demand);
  REQUIRE(gb200 != nullptr);
  CHECK(gb200->offer.price == Rate{108'160'000});
  CHECK(gb200->offer.gpu.count == 4);
  CHECK(gb200->arch == "arm64");
  CHECK(gb200->nvlink_domain == 72);
  CHECK(gb200->fabric_gbps == 1600);
}

TEST_CASE("azure prices: Windows by both of its endings, dedicated, cloud services and promo are not ours") {
  const Harvest harvest = harvest_of_eastus();
  // Linux and Windows rows share meter and sku: only the product's name tells.
  const Listing* const confidential = find(harvest, "Standard_NCC40ads_H100_v5", Market::on_demand);
  REQUIRE(confidential != nullptr);
  CHECK(confidential->offer.price == Rate{6'980'000});
  const Listing* const a100 = find(harvest, "Standard_NC24ads_A100_v4", Market::on_demand);
  REQUIRE(a100 != nullptr);
  CHECK(a100->offer.price == Rate{3'673'000});  // neither the promotion's 1.80 nor the free row
  for (const char* product : {"Virtual Machines NDsr H100 v5 Series Windows", "NCCadsv5 Srs Win",
                              "NDsr Dedicated Host", "NDsr CloudServices", "NDsr Cloud Services"}) {
    CAPTURE(product);
    const Harvest none = harvest_of([&](MutableJson& row) { row["productName"] = product; });
    CHECK(none.listings.empty());
    CHECK(none.remarks.empty());
  }
  // "Win" in the middle of a name is none.
  CHECK(harvest_of([](MutableJson& row) {
          row["productName"] = "Virtual Machines Winter Series";
        }).listings.size() == 1);
}

TEST_CASE("azure prices: the price of a reservation is of its whole term and never an hour's") {
  const Harvest harvest = harvest_of_eastus();
  const Remark* const remark = find_remark(harvest, "reservation, priced for its whole term");
  REQUIRE(remark != nullptr);
  CHECK(remark->count == 3);
  CHECK(remark->detail == "Standard_ND96isr_H100_v5 in eastus: 551221.0 for 1 Year");
  for (const Listing& listing : harvest.listings) { CHECK(listing.offer.price < Rate{200'000'000}); }
}

TEST_CASE("azure prices: the field is `type`; dev/test is left out and an unknown one told") {
  CHECK(harvest_of([](MutableJson& row) { row["type"] = "DevTestConsumption"; }).listings.empty());
  const Harvest odd = harvest_of([](MutableJson& row) { row["type"] = "SomethingNew"; });
  CHECK(odd.listings.empty());
  REQUIRE(odd.remarks.size() == 1);
  CHECK(odd.remarks[0] ==
        Remark{"unknown kind of price", "Standard_ND96isr_H100_v5 in eastus: SomethingNew", 1});
  const Harvest none = harvest_of([](MutableJson& row) {
    row.erase("type");
    row["priceType"] = "Consumption";
  });
  CHECK(none.listings.empty());
  REQUIRE(none.remarks.size() == 1);
  CHECK(none.remarks[0].what == "row refused");
  CHECK(none.remarks[0].detail == "eastus Items[0]: the field type is missing");
}

TEST_CASE("azure prices: spot by meter or by sku; low priority is neither market") {
  const auto market_of = [](const Harvest& harvest) { return harvest.listings.at(0).offer.key.market; };
  CHECK(market_of(harvest_of([](MutableJson& row) { row["meterName"] = "ND96isrH100v5 Spot"; })) ==
        Market::spot);
  CHECK(market_of(harvest_of([](MutableJson& row) { row["skuName"] = "ND96isrH100v5 Spot"; })) ==
        Market::spot);
  CHECK(harvest_of([](MutableJson& row) { row["skuName"] = "ND96isrH100v5 Low Priority"; }).listings.empty());
}

TEST_CASE("azure prices: spot may cost as much as on demand") {
  RegionPrices prices("polandcentral", kNow);
  REQUIRE(prices.take_page(fixture("azure/prices_polandcentral.json")).ok());
  const Harvest harvest = std::move(prices).finish();
  for (const Market market : {Market::on_demand, Market::spot}) {
    const Listing* const h200 = find(harvest, "Standard_ND96isr_H200_v5", market, "polandcentral");
    REQUIRE(h200 != nullptr);
    CHECK(h200->offer.price == Rate{130'592'000});
    CHECK(h200->offer.gpu.memory_gib == 141);
  }
}

TEST_CASE("azure prices: what is not understood is told, never guessed") {
  const Harvest harvest = harvest_of_eastus();
  const auto told = [&](const char* what) {
    const Remark* const remark = find_remark(harvest, what);
    return remark == nullptr ? std::string("nothing") : remark->detail;
  };
  CHECK(told("unknown currency") == "Standard_NC48ads_A100_v4 in eastus: EUR");
  CHECK(told("unknown unit") == "Standard_NC96ads_A100_v4 in eastus: 1/Month");
  CHECK(told("price from some quantity on") == "Standard_NC4as_T4_v3 in eastus: from 100.0");
  CHECK(told("unknown GPU size") == "Standard_NC320xds_RTX9_v9 in eastus");
  CHECK(told("a part of a GPU") == "Standard_NV6ads_A10_v5 in eastus");
  CHECK(told("row of another region") == "Standard_ND96isr_H200_v5 in westus3");
  CHECK(told("price of a later day") == "Standard_NC24ads_A100_v4 in eastus");
  CHECK(told("two prices of one offer") == "Standard_NC24ads_A100_v4 in eastus: 3.673 and 3.50");
  CHECK(harvest.remarks.size() == 9);  // with the reservations; FPGAs (NP10s) are nobody's loss
  CHECK(harvest_of([](MutableJson& row) { row["retailPrice"] = -1.0; }).remarks.at(0).what == "row refused");
  CHECK(harvest_of([](MutableJson& row) { row["retailPrice"] = 0; }).listings.empty());
}

TEST_CASE("azure prices: sizes are found in any case, and no name is found inside another") {
  const Harvest harvest =
      harvest_of([](MutableJson& row) { row["armSkuName"] = "standard_nd96isr_h100_V5"; });
  CHECK(find(harvest, "Standard_ND96isr_H100_v5", Market::on_demand) != nullptr);
  CHECK(kind_of_size("Standard_ND128isr_NDR_GB200_v6") == SizeKind::known);
  CHECK(kind_of_size("Standard_ND128isr_NDR_B200_v6") == SizeKind::unknown);
  CHECK(kind_of_size("Standard_ND96isr_H100_v55") == SizeKind::unknown);
  CHECK(kind_of_size("Standard_NV12ads_A10_v5") == SizeKind::part);
  CHECK(kind_of_size("Standard_NP10s") == SizeKind::other);
  CHECK(kind_of_size("Standard_D2s_v5") == SizeKind::other);
  CHECK(kind_of_size("") == SizeKind::other);
}

TEST_CASE("azure prices: the table of sizes holds together") {
  for (const SizeFacts& facts : known_sizes()) {
    CAPTURE(facts.size);
    CHECK(find_size(facts.size) == &facts);
    CHECK(facts.count >= 1);
    CHECK(facts.nvlink >= 1);
    const bool is_grace = facts.gpu == "GB200" || facts.gpu == "GB300";
    CHECK((facts.arch == "arm64") == is_grace);
    CHECK((facts.nvlink == 72) == is_grace);
    // RDMA is the "r" behind the vCPUs.
    const std::string_view name = facts.size.substr(0, facts.size.find('_', 9));
    CHECK((facts.fabric == Fabric::infiniband) == (name.find('r', 9) != std::string_view::npos));
  }
}

TEST_CASE("azure prices: links of pages lead to the same host or nowhere") {
  const Result<std::string> link =
      parse_link("https://prices.azure.com:443/api/retail/prices?$filter=a eq 'b'&$skip=1000", kPrices);
  REQUIRE(link.ok());
  CHECK(link.value() == "https://prices.azure.com/api/retail/prices?$filter=a%20eq%20%27b%27&$skip=1000");
  for (const char* bad : {"http://prices.azure.com/x", "https://prices.azure.com.evil.example/x",
                          "https://evil.example/?https://prices.azure.com", "/api/retail/prices?$skip=1", "x",
                          "https://user@prices.azure.com/x", "https://prices.azure.com:444/x"}) {
    CAPTURE(bad);
    REQUIRE_FALSE(parse_link(bad, kPrices).ok());
    CHECK(parse_link(bad, kPrices).error().kind == ErrorKind::internal);
  }
}

TEST_CASE("azure prices: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(MutableJson::parse(fixture("azure/prices_polandcentral.json")),
                           [](const std::string& text) {
                             RegionPrices prices("polandcentral", kNow);
                             static_cast<void>(prices.take_page(text));
                             static_cast<void>(std::move(prices).finish());
                           });
}

TEST_CASE("azure prices: the feed asks each region by itself, for accelerated sizes, and follows the pages") {
  FakeHome home;
  FakeVisit visit;
  answer_prices(visit);
  visit.http.answer(first_page("eastus"), fixture("azure/prices_1.json"));
  visit.http.answer(
      "GET "
      "https://prices.azure.com/api/retail/"
      "prices?api-version=2023-01-01-preview&$filter=armRegionName%20eq%20%27eastus%27&$skip=10",
      fixture("azure/prices_2.json"));
  visit.http.answer(first_page("polandcentral"), fixture("azure/prices_polandcentral.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  CHECK(feed_of(*cloud).needs().empty());
  const Result<Harvest> harvest = feed_of(*cloud).fetch(visit.request());
  REQUIRE(harvest.ok());
  CHECK(visit.http.unexpected.empty());
  CHECK(visit.http.requests.size() == public_regions().size() + 1);
  const std::string asked = url_decode(visit.http.requests[0].url);
  CHECK(asked.find("api-version=2023-01-01-preview&currencyCode='USD'") != std::string::npos);
  CHECK(asked.find("priceType eq 'Consumption'") != std::string::npos);
  CHECK(asked.find("startswith(armSkuName,'Standard_N')") != std::string::npos);
  CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  // Two pages, the other region, and GB300, which is sold by arrangement.
  CHECK(harvest.value().listings.size() == 5 + 2 + 2);
  const Listing* const gb300 = find(harvest.value(), "Standard_ND128isr_GB300_v6", Market::on_demand, "any");
  REQUIRE(gb300 != nullptr);
  CHECK(gb300->basis == PriceBasis::quote);
  CHECK(gb300->offer.price == Rate{});
  CHECK(gb300->offer.gpu.count == 4);
  CHECK(gb300->fabric_gbps == 3200);
}

TEST_CASE("azure prices: a price of GB300 takes the place of the quote") {
  FakeHome home;
  FakeVisit visit;
  answer_prices(visit);
  MutableJson page = MutableJson::parse(fixture("azure/prices_polandcentral.json"));
  page["Items"][0]["armSkuName"] = "Standard_ND128isr_GB300_v6";
  visit.http.answer(first_page("polandcentral"), page.dump());
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = feed_of(*cloud).fetch(visit.request());
  REQUIRE(harvest.ok());
  CHECK(find(harvest.value(), "Standard_ND128isr_GB300_v6", Market::on_demand, "any") == nullptr);
  CHECK(find(harvest.value(), "Standard_ND128isr_GB300_v6", Market::on_demand, "polandcentral") != nullptr);
  CHECK(find(harvest.value(), "Standard_ND128isrG5_GB300_v6", Market::on_demand, "any") != nullptr);
}

TEST_CASE("azure prices: a region that fails is told and keeps nobody else from being asked") {
  FakeHome home;
  FakeVisit visit;
  answer_prices(visit);
  visit.http.answer(first_page("eastus"), {.status = 503, .body = "<html>busy</html>"});
  visit.http.answer(first_page("westus"), "<!DOCTYPE html><html></html>");
  visit.http.answer(first_page("polandcentral"), fixture("azure/prices_polandcentral.json"));
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = feed_of(*cloud).fetch(visit.request());
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().failed.size() == 2);
  CHECK(harvest.value().failed[0].first == "eastus");
  CHECK(harvest.value().failed[0].second.kind == ErrorKind::network);
  CHECK(harvest.value().failed[1].first == "westus");
  CHECK(harvest.value().failed[1].second.message == "cannot read the answer: it is a web page, not JSON");
  CHECK(find(harvest.value(), "Standard_ND96isr_H200_v5", Market::spot, "polandcentral") != nullptr);
}

TEST_CASE("azure prices: when no region answers, that is the feed's error") {
  FakeHome home;
  FakeVisit visit;
  visit.http.fail("GET ", {.kind = ErrorKind::network, .message = "no route"});
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = feed_of(*cloud).fetch(visit.request());
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().message == "no route");
}

TEST_CASE("azure prices: pages that run in a circle, or for ever, end") {
  FakeHome home;
  FakeVisit visit;
  answer_prices(visit);
  MutableJson page = MutableJson::parse(fixture("azure/prices_polandcentral.json"));
  page["NextPageLink"] = "https://prices.azure.com:443/api/retail/prices?$skip=1000";
  visit.http.answer(first_page("polandcentral"), page.dump());
  visit.http.answer("GET https://prices.azure.com/api/retail/prices?$skip=1000", page.dump());
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = feed_of(*cloud).fetch(visit.request());
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "polandcentral");
  CHECK(harvest.value().failed[0].second.message == "the pages run in a circle");
  // Nothing on a page is the end, whatever link it has.
  page["Items"] = MutableJson::array();
  RegionPrices prices("polandcentral", kNow);
  CHECK(prices.take_page(page.dump()).value().empty());
}

}  // namespace
}  // namespace gpubroker::azure
