// From billing SKUs to prices of machines: the names, the units, the sums.
#include <map>

#include <doctest/doctest.h>

#include "providers/gcp/codec.hpp"
#include "providers/gcp/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::gcp {
namespace {

using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};

struct Reading {
  Harvest harvest = {};
  std::size_t count = 0;
  std::vector<std::string> tokens = {};
};

Reading read(const std::vector<std::string>& pages) {
  Reading reading;
  PartPrices prices;
  for (const std::string& page : pages) {
    const Result<std::string> token = parse_skus(page, prices, reading.count, reading.harvest);
    REQUIRE(token.ok());
    reading.tokens.push_back(token.value());
  }
  prices.add_machines(kNow, reading.harvest);
  return reading;
}

Reading read_fixtures() {
  return read({fixture("gcp/skus_1.json"), fixture("gcp/skus_2.json")});
}

const Listing* find(const Harvest& harvest, const std::string& type, Market market,
                    const std::string& region = "us-central1") {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == type && key.market == market && key.region == region) { return &listing; }
  }
  return nullptr;
}

std::int64_t price(const Harvest& harvest, const std::string& type, Market market,
                   const std::string& region = "us-central1") {
  const Listing* const listing = find(harvest, type, market, region);
  return listing == nullptr ? -1 : listing->offer.price.micros_per_hour;
}

std::int64_t count_of(const Harvest& harvest, const std::string& what) {
  for (const Remark& remark : harvest.remarks) {
    if (remark.what == what) { return remark.count; }
  }
  return 0;
}

/// One page with this SKU, changed.
std::string page_of(const std::string& description, const std::function<void(MutableJson&)>& change) {
  const MutableJson page = MutableJson::parse(fixture("gcp/skus_1.json"));
  for (MutableJson sku : page["skus"]) {
    if (sku["description"] != description) { continue; }
    change(sku);
    return MutableJson{{"skus", MutableJson::array({sku})}}.dump();
  }
  FAIL("no such SKU");
  return {};
}

