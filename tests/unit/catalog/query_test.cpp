// Finding offers, why none was found, what a plan gets.
#include "catalog/catalog_offers.hpp"
#include "catalog/observations.hpp"
#include "catalog/regions.hpp"
#include "tests/manual_clock.hpp"
#include "tests/unit/catalog/support.hpp"

namespace gpubroker::catalog_test {
namespace {

/// A small market: three clouds.
void fill(World& world) {
  std::vector<Listing> aws = {listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "55.04"),
                              listing("aws/us-east-1/us-east-1a/p5.48xlarge/spot", "H100", 8, "21.48"),
                              listing("aws/eu-north-1/p5.48xlarge/on_demand", "H100", 8, "57.20"),
                              listing("aws/us-east-1/p5.4xlarge/on_demand", "H100", 1, "6.88"),
                              listing("aws/us-east-1/p4d.24xlarge/on_demand", "A100", 8, "21.95"),
                              listing("aws/us-east-1/m5.large/on_demand", "", 0, "0.096")};
  aws[4].offer.gpu.memory_gib = 40;
  for (Listing& one : aws) { one.fabric = Fabric::efa; }
  world.take("aws/price-list", aws);
  std::vector<Listing> lambda = {
      listing("lambda/us-west-1/gpu_8x_h100_sxm5/on_demand", "H100 SXM", 8, "31.92"),
      listing("lambda/us-west-1/gpu_1x_h100_pcie/on_demand", "H100 PCIe", 1, "3.29"),
      listing("lambda/europe-central-1/gpu_8x_h100_sxm5/on_demand", "H100 SXM", 8, "31.92")};
  lambda[0].availability = {AvailabilityKind::level, 3, "regions_with_capacity_available"};
  lambda[1].availability = {AvailabilityKind::count, 2, "stock"};
  lambda[2].availability = {AvailabilityKind::level, 0, "regions_with_capacity_available"};
  lambda[2].fabric = Fabric::infiniband;
  world.take("lambda/types", lambda);
  Listing quote = listing("gcp/us-central1/a4x-highgpu-4g/on_demand", "nvidia-gb200", 4, "0");
  quote.basis = PriceBasis::quote;
  world.take("gcp/skus",
             {quote, listing("gcp/us-central1/a3-highgpu-8g/block", "nvidia-h100-80gb", 8, "40")});
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("offers are found by GPU and number, best first") {
  World world;
  fill(world);
  OfferQuery query{.gpu = gpu("H100:8")};
  CHECK(world.names(query) == Names{"aws/us-east-1/us-east-1a/p5.48xlarge/spot 21.48",
                                    "lambda/europe-central-1/gpu_8x_h100_sxm5/on_demand 31.92",
                                    "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand 31.92",
                                    "gcp/us-central1/a3-highgpu-8g/block 40.00",
                                    "aws/us-east-1/p5.48xlarge/on_demand 55.04",
                                    "aws/eu-north-1/p5.48xlarge/on_demand 57.20"});
  query.limit = 2;
  CHECK(world.names(query) == Names{"aws/us-east-1/us-east-1a/p5.48xlarge/spot 21.48",
                                    "lambda/europe-central-1/gpu_8x_h100_sxm5/on_demand 31.92"});
  query = {.gpu = gpu("H100:1")};
  CHECK(world.find(query).size() == 8);  // eight serve who wants one, too
  CHECK(world.names(query)[1] ==
        "lambda/us-west-1/gpu_1x_h100_pcie/on_demand 3.29");  // 2.685 per GPU is less
  query.sort = OfferSort::price;
  CHECK(world.names(query)[0] == "lambda/us-west-1/gpu_1x_h100_pcie/on_demand 3.29");
  query.exact_count = true;
  CHECK(world.find(query).size() == 2);
  query = {.gpu = gpu("H100-PCIe"), .exact_count = true};
  CHECK(world.names(query) == Names{"lambda/us-west-1/gpu_1x_h100_pcie/on_demand 3.29"});
  CHECK(world.find({.gpu = gpu("A100-40GB:8")}).size() == 1);
  CHECK(world.find({.gpu = gpu("A100-80GB:8")}).empty());
  CHECK(world.find({.gpu = gpu("{A100, GB200}:4")}).size() == 2);
  CHECK(world.find({.gpu = gpu("any:80GB+:4")}).size() == 7);
}

TEST_CASE("no GPU asked for: everything, quotes last; per TFLOP the better GPU wins") {
  World world;
  fill(world);
  const Names all = world.names();
  REQUIRE(all.size() == 11);
  CHECK(all.front() == "aws/us-east-1/m5.large/on_demand 0.096");
  CHECK(all.back() == "gcp/us-central1/a4x-highgpu-4g/on_demand 0.00");
  CHECK(world.find({.with_quotes = false}).size() == 10);
  CHECK(world.find({.gpu = GpuSpec{}}).size() == 11);
  // A100 at 2.74 for 312 TFLOPS, H100 at 6.88 for 989: 8.79 against 6.95 per petaflop.
  const OfferQuery query{.gpu = gpu("{A100, H100}:8"),
                         .markets = {Market::on_demand},
                         .providers = {"aws"},
                         .sort = OfferSort::price_per_tflop};
  CHECK(world.names(query) == Names{"aws/us-east-1/p5.48xlarge/on_demand 55.04",
                                    "aws/eu-north-1/p5.48xlarge/on_demand 57.20",
                                    "aws/us-east-1/p4d.24xlarge/on_demand 21.95"});
  const std::vector<OfferRow> rows = world.find(query);
  CHECK(price_per_petaflop(rows[0]) == usd("6.953709"));
  CHECK(price_per_gpu(rows[2].listing.offer) == usd("2.74375"));
  CHECK_FALSE(price_per_petaflop(world.find({.limit = 1})[0]).has_value());
}

TEST_CASE("each filter leaves out what it says") {
  World world;
  fill(world);
  const auto count = [&world](OfferQuery query) {
    query.gpu = gpu("H100:8");
    return world.find(query).size();
  };
  CHECK(count({.markets = {Market::spot}}) == 1);
  CHECK(count({.markets = {Market::spot, Market::block}}) == 2);
  CHECK(count({.providers = {"aws", "gcp"}}) == 4);
  CHECK(count({.regions = {"eu"}}) == 2);
  CHECK(count({.regions = {"us"}}) == 4);
  CHECK(count({.regions = {"us-east-1"}}) == 2);
  CHECK(count({.regions = {"US-WEST", "eu-north"}}) == 2);
  CHECK(count({.instance_types = {"p5.48xlarge"}}) == 3);
  CHECK(count({.fabrics = {Fabric::infiniband}}) == 1);
  CHECK(count({.fabrics = {Fabric::infiniband, Fabric::efa}}) == 4);
  CHECK(count({.nvlink = true}) == 6);
  CHECK(count({.max_price = usd("31.92")}) == 3);
  CHECK(count({.max_price = usd("31.91")}) == 1);
  CHECK(count({.max_price_per_gpu = usd("3.99")}) == 3);
  CHECK(count({.max_price_per_gpu = usd("3.989999")}) == 1);
  CHECK(count({.only_available = true}) == 1);
  CHECK(count({.learnt_since = kNow + kMinute}) == 0);
  CHECK(count({.learnt_since = kNow}) == 6);
  OfferQuery single{.gpu = gpu("H100"), .nvlink = true, .only_available = true};
  CHECK(world.find(single).size() == 1);  // the PCIe card is available, but joined to nothing
  single.nvlink = false;
  CHECK(world.find(single).size() == 2);
  single.nodes = 3;
  CHECK(world.find(single).size() == 1);  // of two counted, three cannot be had; a level tells no number
}

TEST_CASE("availability told by a signal counts as well") {
  World world;
  fill(world);
  Harvest stock;
  stock.signals = {{.provider = "aws",
                    .region = "us-east-1",
                    .instance_type = "p5.48xlarge",
                    .availability = {AvailabilityKind::level, 2, "capacity manager"}}};
  world.take("aws/capacity", stock);
  const Names found = world.names({.gpu = gpu("H100:8"), .only_available = true});
  CHECK(found == Names{"aws/us-east-1/us-east-1a/p5.48xlarge/spot 21.48",
                       "lambda/us-west-1/gpu_8x_h100_sxm5/on_demand 31.92",
                       "aws/us-east-1/p5.48xlarge/on_demand 55.04"});
}

TEST_CASE("zones where a type is said to be sold are shown, with nothing promised") {
  World world;
  // GCP prices a region; its machine types are told by zone.
  world.take("gcp/skus", {listing("gcp/us-central1/a3-highgpu-8g/on_demand", "H100", 8, "88.49"),
                          listing("gcp/us-east4/a3-highgpu-8g/on_demand", "H100", 8, "88.49")});
  const auto in_zone = [](const std::string& zone, Availability availability) {
    return Signal{.provider = "gcp",
                  .region = "us-central1",
                  .zone = zone,
                  .instance_type = "a3-highgpu-8g",
                  .availability = std::move(availability)};
  };
  const Availability sold{.basis = "GCP sells it in this zone"};
  Harvest types;
  types.signals = {in_zone("us-central1-c", sold), in_zone("us-central1-a", sold)};
  world.take("gcp/compute", types);
  std::vector<OfferRow> rows = world.find();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].zones == std::vector<ZoneSignal>{{"us-central1-a", sold}, {"us-central1-c", sold}});
  CHECK(rows[0].signals.empty());
  CHECK(rows[1].zones.empty());
  CHECK(world.find({.only_available = true}).empty());
  types.signals[0].availability = {AvailabilityKind::count, 2, "calendar"};
  world.take("gcp/compute", types);
  CHECK(world.find({.only_available = true}).size() == 1);
}

