#include "core/plan/ranking.hpp"

#include <algorithm>
#include <random>
#include <tuple>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

constexpr Instant kNow{1'000'000};

Offer offer(const std::string& region, const std::string& type, Market market, double dollars) {
  return {.key = {"local", region, "", type, market},
          .gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8},
          .vcpus = 16,
          .memory_mib = 65'536,
          .price = {static_cast<std::int64_t>(dollars * 1'000'000)}};
}

/// "east/a/spot", "west/a/on_demand: price 3.00 above 2.00"
std::vector<std::string> shown(const std::vector<Judged>& judged) {
  std::vector<std::string> all;
  for (const Judged& one : judged) {
    all.push_back(one.offer.key.region + "/" + one.offer.key.instance_type + "/" +
                  std::string(to_string(one.offer.key.market)) + (one.why.empty() ? "" : ": " + one.why));
  }
  return all;
}

std::vector<std::string> ranked(const std::vector<Offer>& offers, const GangNeed& need,
                                const std::vector<Refusal>& refusals = {}) {
  return shown(rank_offers(offers, need, refusals, kNow));
}

/// Why `given` does not serve `need`; empty: it does.
std::string why_not(const Offer& given, const ResourceNeed& need, int nodes = 1) {
  return rank_offers({given}, {.any_of = {need}, .nodes = nodes}, {}, kNow).front().why;
}

using Words = std::vector<std::string>;
const std::vector<Market> kSpotFirst = {Market::spot, Market::on_demand};

}  // namespace

TEST_CASE("candidates come first: by market as preferred, by price, by name; the rest by name with reasons") {
  const std::vector<Offer> offers = {
      offer("east", "a", Market::on_demand, 1.0), offer("east", "b", Market::spot, 2.0),
      offer("west", "b", Market::spot, 2.0),      offer("west", "a", Market::spot, 1.5),
      offer("east", "c", Market::flex, 0.5),      offer("east", "a", Market::block, 0.1),
  };
  CHECK(ranked(offers, {.any_of = {{.markets = kSpotFirst}}}) ==
        Words{"west/a/spot", "east/b/spot", "west/b/spot", "east/a/on_demand", "east/a/block: other market",
              "east/c/flex: other market"});
  CHECK(ranked(offers, {.any_of = {{.markets = {Market::on_demand, Market::spot}}}}).front() ==
        "east/a/on_demand");
}

TEST_CASE("a machine that none of our agents runs on is no candidate, however cheap") {
  std::vector<Offer> offers = {offer("east", "gh200", Market::on_demand, 1.0),
                               offer("east", "h100", Market::on_demand, 2.0)};
  offers[0].cpu_without_agent = "arm64";
  const GangNeed need{.any_of = {{.markets = {Market::on_demand}}}};
  const std::vector<Judged> judged = rank_offers(offers, need, {}, kNow);
  CHECK(shown(judged) == Words{"east/h100/on_demand",
                               "east/gh200/on_demand: CPU arm64: this gpubroker carries no agent for it"});
  CHECK(judged[1].kind == "cpu");
  const Candidates candidates = find_candidates(offers, need, {}, kNow, 10);
  REQUIRE(candidates.best.size() == 1);
  CHECK(candidates.best[0]->key.instance_type == "h100");
}

