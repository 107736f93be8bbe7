// What a harvest does to the catalog: rows by region, what is kept back, history by changes only.
#include "catalog/catalog_offers.hpp"
#include "tests/unit/catalog/support.hpp"

namespace gpubroker::catalog_test {
namespace {

std::vector<Listing> two_regions() {
  return {listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "55.04"),
          listing("aws/eu-north-1/p5.48xlarge/on_demand", "H100", 8, "57.00"),
          listing("aws/us-east-1/g6.48xlarge/on_demand", "L4", 8, "13.35")};
}

Harvest of(std::vector<Listing> listings) {
  Harvest harvest;
  harvest.listings = std::move(listings);
  return harvest;
}

std::vector<Listing> twelve(const std::string& price = "2.00") {
  std::vector<Listing> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(listing("x/r" + std::to_string(i) + "/t/on_demand", "H100", 1, price));
  }
  return all;
}

}  // namespace

TEST_CASE("everything that a listing says comes back") {
  World world;
  Listing rich =
      listing("gcp/us-central1/us-central1-a/a3-highgpu-8g/on_demand", "nvidia-h100-80gb", 8, "88.490001");
  rich.offer.gpu.memory_gib = 80;
  rich.offer.vcpus = 208;
  rich.offer.memory_mib = 1'916'928;
  rich.offer.billing = {Millis{1'000}, Millis{60'000}};
  rich.seller = "a seller";
  rich.variant = "ask 7";
  rich.arch = "x86_64";
  rich.disk_gib = 6'000;
  rich.fabric = Fabric::tcpx;
  rich.fabric_gbps = 1'000;
  rich.basis = PriceBasis::computed;
  rich.parts = {{"8 x Nvidia H100\t80GB GPU", usd("78.3724"), "AAAA-BBBB-CCCC"},
                {"208 cores", usd("4.1"), "DDDD"}};
  rich.availability = {AvailabilityKind::count, 3, "stock"};
  rich.window = Window{kNow, kNow + kHour};
  world.take("gcp/skus", {rich});
  const std::vector<OfferRow> rows = world.find();
  REQUIRE(rows.size() == 1);
  Listing expected = rich;
  expected.offer.gpu = {"H100", "SXM", 80, 8};
  expected.offer.available = 3;
  expected.offer.learnt_at = kNow;
  expected.nvlink_domain = 8;  // by the model: nobody told it
  expected.parts[0].what = "8 x Nvidia H100 80GB GPU";
  CHECK(rows[0].listing == expected);
  CHECK(rows[0].model == find_gpu_model("H100-80-SXM"));
  CHECK(rows[0].feed == "gcp/skus");
  CHECK(rows[0].price_since == kNow);
}

TEST_CASE("told again nothing changes but the time it was told") {
  World world;
  IngestReport report = world.take("aws/price-list", two_regions());
  CHECK(report.fresh == 3);
  const std::int64_t changes = world.number("SELECT total_changes()");
  world.now = kNow + kHour;
  report = world.take("aws/price-list", two_regions());
  CHECK(report.fresh == 0);
  CHECK(report.changed == 0);
  CHECK(report.same == 3);
  CHECK(report.gone == 0);
  // The source, and the two regions' times: no row of an offer.
  CHECK(world.number("SELECT total_changes()") - changes == 3);
  for (const OfferRow& row : world.find()) {
    CHECK(row.listing.offer.learnt_at == world.now);
    CHECK(row.price_since == kNow);
  }
}

TEST_CASE(
    "a region's rows replace that region's; unchanged and failed regions stay; the rest is no longer sold") {
  World world;
  world.take("aws/price-list", two_regions());
  world.now = kNow + kMinute;
  Harvest harvest = of({listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "50")});
  harvest.failed.emplace_back("eu-north-1", Error{.kind = ErrorKind::network, .message = "no answer"});
  IngestReport report = world.take("aws/price-list", harvest);
  CHECK(report.changed == 1);
  CHECK(report.gone == 1);
  CHECK(report.same == 1);
  CHECK(report.failed.size() == 1);
  OfferQuery by_price{.sort = OfferSort::price};
  CHECK(world.names(by_price) == std::vector<std::string>{"aws/us-east-1/p5.48xlarge/on_demand 50.00",
                                                          "aws/eu-north-1/p5.48xlarge/on_demand 57.00"});
  for (const OfferRow& row : world.find()) {
    const bool failed = row.listing.offer.key.region == "eu-north-1";
    CHECK(row.listing.offer.learnt_at == (failed ? kNow : world.now));  // its age is told, not hidden
  }
  world.now = kNow + 2 * kMinute;
  harvest = {};
  harvest.unchanged = {"us-east-1", "eu-north-1"};
  report = world.take("aws/price-list", harvest);
  CHECK(report.same == 2);
  CHECK(world.find()[0].listing.offer.learnt_at == world.now);
  world.now = kNow + 3 * kMinute;
  report = world.take("aws/price-list", {listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "50")});
  CHECK(report.gone == 1);  // eu-north-1 is told of no more
  CHECK(world.history("aws/us-east-1/p5.48xlarge/on_demand") == "0m 55.04, 1m 50.00");
  CHECK(world.history("aws/eu-north-1/p5.48xlarge/on_demand") == "0m 57.00, 3m gone");
  CHECK(world.history("aws/us-east-1/g6.48xlarge/on_demand") == "0m 13.35, 1m gone");
}