TEST_CASE("a cloud's own row takes the place of the table's") {
  World world;
  // Crusoe's table knows no regions, its catalog of types does; of the A100 it says nothing.
  Listing table = listing("crusoe/any/h100-80gb-sxm-ib.8x/on_demand", "H100-SXM-80GB", 8, "31.2");
  table.basis = PriceBasis::table;
  Listing other = listing("crusoe/any/a100-80gb-sxm-ib.8x/on_demand", "A100-SXM-80GB", 8, "18.4");
  other.basis = PriceBasis::table;
  world.take("crusoe/price-table", {table, other});
  CHECK(world.find().size() == 2);
  Listing live = listing("crusoe/us-east1/h100-80gb-sxm-ib.8x/on_demand", "H100-SXM-80GB", 8, "30");
  world.take("crusoe/types", {live});
  CHECK(world.names() == Names{"crusoe/any/a100-80gb-sxm-ib.8x/on_demand 18.40",
                               "crusoe/us-east1/h100-80gb-sxm-ib.8x/on_demand 30.00"});
  CHECK(world.names({.gpu = gpu("H100:8")}) == Names{"crusoe/us-east1/h100-80gb-sxm-ib.8x/on_demand 30.00"});
  const std::vector<ModelSummary> models = summarize_models(world.db()).value();
  REQUIRE(models.size() == 2);
  CHECK(models[0].offers + models[1].offers == 2);
  // Without a price of its own it does not take the place of one.
  live.offer.price = {};
  live.basis = PriceBasis::quote;
  world.take("crusoe/types", {live});
  CHECK(world.find().size() == 3);
}