TEST_CASE("gcp skus: machine prices are the sums of their parts") {
  const Reading reading = read_fixtures();
  const Harvest& harvest = reading.harvest;
  CHECK(reading.tokens == std::vector<std::string>{"page-2", ""});
  CHECK(reading.count == 47);
  // The price list page says 88.4900 and 84.8069, others' tables 92.87, 40.5504 and 128.88.
  CHECK(price(harvest, "a3-highgpu-8g", Market::on_demand) == 88'489'999);
  CHECK(price(harvest, "a3-ultragpu-8g", Market::on_demand) == 84'806'901);
  CHECK(price(harvest, "a3-megagpu-8g", Market::on_demand) == 92'871'166);
  CHECK(price(harvest, "a4-highgpu-8g", Market::on_demand) == 128'880'000);
  CHECK(price(harvest, "a2-ultragpu-8g", Market::on_demand) == 40'550'383);
  CHECK(price(harvest, "a2-highgpu-1g", Market::on_demand) == 3'673'385);
  CHECK(price(harvest, "g4-standard-48", Market::on_demand) == 4'499'930);
  CHECK(price(harvest, "n1-standard-8+nvidia-tesla-t4:1", Market::on_demand) == 729'998);
}

TEST_CASE("gcp skus: the parts are kept with their SKUs and add up to the price") {
  const Reading reading = read_fixtures();
  const Listing* const h100 = find(reading.harvest, "a3-highgpu-8g", Market::on_demand);
  REQUIRE(h100 != nullptr);
  REQUIRE(h100->parts.size() == 4);
  CHECK(h100->parts[0] == PricePart{"8 x nvidia-h100-80gb", Rate{78'372'400}, "SKU 0001-0000-1EEF"});
  CHECK(h100->parts[1].what == "208 x a3 vCPU");
  CHECK(h100->parts[2].what == "1872 x a3 GiB of memory");
  // 6000 GiB at 0.08 a month: taken for an hour's price it would be 480.
  CHECK(h100->parts[3].what == "6000 x GiB of Local SSD");
  CHECK(h100->parts[3].rate == Rate{657'534});
  for (const Listing& listing : reading.harvest.listings) {
    std::int64_t sum = 0;
    for (const PricePart& part : listing.parts) { sum += part.rate.micros_per_hour; }
    CHECK(sum == listing.offer.price.micros_per_hour);
    CHECK(listing.basis == PriceBasis::computed);
    CHECK(listing.availability.kind == AvailabilityKind::unknown);
  }
}

TEST_CASE("gcp skus: a listing has the shape of its machine") {
  const Reading reading = read_fixtures();
  const Listing* const h100 = find(reading.harvest, "a3-highgpu-8g", Market::on_demand);
  REQUIRE(h100 != nullptr);
  CHECK(h100->gpu_text == "nvidia-h100-80gb");
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 208);
  CHECK(h100->offer.memory_mib == 1872 * 1024);
  CHECK(h100->disk_gib == 6000);
  CHECK(h100->fabric == Fabric::tcpx);
  CHECK(h100->fabric_gbps == 1000);
  CHECK(h100->nvlink_domain == 8);
  CHECK(h100->arch == "x86_64");
  CHECK(h100->offer.source == "gcp/skus");
  CHECK(h100->offer.learnt_at == kNow);
  CHECK(h100->offer.billing == BillingRule{.unit = Millis{1'000}, .minimum = Millis{60'000}});
}

TEST_CASE("gcp skus: the description tells the market, usageType does not") {
  const Harvest harvest = read_fixtures().harvest;
  CHECK(price(harvest, "a3-highgpu-8g", Market::spot) == 50'631'774);
  CHECK(price(harvest, "a3-highgpu-8g", Market::flex) == 38'320'038);  // "OnDemand" by usageType
  CHECK(price(harvest, "a4-highgpu-8g", Market::spot) == 39'633'600);  // "OnDemand", too
  CHECK(price(harvest, "a4-highgpu-8g", Market::flex) == 64'440'000);
  CHECK(price(harvest, "a4-highgpu-8g", Market::block) == 90'216'000);
  CHECK(price(harvest, "ct6e-standard-4t", Market::on_demand) == 10'800'000);
  CHECK(price(harvest, "ct6e-standard-4t", Market::spot) == 5'613'200);
  CHECK(price(harvest, "ct6e-standard-4t", Market::flex) == 5'400'000);
  CHECK(price(harvest, "tpu7x-standard-4t", Market::on_demand) == 48'000'000);
  CHECK(price(harvest, "ct5p-hightpu-4t", Market::block, "asia-northeast3") == 11'760'000);
}

TEST_CASE("gcp skus: small A3 machines are spot and flex-start alone") {
  const Harvest harvest = read_fixtures().harvest;
  CHECK(find(harvest, "a3-highgpu-1g", Market::on_demand) == nullptr);
  CHECK(price(harvest, "a3-highgpu-1g", Market::spot) == 6'328'972);
  CHECK(price(harvest, "a3-highgpu-1g", Market::flex) == 4'790'005);
  CHECK(find(harvest, "a3-edgegpu-8g", Market::on_demand) != nullptr);
}

TEST_CASE("gcp skus: serviceRegions tell the place, not the words") {
  const Harvest harvest = read_fixtures().harvest;
  CHECK(price(harvest, "a3-highgpu-8g", Market::on_demand, "us-west1") == 88'489'999);
  CHECK(find(harvest, "a3-highgpu-8g", Market::spot, "us-west1") == nullptr);
  for (const Listing& listing : harvest.listings) { CHECK(listing.offer.key.region != "Americas"); }
}

TEST_CASE("gcp skus: what is no machine's price is left out and counted") {
  const Harvest harvest = read_fixtures().harvest;
  CHECK(count_of(harvest, "SKU left out: reserved") == 1);
  CHECK(count_of(harvest, "SKU left out: commitment") == 1);
  CHECK(count_of(harvest, "SKU left out: sole tenancy") == 2);
  CHECK(count_of(harvest, "SKU left out: capacity optimized") == 1);
  CHECK(count_of(harvest, "row refused") == 0);
  // The calendar's H100 has a price, its cores and memory have not: three machine types of 8.
  CHECK(find(harvest, "a3-highgpu-8g", Market::block) == nullptr);
  CHECK(count_of(harvest, "no price of a part") == 2);
}

TEST_CASE("gcp skus: A4X is a quote, never free of charge") {
  for (const Listing& listing : read_fixtures().harvest.listings) {
    CHECK(listing.offer.key.instance_type.rfind("a4x", 0) != 0);
    CHECK(listing.offer.price.micros_per_hour > 0);
  }
  const std::vector<Listing> quotes = quoted_machines(kNow);
  REQUIRE(quotes.size() == 5);
  for (const Listing& quote : quotes) {
    CHECK(quote.basis == PriceBasis::quote);
    CHECK(quote.nvlink_domain == 72);
    CHECK(quote.arch == "arm64");
    CHECK(quote.offer.gpu.count == 4);
  }
  CHECK(quotes[1].offer.key.region == "us-central1");
  CHECK(quotes[1].gpu_text == "nvidia-gb200");
}

TEST_CASE("gcp skus: a unit that is not the expected one is refused") {
  const std::string ssd = "SSD backed Local Storage";
  const auto with_unit = [](const std::string& unit) {
    return [unit](MutableJson& sku) { sku["pricingInfo"][0]["pricingExpression"]["usageUnit"] = unit; };
  };
  const Harvest by_hour = read({page_of(ssd, with_unit("GiBy.h"))}).harvest;
  REQUIRE(count_of(by_hour, "row refused") == 1);
  CHECK(by_hour.remarks[0].detail == "skus[0]: the usageUnit is GiBy.h");
  CHECK(count_of(read({page_of("A3 Instance Core running in Americas", with_unit("mo"))}).harvest,
                 "row refused") == 1);
}

TEST_CASE("gcp skus: memory that is sold by the GB is counted by the GiB") {
  PartPrices prices;
  Harvest harvest;
  std::size_t count = 0;
  for (const char* description : {"Nvidia H100 80GB GPU running in Americas",
                                  "A3 Instance Core running in Americas", "SSD backed Local Storage"}) {
    REQUIRE(parse_skus(page_of(description, [](MutableJson&) {}), prices, count, harvest).ok());
  }
  const std::string ram = page_of("A3 Instance Ram running in Americas", [](MutableJson& sku) {
    MutableJson& expression = sku["pricingInfo"][0]["pricingExpression"];
    expression["usageUnit"] = "GBy.h";
    expression["tieredRates"][0]["unitPrice"]["nanos"] = 2'000'000;
  });
  REQUIRE(parse_skus(ram, prices, count, harvest).ok());
  prices.add_machines(kNow, harvest);
  const Listing* const h100 = find(harvest, "a3-highgpu-8g", Market::on_demand);
  REQUIRE(h100 != nullptr);
  CHECK(h100->parts[2].rate == Rate{4'020'090});  // 1872 x 0.002147484
}

TEST_CASE("gcp skus: other currencies, no price and odd prices are told, not taken") {
  const std::string gpu = "Nvidia H100 80GB GPU running in Americas";
  const auto with_price = [](const MutableJson& price) {
    return [price](MutableJson& sku) {
      sku["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"] = price;
    };
  };
  const auto remark = [&](const MutableJson& price) {
    const Harvest harvest = read({page_of(gpu, with_price(price))}).harvest;
    return harvest.remarks.empty() ? "" : harvest.remarks[0].what + " | " + harvest.remarks[0].detail;
  };
  CHECK(remark({{"currencyCode", "EUR"}, {"units", "9"}}) ==
        "row refused | skus[0]: the currency EUR is not USD");
  CHECK(remark({{"currencyCode", "USD"}}) == "SKU left out: price 0 | " + gpu);
  CHECK(remark({{"units", "-9"}}) == "row refused | skus[0]: units and nanos are no price");
  CHECK(remark({{"units", "99999999"}}) == "row refused | skus[0]: units and nanos are no price");
  CHECK(remark({{"units", "900000"}}) == "price out of range | SKU 0001-0000-1EEF");
  const Harvest preemptible =
      read({page_of(gpu, [](MutableJson& sku) { sku["category"]["usageType"] = "Preemptible"; })}).harvest;
  CHECK(count_of(preemptible, "SKU left out: preemptible by usageType alone") == 1);
}

TEST_CASE("gcp skus: the last pricingInfo is in force; a part told twice keeps the higher price") {
  const std::string gpu = "A4 Nvidia B200 (1 gpu slice) running in Americas";
  MutableJson page = MutableJson::parse(fixture("gcp/skus_2.json"));
  MutableJson slice;
  for (const MutableJson& sku : page["skus"]) {
    if (sku["description"] == gpu) { slice = sku; }
  }
  MutableJson later = slice["pricingInfo"][0];
  later["pricingExpression"]["tieredRates"][0]["unitPrice"] = {{"units", "17"}};
  MutableJson dearer = slice;
  dearer["pricingInfo"].push_back(later);
  dearer["skuId"] = "OTHER";
  const std::string text = MutableJson{{"skus", MutableJson::array({dearer, slice, slice})}}.dump();
  const Harvest harvest = read({text}).harvest;
  CHECK(price(harvest, "a4-highgpu-8g", Market::on_demand) == 136'000'000);
  CHECK(count_of(harvest, "two prices of one part") == 2);
  CHECK(harvest.listings.size() == 1);
}

TEST_CASE("gcp skus: names of every form that was seen") {
  const auto name = [](std::string_view description) {
    const std::optional<SkuName> read = read_sku_name(description);
    if (!read) { return std::string("none"); }
    std::string text(to_string(read->market));
    text += " ";
    text += read->of;
    if (read->component == Component::core) { text += " core"; }
    if (read->component == Component::ram) { text += " ram"; }
    if (read->component == Component::local_ssd) { text += "ssd"; }
    if (!read->left_out.empty()) { text += " - " + std::string(read->left_out); }
    return text;
  };
  const std::map<std::string, std::string> table = {
      {"Nvidia Tesla A100 GPU running in Americas", "on_demand nvidia-tesla-a100"},
      {"Nvidia Tesla A100 80GB GPU running in Virginia", "on_demand nvidia-a100-80gb"},
      {"nvidia l4 gpu RUNNING IN  frankfurt", "on_demand nvidia-l4"},
      {"Nvidia H100 Mega 80GB GPU attached to DWS Defined Duration VMs running in Seoul",
       "flex nvidia-h100-mega-80gb"},
      {"Nvidia H100 80GB Mega GPU attached to Spot Preemptible VMs running in Tokyo",
       "spot nvidia-h100-mega-80gb"},
      {"Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode", "block nvidia-h100-mega-80gb"},
      {"H200 141GB GPU running in Netherlands", "on_demand nvidia-h200-141gb"},
      {"DWS Calendar Mode A4 Nvidia B200 (1 gpu slice) in Seoul", "block nvidia-b200"},
      {"Commitment v1: A4 Nvidia B200 (1 gpu slice) in Americas for 1 Year",
       "on_demand nvidia-b200 - commitment"},
      {"DWS Defined Duration A3Ultra Core running in Americas", "flex a3ultra core"},
      {"DWS Defined Duration A3 Instance Ram running in Americas", "flex a3 ram"},
      {"A3 High Instance Core running in Americas", "on_demand a3 core"},
      {"Spot Preemptible N1 Predefined Instance Core running in Berlin", "spot n1 core"},
      {"Spot Preemptible G2 Instance Ram running in Frankfurt", "spot g2 ram"},
      {"SSD backed Local Storage in Finland", "on_demand ssd"},
      {"RTX 6000 96GB attached to Spot Preemptible VMs running in Belgium", "spot nvidia-rtx-pro-6000"},
      {"Reserved V5e TPU in Seoul in Calendar Mode", "block tpu-v5-lite-podslice"},
      {"TpuV5e attached to Spot Preemptible VMs running in Singapore", "spot tpu-v5-lite-podslice"},
      {"Reserved A2 Ram in Netherlands", "on_demand a2 ram - reserved"},
      {"Capacity Optimized TpuV6e running in Columbus", "on_demand tpu-v6e-slice - capacity optimized"},
      {"Nvidia Tesla T4 GPU attached to Sole Tenancy VMs running in Americas",
       "on_demand nvidia-tesla-t4 - sole tenancy"},
      {"Nvidia Tesla T4 Virtual Workstation GPU running in Americas", "none"},
      {"1/8 vGPU no lssd running in Iowa", "none"},
      {"N2 Instance Core running in Americas", "none"},
      {"N1 Custom Instance Core running in Americas", "none"},
      {"Network Internet Egress from Americas to China", "none"},
      {"C4 Instance Local SSD running in Americas", "none"},
      {"", "none"},
  };
  for (const auto& [description, expected] : table) {
    const std::string& text = description;  // clang captures no structured binding
    CAPTURE(text);
    CHECK(name(text) == expected);
  }
}

TEST_CASE("gcp skus: mutants are refused or told, never thrown over") {
  MutableJson page = MutableJson::parse(fixture("gcp/skus_1.json"));
  page["skus"].erase(page["skus"].begin() + 2, page["skus"].end());
  testing::for_each_mutant(page, [](const std::string& text) {
    PartPrices prices;
    Harvest harvest;
    std::size_t count = 0;
    static_cast<void>(parse_skus(text, prices, count, harvest));
    prices.add_machines(kNow, harvest);
  });
}

}  // namespace
}  // namespace gpubroker::gcp