TEST_CASE("each bound has its reason, with the figure that was in the way") {
  const Offer given = offer("east", "a", Market::on_demand, 20.0);
  const GpuSpec h100 = parse_gpu_spec("H100:8").value();
  const GpuSpec a100 = parse_gpu_spec("A100:8").value();
  struct Row {
    ResourceNeed need;
    std::string why;
  };
  const std::vector<Row> rows = {
      {{}, ""},
      {{.provider = "local"}, ""},
      {{.provider = "aws"}, "other provider"},
      {{.regions = {"west", "east"}}, ""},
      {{.regions = {"west"}}, "other region"},
      {{.zone = "east-1"}, "other zone"},
      {{.instance_type = "a"}, ""},
      {{.instance_type = "b"}, "other instance type"},
      {{.markets = {Market::spot}}, "other market"},
      {{.markets = {}}, "other market"},
      {{.gpu = h100}, ""},
      {{.gpu = a100}, "other GPU"},
      {{.cpus = SizeNeed{8, /*exact=*/false}}, ""},  // "8+"
      {{.cpus = SizeNeed{16, /*exact=*/true}}, ""},  // "16"
      {{.cpus = SizeNeed{8, /*exact=*/true}}, "vCPUs: 16"},
      {{.cpus = SizeNeed{17, /*exact=*/false}}, "vCPUs: 16"},
      {{.memory_mib = SizeNeed{65'536, /*exact=*/true}}, ""},
      {{.memory_mib = SizeNeed{65'537, /*exact=*/false}}, "memory: 65536 MiB"},
      {{.max_price = Rate{20'000'000}}, ""},
      {{.max_price = Rate{19'999'999}}, "price 20.00 above 19.999999"},
      {{.max_price_per_gpu = Rate{2'500'000}}, ""},
      {{.max_price_per_gpu = Rate{2'400'000}}, "price 2.50 per GPU above 2.40"},
      {{.provider = "aws", .max_price = Rate{1}}, "other provider"},  // the first that fails is told
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(why_not(given, row.need) == row.why);
  }
}

TEST_CASE("the price per GPU is exact: over by less than a micro-dollar per GPU is over") {
  Offer given = offer("east", "a", Market::on_demand, 20.0);
  given.price.micros_per_hour = 20'000'001;
  const ResourceNeed need{.max_price_per_gpu = Rate{2'500'000}};
  CHECK(why_not(given, need) == "price 2.500001 per GPU above 2.50");
  given.price.micros_per_hour = 19'999'999;
  CHECK(why_not(given, need).empty());
  given.gpu = {};  // a machine without GPUs has no price per GPU
  given.price.micros_per_hour = 900'000'000;
  CHECK(why_not(given, need).empty());
}

TEST_CASE("a gang needs all of its machines free; unknown stock is worth asking for") {
  Offer given = offer("east", "a", Market::on_demand, 1.0);
  CHECK(why_not(given, {}, 64).empty());
  given.available = 3;
  CHECK(why_not(given, {}, 3).empty());
  CHECK(why_not(given, {}, 4) == "3 of 4 free");
  given.available = 0;
  CHECK(why_not(given, {}, 1) == "0 of 1 free");
}

TEST_CASE("what was refused lately is told with its age, kind and words, and comes back when that is over") {
  const Offer given = offer("east", "a", Market::on_demand, 1.0);
  Refusal refusal{.key = given.key,
                  .scope = ErrorScope::offer,
                  .kind = ErrorKind::quota,
                  .message = "96 of 192 vCPU",
                  .at = kNow - Millis{120'000},
                  .until = kNow + Millis{1}};
  const GangNeed need{.any_of = {{}}};
  CHECK(ranked({given}, need, {refusal}) == Words{"east/a/on_demand: refused 2m ago: quota: 96 of 192 vCPU"});
  refusal.message.clear();
  CHECK(ranked({given}, need, {refusal}) == Words{"east/a/on_demand: refused 2m ago: quota"});
  refusal.until = kNow;
  CHECK(ranked({given}, need, {refusal}) == Words{"east/a/on_demand"});
}

TEST_CASE("what does not fit is told before what was refused or is out of stock") {
  Offer given = offer("east", "a", Market::on_demand, 5.0);
  given.available = 0;
  const Refusal refusal{.key = given.key, .at = kNow, .until = kNow + Millis{1'000}};
  CHECK(ranked({given}, {.any_of = {{.max_price = Rate{1'000'000}}}}, {refusal}) ==
        Words{"east/a/on_demand: price 5.00 above 1.00"});
  CHECK(ranked({given}, {.any_of = {{}}}, {refusal}) == Words{"east/a/on_demand: refused 0s ago: capacity"});
}

TEST_CASE("any_of in order: the first need wins over price, then its market, then price") {
  const std::vector<Offer> offers = {
      offer("east", "a", Market::spot, 9.0),      offer("east", "a", Market::on_demand, 10.0),
      offer("east", "b", Market::spot, 1.0),      offer("west", "a", Market::spot, 8.0),
      offer("east", "b", Market::on_demand, 0.5),
  };
  const std::vector<ResourceNeed> a_then_b = {{.instance_type = "a", .markets = kSpotFirst},
                                              {.instance_type = "b", .markets = kSpotFirst}};
  CHECK(ranked(offers, {.any_of = a_then_b, .ordered = true}) ==
        Words{"west/a/spot", "east/a/spot", "east/a/on_demand", "east/b/spot", "east/b/on_demand"});
  CHECK(ranked(offers, {.any_of = a_then_b, .ordered = false}) ==
        Words{"east/b/spot", "west/a/spot", "east/a/spot", "east/b/on_demand", "east/a/on_demand"});
}

TEST_CASE("any_of without order: the order in which the needs are written changes nothing") {
  const std::vector<Offer> offers = {offer("east", "a", Market::on_demand, 2.0),
                                     offer("west", "b", Market::on_demand, 3.0)};
  // The first serves both needs: in one its market is the second choice, in the other the only one.
  std::vector<ResourceNeed> needs = {{.instance_type = "a", .markets = kSpotFirst}, {}};
  const Words expected{"east/a/on_demand", "west/b/on_demand"};
  CHECK(ranked(offers, {.any_of = needs}) == expected);
  std::reverse(needs.begin(), needs.end());
  CHECK(ranked(offers, {.any_of = needs}) == expected);
}

TEST_CASE("of several needs the one that came nearest gives the reason") {
  const GpuSpec h100 = parse_gpu_spec("H100:8").value();
  const GpuSpec a100 = parse_gpu_spec("A100:8").value();
  const Offer given = offer("east", "a", Market::on_demand, 5.0);
  std::vector<ResourceNeed> needs = {{.gpu = h100, .max_price = Rate{4'000'000}}, {.gpu = a100}};
  CHECK(ranked({given}, {.any_of = needs}) == Words{"east/a/on_demand: price 5.00 above 4.00"});
  std::reverse(needs.begin(), needs.end());
  CHECK(ranked({given}, {.any_of = needs}) == Words{"east/a/on_demand: price 5.00 above 4.00"});
}

TEST_CASE("no need at all takes nothing, no offer at all ranks nothing") {
  CHECK(ranked({offer("east", "a", Market::spot, 1.0)}, {}) == Words{"east/a/spot: nothing was asked for"});
  CHECK(ranked({}, {.any_of = {{}}}).empty());
}

TEST_CASE("the rank does not depend on the order in which offers and refusals were learnt") {
  std::mt19937_64 random(8);
  const auto pick = [&random](std::size_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    std::vector<Offer> offers;
    std::vector<Refusal> refusals;
    for (std::size_t n = 2 + pick(20); n > 0; --n) {
      // Few names and prices, so that ties are common; also the same name twice with two prices.
      Offer one = offer(pick(2) == 0 ? "east" : "west", std::string(1, static_cast<char>('a' + pick(3))),
                        static_cast<Market>(pick(3)), 1.0 + static_cast<double>(pick(3)));
      if (pick(4) == 0) { one.available = static_cast<int>(pick(3)); }
      if (pick(4) == 0) {
        refusals.push_back({.key = one.key,
                            .scope = static_cast<ErrorScope>(pick(4)),
                            .kind = static_cast<ErrorKind>(pick(2)),
                            .at = kNow - Millis{static_cast<std::int64_t>(pick(9)) * 1'000},
                            .until = kNow + Millis{1 + static_cast<std::int64_t>(refusals.size())}});
      }
      offers.push_back(std::move(one));
    }
    const GangNeed need{.any_of = {{.instance_type = "a", .markets = kSpotFirst},
                                   {.markets = kSpotFirst, .max_price = Rate{2'000'000}}},
                        .ordered = pick(2) == 0,
                        .nodes = 2};
    const std::vector<Judged> first = rank_offers(offers, need, refusals, kNow);
    REQUIRE(first.size() == offers.size());
    const auto is_candidate = [](const Judged& one) { return one.why.empty(); };
    CHECK(std::is_partitioned(first.begin(), first.end(), is_candidate));
    const auto candidates = static_cast<std::size_t>(std::count_if(first.begin(), first.end(), is_candidate));
    for (const std::size_t most : {std::size_t{1}, offers.size()}) {  // the quick way finds the same
      const Candidates found = find_candidates(offers, need, refusals, kNow, most);
      CHECK(found.count == candidates);
      CHECK(found.of == offers.size());
      REQUIRE(found.best.size() == std::min(most, candidates));
      for (std::size_t i = 0; i < found.best.size(); ++i) { CHECK(*found.best[i] == first[i].offer); }
    }
    for (int again = 0; again < 5; ++again) {
      std::shuffle(offers.begin(), offers.end(), random);
      std::shuffle(refusals.begin(), refusals.end(), random);
      const std::vector<Judged> second = rank_offers(offers, need, refusals, kNow);
      CHECK(shown(second) == shown(first));
      for (std::size_t i = 0; i < first.size(); ++i) { CHECK(second[i].offer.price == first[i].offer.price); }
    }
    // Among candidates a better preference, then a lower price, is never behind a worse one.
    for (std::size_t i = 1; i < first.size() && is_candidate(first[i]); ++i) {
      CHECK(std::tie(first[i - 1].preference, first[i - 1].offer.price) <=
            std::tie(first[i].preference, first[i].offer.price));
    }
  }
}

}  // namespace gpubroker