TEST_CASE("all unchanged: everything is as old as the answer") {
  World world;
  Harvest harvest = of(two_regions());
  harvest.validators = {{"etag", "\"1\""}};
  world.take("aws/price-list", harvest);
  CHECK(read_validators(world.db(), "aws/price-list").value() == Validators{{"etag", "\"1\""}});
  world.now = kNow + kHour;
  harvest = {};
  harvest.all_unchanged = true;
  const IngestReport report = world.take("aws/price-list", harvest);
  CHECK(report.same == 3);
  CHECK(world.find()[0].listing.offer.learnt_at == world.now);
  CHECK(read_validators(world.db(), "aws/price-list").value().size() == 1);
  CHECK(read_validators(world.db(), "nobody").value().empty());
}

TEST_CASE("rows that another vocabulary resolved are asked for anew") {
  World world;
  Harvest harvest = of(two_regions());
  harvest.validators = {{"etag", "\"1\""}};
  world.take("aws/price-list", harvest);
  REQUIRE(execute(world.db().handle(), "UPDATE source SET vocabulary = 0", world.path()).ok());
  CHECK(read_validators(world.db(), "aws/price-list").value().empty());
}

TEST_CASE("history is of changes: back again, gone again, and the cheapest of several asks") {
  World world;
  const std::string name = "vast/Utah, US/8x H100/on_demand";
  const auto ask = [&name](const std::string& variant, const std::string& price) {
    Listing one = listing(name, "H100 SXM", 8, price);
    one.variant = variant;
    return one;
  };
  const auto at = [&world](int minute, std::vector<Listing> rows) {
    world.now = kNow + minute * kMinute;
    return world.take("vast/asks", std::move(rows));
  };
  at(0, {ask("1", "20"), ask("2", "18")});
  at(1, {ask("1", "20"), ask("2", "18")});
  at(2, {ask("1", "20")});
  at(3, {ask("1", "20"), ask("3", "22")});
  at(4, {});
  at(5, {ask("4", "22")});
  at(6, {ask("4", "22")});
  CHECK(world.history(name) == "0m 18.00, 2m 20.00, 4m gone, 5m 22.00");
  // From a moment on: the point that was in force, and what followed.
  CHECK(world.history(name, kNow + 3 * kMinute) == "2m 20.00, 4m gone, 5m 22.00");
  world.now = kNow;  // the clock was set back: what is written stays, the new point comes after it
  at(0, {ask("4", "25")});
  CHECK(world.history(name) == "0m 18.00, 2m 20.00, 4m gone, 5m 22.00, 5m 25.00");
}

TEST_CASE("availability has its own history, from the first word on") {
  World world;
  const auto at = [&world](int minute, AvailabilityKind kind, int value) {
    world.now = kNow + minute * kMinute;
    Listing one = listing("lambda/us-west-1/gpu_8x_h100_sxm5/on_demand", "gpu_8x_h100_sxm5", 8, "31.92");
    one.availability = {kind, value, "regions_with_capacity_available"};
    world.take("lambda/types", {one});
  };
  at(0, AvailabilityKind::level, 0);
  at(1, AvailabilityKind::level, 0);
  at(2, AvailabilityKind::level, 3);
  const std::vector<PriceSeries> series = read_history(world.db(), {}, {}).value();
  REQUIRE(series.size() == 1);
  CHECK(series[0].prices.size() == 1);
  CHECK(series[0].availability ==
        std::vector<AvailabilityChange>{{kNow, AvailabilityKind::level, 0},
                                        {kNow + 2 * kMinute, AvailabilityKind::level, 3}});
  CHECK(world.find()[0].price_since == kNow);
}