TEST_CASE("a table's row is superseded in its own region and market only") {
  World world;
  // Nebius' table and its live prices name the same regions.
  world.take("nebius/price-table", {listing("nebius/eu-north1/gpu-h100-sxm.8/on_demand", "H100", 8, "36"),
                                    listing("nebius/us-central1/gpu-h100-sxm.8/on_demand", "H100", 8, "36")});
  world.take("nebius/platforms", {listing("nebius/eu-north1/gpu-h100-sxm.8/on_demand", "H100", 8, "35"),
                                  listing("nebius/us-central1/gpu-h100-sxm.8/spot", "H100", 8, "17")});
  world.take("nebiusx/platforms", {listing("nebiusx/us-central1/gpu-h100-sxm.8/on_demand", "H100", 8, "34")});
  CHECK(world.names() == Names{"nebius/us-central1/gpu-h100-sxm.8/spot 17.00",
                               "nebiusx/us-central1/gpu-h100-sxm.8/on_demand 34.00",
                               "nebius/eu-north1/gpu-h100-sxm.8/on_demand 35.00",
                               "nebius/us-central1/gpu-h100-sxm.8/on_demand 36.00"});
}

TEST_CASE("nothing found: which condition is in the way, by how much, and what comes nearest") {
  World world;
  fill(world);
  world.take("junk/prices", {listing("junk/us-1/free/spot", "H100", 8, "0")});
  const OfferQuery query{.gpu = gpu("H100:8"),
                         .markets = {Market::spot},
                         .regions = {"eu"},
                         .max_price_per_gpu = usd("2.00"),
                         .sort = OfferSort::price};
  REQUIRE(world.find(query).empty());
  const NearMiss miss = explain_nothing(world.db(), query, world.now).value();
  CHECK(miss.of_that_gpu == 6);
  CHECK(miss.quarantined == 0);  // it is not in "eu" either
  std::map<std::string, std::pair<std::int64_t, std::string>> by_name;
  for (const Constraint& one : miss.constraints) { by_name[one.what] = {one.left_without, one.best}; }
  CHECK(by_name.size() == 4);
  CHECK(by_name["market"] == std::pair<std::int64_t, std::string>{0, ""});
  CHECK(by_name["region"].first == 0);
  CHECK(by_name["max_price_per_gpu"].first == 0);
  REQUIRE_FALSE(miss.alternatives.empty());
  CHECK(miss.alternatives[0].listing.offer.price == usd("21.48"));

  const OfferQuery cheap{.gpu = gpu("H100:8"), .markets = {Market::on_demand}, .max_price = usd("30")};
  const NearMiss dear = explain_nothing(world.db(), cheap, world.now).value();
  for (const Constraint& one : dear.constraints) {
    if (one.what == "market") {
      CHECK(one.asked == "on_demand");
      CHECK(one.left_without == 1);
      CHECK(one.best == "spot");
    }
    if (one.what == "max_price") {
      CHECK(one.asked == "30.00");
      CHECK(one.left_without == 4);
      CHECK(one.best == "31.92");
    }
    if (one.what == "count") { CHECK(one.best == "1"); }
  }
  const NearMiss junk =
      explain_nothing(world.db(), {.gpu = gpu("H100:8"), .providers = {"junk"}}, world.now).value();
  CHECK(junk.quarantined == 1);
  const NearMiss none = explain_nothing(world.db(), {.gpu = gpu("B200:8")}, world.now).value();
  CHECK(none.of_that_gpu == 0);
  CHECK(none.alternatives.empty());
}

