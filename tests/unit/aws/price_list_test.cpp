// The bulk price list: every row that must not be taken for an on-demand price, every way to cut the file.
#include "providers/aws/price_list.hpp"

#include <doctest/doctest.h>

#include "providers/aws/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::aws {
namespace {

using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z

Result<Harvest> read(std::string_view text, std::size_t piece = 1U << 20U) {
  PriceListReader reader("us-east-1", kNow);
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t at = 0; at < text.size(); at += piece) {
      const Status taken = reader.take(text.substr(at, piece));
      if (!taken.ok()) { return taken.error(); }
    }
    const Status done = reader.finish();
    if (!done.ok()) { return done.error(); }
    if (!reader.needs_second_pass()) { break; }
    reader.begin_second_pass();
  }
  Harvest harvest;
  reader.harvest(harvest);
  return harvest;
}

const Listing* find(const Harvest& harvest, const std::string& type) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type) { return &listing; }
  }
  return nullptr;
}

std::vector<std::string> remarks(const Harvest& harvest) {
  std::vector<std::string> texts;
  for (const Remark& remark : harvest.remarks) { texts.push_back(remark.what + ": " + remark.detail); }
  return texts;
}

TEST_CASE("aws: only Linux, shared, on-demand rows of accelerators become prices") {
  const Result<Harvest> harvest = read(fixture("aws/price_list.json"));
  REQUIRE(harvest.ok());
  // Not: the Capacity Block's $0, unused reservations, dedicated, Windows, SQL, BYOL, bare metal, the free
  // tier, machines without a GPU, fractions of one, another region's row.
  CHECK(harvest.value().listings.size() == 4);
  const Listing* const p5 = find(harvest.value(), "p5.48xlarge");
  REQUIRE(p5 != nullptr);
  CHECK(p5->offer.key == OfferKey{.provider = "aws",
                                  .region = "us-east-1",
                                  .instance_type = "p5.48xlarge",
                                  .market = Market::on_demand});
  CHECK(p5->offer.price == Rate{55'040'000});  // not the older term's, not the one of 2027
  CHECK(p5->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(p5->gpu_text == "H100");
  CHECK(p5->offer.vcpus == 192);
  CHECK(p5->offer.memory_mib == 2'097'152);
  CHECK(p5->disk_gib == 28'312);  // 8 x 3800 GB
  CHECK(p5->fabric == Fabric::efa);
  CHECK(p5->fabric_gbps == 3'200);
  CHECK(p5->nvlink_domain == 8);
  CHECK(p5->arch == "x86_64");
  CHECK(p5->basis == PriceBasis::list);
  CHECK(p5->availability.kind == AvailabilityKind::unknown);
  CHECK(p5->offer.billing == BillingRule{.unit = Millis{1'000}, .minimum = Millis{60'000}});
  CHECK(p5->offer.source == "aws/price-list");
  CHECK(p5->offer.learnt_at == kNow);
  CHECK(find(harvest.value(), "trn1.32xlarge")->offer.price == Rate{21'500'000});
  CHECK(find(harvest.value(), "g5.xlarge")->offer.price == Rate{1'006'000});
}

TEST_CASE("aws: a type that nobody taught us is told by its attributes") {
  const Result<Harvest> harvest = read(fixture("aws/price_list.json"));
  REQUIRE(harvest.ok());
  const Listing* const p9 = find(harvest.value(), "p9.48xlarge");
  REQUIRE(p9 != nullptr);
  CHECK(p9->offer.price == Rate{200'000'000});  // 199.9999995, rounded once
  CHECK(p9->gpu_text == "p9.48xlarge");
  CHECK(p9->offer.gpu.count == 8);
  CHECK(p9->offer.vcpus == 384);
  CHECK(p9->offer.memory_mib == 4'096 * 1'024);
}

TEST_CASE("aws: what is left out of the price list is told") {
  const Result<Harvest> harvest = read(fixture("aws/price_list.json"));
  REQUIRE(harvest.ok());
  CHECK(remarks(harvest.value()) ==
        std::vector<std::string>{"row of another region: g5.xlarge in us-west-2",
                                 "product without a price: us-east-1 g6.xlarge NOPRICE"});
}

TEST_CASE("aws: the price list says the same in pieces of any size, indented or not") {
  const std::string indented = fixture("aws/price_list.json");
  const std::string compact = MutableJson::parse(indented).dump();
  const Result<Harvest> whole = read(indented);
  REQUIRE(whole.ok());
  for (const std::string& text : {indented, compact}) {
    for (std::size_t piece = 1; piece < 200; piece += piece < 70 ? 1 : 13) {
      CAPTURE(piece);
      const Result<Harvest> cut = read(text, piece);
      REQUIRE(cut.ok());
      REQUIRE(cut.value().listings == whole.value().listings);
      REQUIRE(remarks(cut.value()) == remarks(whole.value()));
    }
  }
}

TEST_CASE("aws: prices before products need a second pass, and only then") {
  const MutableJson list = MutableJson::parse(fixture("aws/price_list.json"));
  const std::string products = list["products"].dump();
  const std::string terms = list["terms"].dump();
  const std::string turned = "{\"terms\":" + terms + ",\"products\":" + products + "}";
  const Result<Harvest> whole = read(fixture("aws/price_list.json"));
  const Result<Harvest> other = read(turned, 1'000);
  REQUIRE(whole.ok());
  REQUIRE(other.ok());
  CHECK(other.value().listings == whole.value().listings);

  PriceListReader reader("us-east-1", kNow);
  REQUIRE(reader.take(turned).ok());
  CHECK(reader.needs_second_pass());
  CHECK_FALSE(reader.knows_all());
  PriceListReader straight("us-east-1", kNow);
  REQUIRE(straight.take("{\"products\":" + products + ",\"terms\":{\"OnDemand\":").ok());
  CHECK_FALSE(straight.knows_all());
  REQUIRE(straight.take(list["terms"]["OnDemand"].dump()).ok());
  CHECK(straight.knows_all());  // the Reserved terms need not be fetched
  CHECK_FALSE(straight.needs_second_pass());
}

TEST_CASE("aws: a price list that ends early, or is none, is an error") {
  const std::string text = fixture("aws/price_list.json");
  const Result<Harvest> half = read(text.substr(0, text.size() / 2));
  REQUIRE_FALSE(half.ok());
  CHECK(half.error().message.rfind("the price list of us-east-1 ends in the middle", 0) == 0);
  const Result<Harvest> page = read("<!DOCTYPE html>");
  REQUIRE_FALSE(page.ok());
  CHECK(page.error().message ==
        "cannot read the price list of us-east-1: it is a web page, not JSON at byte 0");
  CHECK_FALSE(read("{} {}").ok());
  CHECK_FALSE(read("").ok());
}

TEST_CASE("aws: odd prices are refused by row: no USD, another unit, zero") {
  const auto remark_for = [](const char* field, const MutableJson& value) {
    MutableJson list = MutableJson::parse(fixture("aws/price_list.json"));
    MutableJson& rate =
        list["terms"]["OnDemand"]["TRN"]["TRN.JRTCKXETXF"]["priceDimensions"]["TRN.JRTCKXETXF.6YS6EN2CT7"];
    rate[field] = value;
    const Result<Harvest> harvest = read(list.dump());
    REQUIRE(harvest.ok());
    CHECK(find(harvest.value(), "trn1.32xlarge") == nullptr);
    CHECK(find(harvest.value(), "p5.48xlarge") != nullptr);
    for (const Remark& remark : harvest.value().remarks) {
      if (remark.what == "row refused") { return remark.detail; }
    }
    return std::string();
  };
  CHECK(remark_for("unit", "Quantity") == "terms.OnDemand.TRN.JRTCKXETXF: the unit is Quantity");
  CHECK(remark_for("pricePerUnit", {{"CNY", "5"}}) == "terms.OnDemand.TRN.JRTCKXETXF: no price in USD");
  CHECK(remark_for("pricePerUnit", {{"USD", "0.0000000000"}}) ==
        "terms.OnDemand.TRN.JRTCKXETXF: the price is not above zero");
}

TEST_CASE("aws: mutants of the price list are refused or told") {
  MutableJson list = MutableJson::parse(fixture("aws/price_list.json"));
  for (const char* const sku : {"P5UNUSED", "P5DED", "P5WIN", "P5SQL", "P5BYOL", "G5METAL", "FREE", "G6F"}) {
    list["products"].erase(sku);
    list["terms"]["OnDemand"].erase(sku);
  }
  testing::for_each_mutant(list, [](const std::string& text) { static_cast<void>(read(text, 997)); });
}

TEST_CASE("aws: the region index names the file of each region of the API") {
  const auto files = parse_region_index(fixture("aws/region_index.json"));
  REQUIRE(files.ok());
  CHECK(files.value().size() == 3);  // no local zone
  CHECK(files.value().at("us-east-1") == "/offers/v1.0/aws/AmazonEC2/20260910195514/us-east-1/index.json");
  testing::for_each_mutant(MutableJson::parse(fixture("aws/region_index.json")),
                           [](const std::string& text) { static_cast<void>(parse_region_index(text)); });
}

TEST_CASE("aws: the table of types is in order and whole") {
  std::string_view last;
  for (const TypeFacts& facts : known_types()) {
    CAPTURE(facts.type);
    CHECK(last < facts.type);
    last = facts.type;
    CHECK(find_type(facts.type) == &facts);
    CHECK(facts.count > 0);
    CHECK(facts.vcpus > 0);
    CHECK(facts.memory_mib > 0);
    CHECK(facts.gbps > 0);
  }
  CHECK(find_type("m5.large") == nullptr);
  CHECK(find_type("p6e-gb200.36xlarge")->arch == "arm64");
  CHECK(find_type("p6e-gb200.36xlarge")->nvlink == 72);
}

TEST_CASE("aws: names of regions and zones") {
  for (const char* const name : {"us-east-1", "us-gov-west-1", "ap-southeast-3", "eusc-de-east-1"}) {
    CAPTURE(name);
    CHECK(is_region_name(name));
  }
  for (const char* const name :
       {"us-west-2-lax-1", "us-east-1-wl1-bos-wlz-1", "us-east", "", "-", "us-east-1a", "--1"}) {
    CAPTURE(name);
    CHECK_FALSE(is_region_name(name));
  }
}

}  // namespace
}  // namespace gpubroker::aws