TEST_CASE("what the gate keeps back is nowhere but in quarantine, and told") {
  World world;
  std::vector<Listing> rows = two_regions();
  rows.push_back(listing("aws/us-east-1/p5.48xlarge/block", "H100", 8, "0"));
  rows.push_back(listing("aws/us-east-1/x1.metal/on_demand", "Flux 9000", 8, "12"));
  const IngestReport report = world.take("aws/price-list", rows);
  CHECK(report.fresh == 3);
  CHECK(report.quarantined == 2);
  CHECK(report.quarantined_by_rule ==
        std::map<std::string, std::int64_t>{{"unknown_gpu", 1}, {"zero_price", 1}});
  REQUIRE(report.remarks.size() == 2);
  CHECK(report.remarks[0].what == "kept back: zero_price");
  CHECK(report.remarks[1].detail == "aws/us-east-1/x1.metal/on_demand: unknown accelerator 'Flux 9000'");
  CHECK(world.find().size() == 3);
  const std::vector<QuarantineRow> kept = world.kept_back();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].rule == "zero_price");
  CHECK(kept[0].listing.offer.gpu == Accelerator{"H100", "SXM", 80, 8});
  CHECK(kept[1].rule == "unknown_gpu");
  CHECK(kept[1].listing.gpu_text == "Flux 9000");
  CHECK(kept[1].listing.offer.price == usd("12"));
  const std::vector<SourceRow> sources = read_sources(world.db()).value();
  REQUIRE(sources.size() == 1);
  CHECK(sources[0].offers == 3);
  CHECK(sources[0].quarantined == 2);
  CHECK(sources[0].remarks.size() == 2);
  world.now = kNow + kMinute;
  world.take("aws/price-list", rows);
  CHECK(world.kept_back()[0].since == kNow);  // how long it has been so
  CHECK(world.kept_back()[0].told_at == world.now);
  world.take("aws/price-list", two_regions());
  CHECK(world.kept_back().empty());
}

TEST_CASE("a price that jumps is doubted once and believed when it is told again; the history waits") {
  World world;
  const std::string name = "aws/us-east-1/p5.48xlarge/on_demand";
  const auto at = [&](int minute, const std::string& price) {
    world.now = kNow + minute * kMinute;
    return world.take("aws/price-list", {listing(name, "H100", 8, price)});
  };
  at(0, "55.04");
  IngestReport report = at(1, "5.50");
  CHECK(report.quarantined_by_rule == std::map<std::string, std::int64_t>{{"far_from_history", 1}});
  CHECK(world.find().empty());
  CHECK(world.history(name) == "0m 55.04");  // not "gone": it was told, and not believed
  SUBCASE("it was a slip") {
    report = at(2, "55.04");
    CHECK(report.released == 0);
    CHECK(world.names() == std::vector<std::string>{name + " 55.04"});
    CHECK(world.history(name) == "0m 55.04");
  }
  SUBCASE("it was meant") {
    report = at(2, "5.60");
    CHECK(report.released == 1);
    CHECK(world.names() == std::vector<std::string>{name + " 5.60"});
    CHECK(world.history(name) == "0m 55.04, 2m 5.60");
  }
  SUBCASE("it jumps on") {
    report = at(2, "550");
    CHECK(report.quarantined == 1);
    CHECK(world.kept_back()[0].since == kNow + kMinute);
    report = at(3, "550");
    CHECK(report.released == 1);
  }
}

TEST_CASE(
    "spot is held against on demand of the same region: of the same harvest, or of the cloud's other feed") {
  World world;
  const auto spot = [](const std::string& region, const std::string& price) {
    return listing("aws/" + region + "/" + region + "a/p5.48xlarge/spot", "H100", 8, price);
  };
  SUBCASE("one harvest, spot first") {
    std::vector<Listing> rows = two_regions();
    rows.insert(rows.begin(), {spot("us-east-1", "56"), spot("eu-north-1", "56")});
    const IngestReport report = world.take("aws/all", rows);
    CHECK(report.quarantined_by_rule == std::map<std::string, std::int64_t>{{"spot_above_on_demand", 1}});
    CHECK(world.kept_back()[0].listing.offer.key.region == "us-east-1");
  }
  SUBCASE("two feeds") {
    world.take("aws/price-list", two_regions());
    const IngestReport report = world.take("aws/spot", {spot("us-east-1", "56"), spot("eu-north-1", "56")});
    CHECK(report.quarantined == 1);
    CHECK(world.find().size() == 4);
  }
  SUBCASE("another cloud's on demand says nothing") {
    world.take("other/price-list", two_regions());
    CHECK(world.take("aws/spot", {spot("us-east-1", "56")}).quarantined == 0);
  }
}