TEST_CASE("a plan gets believed prices, told lately, the cheapest ask of each key") {
  World world;
  fill(world);
  const auto ask = [](const std::string& variant, const std::string& price, int stock) {
    Listing one = listing("vast/Utah, US/8x H100/on_demand", "H100 SXM", 8, price);
    one.variant = variant;
    one.availability = {AvailabilityKind::count, stock, "asks"};
    return one;
  };
  world.take("vast/asks", {ask("1", "20", 1), ask("2", "18", 1), ask("3", "0.00", 1)});
  testing::ManualClock clock;
  clock.time = kNow + kMinute;
  CatalogOffers source(world.db(), clock, kHour, {.gpu = gpu("H100:8")});
  std::vector<Offer> offers = source.offers().value();
  CHECK(offers.size() == 7);
  const auto vast =
      std::find_if(offers.begin(), offers.end(), [](const Offer& o) { return o.key.provider == "vast"; });
  REQUIRE(vast != offers.end());
  CHECK(vast->price == usd("18"));
  CHECK(vast->available == 2);
  CHECK(vast->gpu == Accelerator{"H100", "SXM", 80, 8});
  CHECK(vast->learnt_at == kNow);
  CHECK(std::is_sorted(offers.begin(), offers.end(),
                       [](const Offer& a, const Offer& b) { return a.key < b.key; }));
  clock.time = kNow + kHour + kMinute;
  CHECK(source.offers().value().empty());  // nobody plans with yesterday's prices
  CHECK(CatalogOffers(world.db(), clock, 2 * kHour).offers().value().size() == 11);  // all but the quote
}

TEST_CASE("a plan is told which machines no agent of ours runs on") {
  World world;
  const auto row = [](const std::string& type, const std::string& arch) {
    Listing one = listing("lambda/us-east-1/" + type + "/on_demand", "H100 SXM", 1, "3");
    one.arch = arch;
    return one;
  };
  world.take("lambda/types", {row("gpu_1x_gh200", "arm64"), row("gpu_1x_h100", "x86_64"), row("untold", "")});
  testing::ManualClock clock;
  clock.time = kNow + kMinute;
  const auto without_agent = [&](const std::vector<std::string>& carried) {
    std::string all;
    const std::vector<Offer> offers = CatalogOffers(world.db(), clock, kHour, {}, carried).offers().value();
    for (const Offer& offer : offers) {
      if (!offer.cpu_without_agent.empty()) {
        all += offer.key.instance_type + " " + offer.cpu_without_agent + ";";
      }
    }
    return all;
  };
  CHECK(without_agent({"x86_64"}) == "gpu_1x_gh200 arm64;");
  CHECK(without_agent({"arm64"}) == "gpu_1x_h100 x86_64;");
  CHECK(without_agent({"x86_64", "arm64"}).empty());
  CHECK(without_agent({}).empty());
}

