#include "providers/local/bill.hpp"

#include <random>

#include <doctest/doctest.h>

#include "core/base/money.hpp"
#include "core/plan/charging.hpp"

namespace gpubroker::local {
namespace {

NodeRecord node_with(Instant ready, Instant ended, BillingRule billing) {
  return {.id = {"local/x-1"},
          .offer = {"local", "r", "", "t", Market::spot},
          .billing = billing,
          .created_at = ready,
          .ready_at = ready,
          .ended_at = ended};
}

CloudRecord cloud_of(const NodeRecord& node, std::vector<PricePoint> prices) {
  return {.prices = {{format_offer_key(node.offer), std::move(prices)}}, .nodes = {node}};
}

/// A third computation, by long division in decimal digits: nothing shared with either side.
std::int64_t schoolbook(std::int64_t rate, std::int64_t ms) {
  std::vector<int> digits(40, 0);  // rate x ms, least significant first
  std::vector<int> a;
  std::vector<int> b;
  for (std::int64_t x = rate; x > 0; x /= 10) { a.push_back(static_cast<int>(x % 10)); }
  for (std::int64_t x = ms; x > 0; x /= 10) { b.push_back(static_cast<int>(x % 10)); }
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) { digits[i + j] += a[i] * b[j]; }
  }
  for (std::size_t i = 0; i + 1 < digits.size(); ++i) {
    digits[i + 1] += digits[i] / 10;
    digits[i] %= 10;
  }
  std::int64_t quotient = 0;
  std::int64_t rest = 0;
  for (std::size_t i = digits.size(); i-- > 0;) {
    rest = rest * 10 + digits[i];
    quotient = quotient * 10 + rest / 3'600'000;
    rest %= 3'600'000;
  }
  return quotient + (rest * 2 >= 3'600'000 ? 1 : 0);
}

}  // namespace

TEST_CASE("the bill of lives that can be reckoned by hand") {
  struct Row {
    Instant ready, ended;
    BillingRule rule;
    std::vector<PricePoint> prices;
    std::vector<std::int64_t> micros;
  };
  const std::vector<Row> rows = {
      {{0}, {3'600'000}, {Millis{1}, Millis{0}}, {{{0}, {2'500'000}}}, {2'500'000}},
      {{0}, {1}, {Millis{1'000}, Millis{0}}, {{{0}, {3'600'000}}}, {1'000}},  // rounded up to a second
      {{0}, {1'000}, {Millis{1'000}, Millis{60'000}}, {{{0}, {3'600'000}}}, {60'000}},  // at least a minute
      {{0}, {0}, {Millis{1'000}, Millis{60'000}}, {{{0}, {3'600'000}}}, {60'000}},
      {{0}, {0}, {Millis{1'000}, Millis{0}}, {{{0}, {3'600'000}}}, {}},
      {{0}, {1}, {Millis{1}, Millis{0}}, {{{0}, {1'800'000}}}, {1}},  // a half goes up
      {{0}, {1}, {Millis{1}, Millis{0}}, {{{0}, {1'799'999}}}, {0}},
      // The change lies after the end, but inside what is billed.
      {{0}, {500}, {Millis{1'000}, Millis{0}}, {{{0}, {3'600'000}}, {{750}, {7'200'000}}}, {750, 500}},
      {{10}, {20}, {Millis{1}, Millis{0}}, {{{0}, {0}}, {{10}, {3'600'000}}, {{20}, {9}}}, {10}},
  };
  for (const Row& row : rows) {
    const auto bill = make_bill(cloud_of(node_with(row.ready, row.ended, row.rule), row.prices));
    std::vector<std::int64_t> micros;
    for (const BillLine& line : bill) { micros.push_back(line.amount.micros); }
    CHECK(micros == row.micros);
  }
}

TEST_CASE("what never ran and what still runs is not on the bill") {
  NodeRecord node = node_with({1'000}, {999}, {});
  CHECK(make_bill(cloud_of(node, {{{0}, {1'000'000}}})).empty());
  node.ended_at.reset();
  CHECK(make_bill(cloud_of(node, {{{0}, {1'000'000}}})).empty());
}

TEST_CASE("the bill equals the ledger's arithmetic and the schoolbook's, for random lives") {
  std::mt19937_64 random(20'261'124);
  const auto below = [&random](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  for (int i = 0; i < 2'000; ++i) {
    const Instant ready{1'790'000'000'000 + below(1'000'000)};
    const Instant ended = ready + Millis{below(i % 3 == 0 ? 5'000 : 90'000'000)};
    const BillingRule rule{Millis{1 + below(i % 2 == 0 ? 60'000 : 1'000)}, Millis{below(120'000)}};
    std::vector<PricePoint> prices = {{ready - Millis{below(1'000)}, {below(400'000'000)}}};
    for (std::int64_t k = below(6); k > 0; --k) {
      const Rate next{below(400'000'000'000)};
      if (next != prices.back().price) {
        prices.push_back({prices.back().at + Millis{1 + below(40'000'000)}, next});
      }
    }
    const NodeRecord node = node_with(ready, ended, rule);
    const auto bill = make_bill(cloud_of(node, prices));
    const auto charges = charge_life(ready, ended, rule, prices);
    REQUIRE(charges.ok());
    REQUIRE(bill.size() == charges.value().size());
    for (std::size_t k = 0; k < bill.size(); ++k) {
      const ChargePeriod& charge = charges.value()[k];
      CHECK(bill[k].from == charge.from);
      CHECK(bill[k].to == charge.to);
      CHECK(bill[k].rate == charge.rate);
      CHECK(bill[k].amount == charge.amount);
      CHECK(bill[k].amount.micros ==
            schoolbook(bill[k].rate.micros_per_hour, (bill[k].to - bill[k].from).count()));
    }
  }
}

}  // namespace gpubroker::local