TEST_CASE("the median of at least four regions judges, on demand only") {
  World world;
  std::vector<Listing> rows;
  for (const char* region : {"us-central1", "us-west1", "us-east4", "europe-west4"}) {
    rows.push_back(
        listing(std::string("gcp/") + region + "/a3-highgpu-8g/on_demand", "nvidia-h100-80gb", 8, "88.49"));
  }
  rows.push_back(listing("gcp/asia-east1/a3-highgpu-8g/on_demand", "nvidia-h100-80gb", 8, "8.849"));
  rows.push_back(
      listing("gcp/europe-north1/europe-north1-a/a3-highgpu-8g/spot", "nvidia-h100-80gb", 8, "10.21"));
  rows.push_back(listing("gcp/us-central1/us-central1-a/a3-highgpu-8g/spot", "nvidia-h100-80gb", 8, "50.61"));
  CHECK(world.take("gcp/skus", rows).quarantined_by_rule ==
        std::map<std::string, std::int64_t>{{"far_from_neighbours", 1}});
  rows.erase(rows.begin(), rows.begin() + 3);
  CHECK(world.take("gcp/skus", rows).quarantined == 0);  // two regions prove nothing
}

TEST_CASE("a harvest that lost most rows is refused whole, unless a person says that it is right") {
  World world;
  world.take("x/prices", twelve());
  world.now = kNow + kMinute;
  std::vector<Listing> few = twelve();
  few.resize(5);
  const Result<IngestReport> report = ingest(world.db(), "x/prices", of(few), world.now);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().code == "lost_rows");
  CHECK(report.error().message == "x/prices told 5 good rows where there were 12; nothing was taken");
  CHECK(report.error().hint.find("--accept-loss") != std::string::npos);
  CHECK(world.find().size() == 12);
  const SourceRow source = read_sources(world.db()).value()[0];
  REQUIRE(source.error.has_value());
  CHECK(source.error->code == "lost_rows");
  CHECK(source.succeeded_at == kNow);
  CHECK(source.tried_at == world.now);
  const IngestReport forced = world.take("x/prices", of(few), {.accept_loss = true});
  CHECK(forced.gone == 7);
  CHECK(world.find().size() == 5);
  CHECK_FALSE(read_sources(world.db()).value()[0].error.has_value());
}

TEST_CASE("half of the rows may go, few rows may go, and regions that failed are not lost") {
  World world;
  world.take("x/prices", twelve());
  std::vector<Listing> half = twelve();
  half.resize(6);
  CHECK(world.take("x/prices", half).gone == 6);
  CHECK(world.take("x/prices", {half[0]}).gone == 5);  // six are too few to tell a loss by
  world.take("x/prices", twelve());
  Harvest partial = of({twelve()[0]});
  for (int i = 1; i < 12; ++i) { partial.failed.emplace_back("r" + std::to_string(i), Error{}); }
  CHECK(world.take("x/prices", partial).gone == 0);
  CHECK(world.find().size() == 12);
}

TEST_CASE("all prices ten times lower at once is a loss, too: nobody reprices everything overnight") {
  World world;
  world.take("x/prices", twelve("2.00"));
  const Result<IngestReport> report = ingest(world.db(), "x/prices", of(twelve("0.20")), world.now);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().message ==
        "x/prices told 0 good rows where there were 12 (12 kept back); nothing was taken");
}

TEST_CASE("a feed that failed keeps its rows and says why") {
  World world;
  world.take("aws/price-list", two_regions());
  world.now = kNow + kHour;
  REQUIRE(
      record_failure(world.db(), "aws/price-list",
                     {.kind = ErrorKind::throttled, .message = "slow down", .hint = "wait", .code = "429"},
                     world.now)
          .ok());
  CHECK(world.find().size() == 3);
  const SourceRow source = read_sources(world.db()).value()[0];
  REQUIRE(source.error.has_value());
  CHECK(source.error->kind == ErrorKind::throttled);
  CHECK(source.error->message == "slow down");
  CHECK(source.error->hint == "wait");
  CHECK(source.succeeded_at == kNow);
  world.take("aws/price-list", two_regions());
  CHECK_FALSE(read_sources(world.db()).value()[0].error.has_value());
  REQUIRE(
      record_failure(world.db(), "new/feed", {.kind = ErrorKind::auth, .message = "no key"}, world.now).ok());
  CHECK_FALSE(read_sources(world.db()).value()[1].succeeded_at.has_value());
}