TEST_CASE("a table's price does not spoil where the cloud itself tells the offer") {
  World world;
  const auto row = [](const std::string& where, const std::string& source) {
    Listing one = listing("coreweave/" + where + "/8x H100/on_demand", "H100 SXM", 8, "49.24");
    one.basis = PriceBasis::table;
    one.offer.learnt_at = kNow - kHour * 1'000;
    one.offer.source = source;
    return one;
  };
  world.take("coreweave/zones", {row("US-EAST-04A", "coreweave/zones")});
  world.take("coreweave/price-table", {row("north-america", "coreweave/price-table")});
  testing::ManualClock clock;
  clock.time = kNow + kMinute;
  const std::vector<Offer> offers = CatalogOffers(world.db(), clock, kHour).offers().value();
  REQUIRE(offers.size() == 1);
  CHECK(offers[0].key.region == "US-EAST-04A");
  CHECK(offers[0].learnt_at == kNow - kHour * 1'000);  // and its age is told
}

TEST_CASE("what our launches met lowers the chance, and fades") {
  World world;
  fill(world);
  const OfferKey spot = key("aws/us-east-1/us-east-1a/p5.48xlarge/spot");
  const OfferKey other = key("aws/us-east-1/us-east-1b/p5.48xlarge/spot");
  const auto chance = [&world](const OfferKey& of) {
    return Chances::load(world.db(), world.now).value().percent(of);
  };
  CHECK(chance(spot) == 100);
  REQUIRE(observe(world.db(), {ObservationKind::capacity, spot, world.now}, world.now).ok());
  CHECK(chance(spot) == 50);
  CHECK(chance(other) == 100);
  CHECK(chance(key("aws/us-east-1/p5.48xlarge/spot")) == 50);  // of all the region
  CHECK(chance(key("aws/us-east-1/us-east-1a/p5.48xlarge/on_demand")) == 100);
  CHECK(world.find({.gpu = gpu("H100:8"), .markets = {Market::spot}})[0].chance_percent == 50);
  REQUIRE(observe(world.db(), {ObservationKind::preempted, spot, world.now}, world.now).ok());
  CHECK(chance(spot) == 33);
  world.now = kNow + kObservationHalfLife;
  CHECK(chance(spot) == 50);
  REQUIRE(observe(world.db(), {ObservationKind::launched, spot, world.now}, world.now).ok());
  CHECK(chance(spot) == 67);
  world.now = kNow + kObservationHalfLife * 20;
  CHECK(chance(spot) == 100);
  REQUIRE(observe(world.db(), {ObservationKind::capacity, other, world.now}, world.now).ok());
  CHECK(world.number("SELECT count(*) FROM observation") == 1);  // the old ones are gone
}

TEST_CASE("many rows are read through in one go, and are the same and in the same order") {
  World world;
  std::vector<Listing> rows;
  for (int i = 0; i < 3'000; ++i) {
    rows.push_back(listing("x/r" + std::to_string(i % 40) + "/t" + std::to_string(i) + "/on_demand", "L4", 1,
                           "0." + std::to_string(500 + i * 7 % 400)));
    rows.back().seller = "seller " + std::to_string(i % 3);
  }
  world.take("x/prices", rows);
  const std::vector<OfferRow> all = world.find();
  REQUIRE(all.size() == 3'000);
  for (std::size_t i = 1; i < all.size(); ++i) {
    CHECK(all[i - 1].listing.offer.price <= all[i].listing.offer.price);
  }
  const std::vector<OfferRow> some = world.find({.limit = 1'000});
  REQUIRE(some.size() == 1'000);
  for (std::size_t i = 0; i < some.size(); ++i) { CHECK(some[i].listing == all[i].listing); }
}

TEST_CASE("what is sold of each model") {
  World world;
  fill(world);
  const std::vector<ModelSummary> models = summarize_models(world.db()).value();
  REQUIRE(models.size() == 4);
  CHECK(models[0].model->name == "GB200-186");
  CHECK_FALSE(models[0].cheapest_on_demand.has_value());  // a quote
  CHECK(models[1].model->name == "H100-80-SXM");
  CHECK(models[1].offers == 7);
  CHECK(models[1].cheapest_on_demand == usd("3.99"));
  CHECK(models[1].cheapest_spot == usd("2.685"));
  CHECK(models[1].providers == Names{"aws", "gcp", "lambda"});
}

TEST_CASE("regions' names of all clouds, by part of the world") {
  struct Row {
    const char* region;
    const char* part;
  };
  for (const Row& row : {Row{"us-east-1", "us"},
                         Row{"eastus", "us"},
                         Row{"eastus2", "us"},
                         Row{"westus3", "us"},
                         Row{"US-EAST-04A", "us"},
                         Row{"us-central1", "us"},
                         Row{"Utah, USA", "us"},
                         Row{"Utah, US", "us"},
                         Row{"California, US", "us"},
                         Row{"us-gov-west-1", "us"},
                         Row{"US-KS-2", "us"},
                         Row{"us-east1-a", "us"},
                         Row{"nyc2", "us"},
                         Row{"sea", "us"},
                         Row{"us-ashburn-1", "us"},
                         Row{"ca-central-1", "ca"},
                         Row{"canadacentral", "ca"},
                         Row{"CANADA-1", "ca"},
                         Row{"northamerica-northeast1", "ca"},
                         Row{"northamerica-south1", "sa"},
                         Row{"Quebec, CA", "ca"},
                         Row{"tor1", "ca"},
                         Row{"europe-west4", "eu"},
                         Row{"europe-west2", "uk"},
                         Row{"europe-west20", "eu"},
                         Row{"eu-north1", "eu"},
                         Row{"eu-west-2", "uk"},
                         Row{"EU-RO-1", "eu"},
                         Row{"EUR-IS-1", "eu"},
                         Row{"EU-GB-1", "uk"},
                         Row{"FIN-01", "eu"},
                         Row{"ICE-01", "eu"},
                         Row{"NORWAY-1", "eu"},
                         Row{"Sweden, SE", "eu"},
                         Row{"swedencentral", "eu"},
                         Row{"germanywestcentral", "eu"},
                         Row{"polandcentral", "eu"},
                         Row{"uksouth", "uk"},
                         Row{"uk-south1", "uk"},
                         Row{"uk-london-1", "uk"},
                         Row{"fr-par-2", "eu"},
                         Row{"northeurope", "eu"},
                         Row{"ap-northeast-1", "asia"},
                         Row{"asia-southeast1", "asia"},
                         Row{"southeastasia", "asia"},
                         Row{"japaneast", "asia"},
                         Row{"SEA-SG-1", "asia"},
                         Row{"AP-JP-1", "asia"},
                         Row{", JP", "asia"},
                         Row{"ap-southeast-2", "au"},
                         Row{"ap-southeast-1", "asia"},
                         Row{"australiaeast", "au"},
                         Row{"OC-AU-1", "au"},
                         Row{"australia-southeast1", "au"},
                         Row{"sa-east-1", "sa"},
                         Row{"southamerica-east1", "sa"},
                         Row{"brazilsouth", "sa"},
                         Row{"me-west1", "me"},
                         Row{"il-central-1", "me"},
                         Row{"uaenorth", "me"},
                         Row{"af-south-1", "af"},
                         Row{"southafricanorth", "af"},
                         Row{"richmond", ""},
                         Row{"", ""},
                         Row{"Atlantis, XX", ""},
                         Row{"europe-central-1", "eu"}}) {
    CAPTURE(row.region);
    CHECK(part_of_world(row.region) == row.part);
  }
  CHECK(is_in_region("us", "eastus"));
  CHECK(is_in_region("US", "us-east-1"));
  CHECK(is_in_region("eu", "uksouth"));
  CHECK_FALSE(is_in_region("uk", "westeurope"));
  CHECK_FALSE(is_in_region("us", "australiaeast"));
  CHECK_FALSE(is_in_region("ca", "California, US"));
  CHECK(is_in_region("us-east", "us-east-1"));
  CHECK(is_in_region("us-east-1", "US-EAST-1"));
  CHECK_FALSE(is_in_region("us-east-1", "us-east"));
  CHECK(is_in_region("", "anywhere"));
  CHECK_FALSE(is_in_region("sa", "Riyadh, SA"));  // Saudi Arabia is in "me"
  CHECK(is_in_region("me", "Riyadh, SA"));
}

}  // namespace gpubroker::catalog_test