TEST_CASE("a row told twice counts once, the cheaper") {
  World world;
  std::vector<Listing> rows = two_regions();
  rows.push_back(listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "50"));
  rows.push_back(listing("aws/us-east-1/p5.48xlarge/on_demand", "H100", 8, "60"));
  const auto check = [&world](const IngestReport& report) {
    REQUIRE(report.remarks.size() == 1);
    CHECK(report.remarks[0].what == "told twice, the cheaper counts");
    CHECK(report.remarks[0].count == 2);
    CHECK(report.remarks[0].detail == "aws/us-east-1/p5.48xlarge/on_demand");
    CHECK(world.find().size() == 3);
    CHECK(world.history("aws/us-east-1/p5.48xlarge/on_demand") == "0m 50.00");
  };
  check(world.take("aws/price-list", rows));
  CHECK(world.number("SELECT count(*) FROM offer") == 3);
}

TEST_CASE("signals join the offers of their place, zone and type, and are replaced by region") {
  World world;
  world.take("aws/spot", {listing("aws/us-east-1/us-east-1a/p5.48xlarge/spot", "H100", 8, "21.48"),
                          listing("aws/us-east-1/us-east-1b/p5.48xlarge/spot", "H100", 8, "22.48")});
  Harvest advisor;
  advisor.signals = {{.provider = "aws",
                      .region = "us-east-1",
                      .instance_type = "p5.48xlarge",
                      .market = Market::spot,
                      .reclaimed_percent_most = 15},
                     {.provider = "aws",
                      .region = "us-east-1",
                      .zone = "us-east-1a",
                      .instance_type = "p5.48xlarge",
                      .availability = {AvailabilityKind::score, 7, "placement score"}},
                     {.provider = "aws",
                      .region = "us-east-1",
                      .instance_type = "p5.48xlarge",
                      .market = Market::on_demand,
                      .availability = {AvailabilityKind::score, 1, "placement score"}}};
  world.take("aws/advisor", advisor);
  const std::vector<OfferRow> rows = world.find({.sort = OfferSort::price});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].reclaimed_percent_most == 15);
  CHECK(rows[1].reclaimed_percent_most == 15);
  REQUIRE(rows[0].signals.size() == 1);
  CHECK(rows[0].signals[0] == Availability{AvailabilityKind::score, 7, "placement score"});
  CHECK(rows[1].signals.empty());
  const std::int64_t before = world.number("SELECT total_changes()");
  world.take("aws/advisor", advisor);
  CHECK(world.number("SELECT total_changes()") - before == 2);  // source and region, no signal
  advisor.signals.pop_back();
  advisor.signals.pop_back();
  advisor.signals[0].reclaimed_percent_most = 5;
  world.take("aws/advisor", advisor);
  CHECK(world.number("SELECT count(*) FROM signal") == 1);
  CHECK(world.find()[0].reclaimed_percent_most == 5);
}

TEST_CASE("a table's fact is as old as the table, and a plan does not take it for fresh") {
  World world;
  Listing fact = listing("coreweave/US-EAST-04A/gd-8xh100ib-i128/on_demand", "H100", 8, "49.24");
  fact.basis = PriceBasis::table;
  fact.offer.learnt_at = kNow - std::chrono::days{51};
  world.take("coreweave/table", {fact});
  world.now = kNow + kHour;
  world.take("coreweave/table", {fact});
  CHECK(world.find()[0].listing.offer.learnt_at == kNow - std::chrono::days{51});
}

TEST_CASE("tidying drops what nothing needs and keeps the point in force") {
  World world;
  const std::string name = "aws/us-east-1/p5.48xlarge/on_demand";
  for (int minute = 0; minute < 5; ++minute) {
    world.now = kNow + minute * kMinute;
    world.take("aws/price-list", {listing(name, "H100", 8, std::to_string(50 + minute))});
  }
  Listing other = listing(name, "H100", 8, "54");
  other.offer.vcpus = 190;
  world.take("aws/price-list", {other});
  CHECK(world.number("SELECT count(*) FROM machine") == 2);
  const std::string whole = world.history(name, kNow + 3 * kMinute);
  REQUIRE(tidy(world.db(), kNow + 3 * kMinute).ok());
  CHECK(world.number("SELECT count(*) FROM machine") == 1);
  CHECK(world.history(name, kNow + 3 * kMinute) == whole);
  CHECK(world.number("SELECT count(*) FROM price_change") == 2);
  CHECK(world.find().size() == 1);
}

}  // namespace gpubroker::catalog_test
