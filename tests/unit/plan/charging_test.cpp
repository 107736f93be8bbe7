#include "core/plan/charging.hpp"

#include <limits>
#include <random>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

__extension__ using Int128 = __int128;

constexpr BillingRule kExact{Millis{1}, Millis{0}};
constexpr BillingRule kMinute{Millis{1'000}, Millis{60'000}};

struct Piece {
  std::int64_t from, to, rate, micros;
  auto operator<=>(const Piece&) const = default;
};

std::vector<Piece> pieces_of(const Result<std::vector<ChargePeriod>>& charges) {
  std::vector<Piece> pieces;
  REQUIRE(charges.ok());
  for (const ChargePeriod& c : charges.value()) {
    pieces.push_back({c.from.ms, c.to.ms, c.rate.micros_per_hour, c.amount.micros});
  }
  return pieces;
}

constexpr std::int64_t kMicroPerMs = 3'600'000;  // the rate at which a millisecond costs a micro-dollar

}  // namespace

TEST_CASE("a life is cut where the price changes, and billed as its cloud bills") {
  struct Row {
    const char* what;
    std::int64_t from, end;
    BillingRule rule;
    std::vector<PricePoint> prices;
    std::vector<Piece> pieces;
  };
  const std::vector<Row> rows = {
      {"one price", 0, 3'600'000, kExact, {{{0}, {2'500'000}}}, {{0, 3'600'000, 2'500'000, 2'500'000}}},
      {"a price from before", 100, 200, kExact, {{{-50}, {kMicroPerMs}}}, {{100, 200, kMicroPerMs, 100}}},
      {"the change inside",
       0,
       100,
       kExact,
       {{{0}, {kMicroPerMs}}, {{40}, {2 * kMicroPerMs}}},
       {{0, 40, kMicroPerMs, 40}, {40, 100, 2 * kMicroPerMs, 120}}},
      {"three prices",
       10,
       40,
       kExact,
       {{{0}, {kMicroPerMs}}, {{20}, {0}}, {{30}, {kMicroPerMs}}},
       {{10, 20, kMicroPerMs, 10}, {20, 30, 0, 0}, {30, 40, kMicroPerMs, 10}}},
      {"the change at the first moment",
       10,
       20,
       kExact,
       {{{0}, {9}}, {{10}, {kMicroPerMs}}},
       {{10, 20, kMicroPerMs, 10}}},
      {"the change at the last moment",
       10,
       20,
       kExact,
       {{{0}, {kMicroPerMs}}, {{20}, {9}}},
       {{10, 20, kMicroPerMs, 10}}},
      {"changes before and after",
       10,
       20,
       kExact,
       {{{0}, {7}}, {{5}, {kMicroPerMs}}, {{30}, {9}}},
       {{10, 20, kMicroPerMs, 10}}},
      {"two changes at one moment: the later told",
       0,
       20,
       kExact,
       {{{0}, {kMicroPerMs}}, {{10}, {7}}, {{10}, {2 * kMicroPerMs}}},
       {{0, 10, kMicroPerMs, 10}, {10, 20, 2 * kMicroPerMs, 20}}},
      {"the unit",
       0,
       1'001,
       {Millis{1'000}, Millis{0}},
       {{{0}, {kMicroPerMs}}},
       {{0, 2'000, kMicroPerMs, 2'000}}},
      {"the minimum", 5, 1'005, kMinute, {{{0}, {kMicroPerMs}}}, {{5, 60'005, kMicroPerMs, 60'000}}},
      {"a change after the end but inside what is billed",
       0,
       500,
       {Millis{1'000}, Millis{0}},
       {{{0}, {kMicroPerMs}}, {{750}, {2 * kMicroPerMs}}},
       {{0, 750, kMicroPerMs, 750}, {750, 1'000, 2 * kMicroPerMs, 500}}},
      {"a change inside the minimum",
       0,
       0,
       kMinute,
       {{{0}, {kMicroPerMs}}, {{59'000}, {2 * kMicroPerMs}}},
       {{0, 59'000, kMicroPerMs, 59'000}, {59'000, 60'000, 2 * kMicroPerMs, 2'000}}},
      {"no time at all", 7, 7, kExact, {{{0}, {kMicroPerMs}}}, {}},
      {"a clock that was set back", 7, 3, kExact, {{{0}, {kMicroPerMs}}}, {}},
      {"a clock that was set back, with a minimum",
       7,
       3,
       kMinute,
       {{{0}, {kMicroPerMs}}},
       {{7, 60'007, kMicroPerMs, 60'000}}},
      {"free of charge", 0, 10, kExact, {{{0}, {0}}}, {{0, 10, 0, 0}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(pieces_of(charge_life({row.from}, {row.end}, row.rule, row.prices)) == row.pieces);
  }
}

TEST_CASE("each period is rounded once: the same price told twice is one period") {
  const std::int64_t half = kMicroPerMs / 2;  // a millisecond costs half a micro-dollar
  CHECK(pieces_of(charge_life({0}, {2}, kExact, {{{0}, {half}}, {{1}, {half}}})) ==
        std::vector<Piece>{{0, 2, half, 1}});  // not 1 + 1
  CHECK(pieces_of(
            charge_life({0}, {4}, kExact, {{{0}, {half}}, {{1}, {half}}, {{2}, {half}}, {{3}, {half}}})) ==
        std::vector<Piece>{{0, 4, half, 2}});
  // A price that goes and comes back is three periods, each rounded for itself.
  CHECK(pieces_of(charge_life({0}, {3}, kExact, {{{0}, {half}}, {{1}, {half - 1}}, {{2}, {half}}})) ==
        std::vector<Piece>{{0, 1, half, 1}, {1, 2, half - 1, 0}, {2, 3, half, 1}});
  // One that went and came back within no time did not change.
  CHECK(pieces_of(charge_life({0}, {2}, kExact, {{{0}, {half}}, {{1}, {7}}, {{1}, {half}}})) ==
        std::vector<Piece>{{0, 2, half, 1}});
}

TEST_CASE("a life whose first price is not known cannot be charged") {
  for (const std::vector<PricePoint>& prices :
       {std::vector<PricePoint>{}, std::vector<PricePoint>{{{1'001}, {5}}}}) {
    const auto charges = charge_life({1'000}, {2'000}, {}, prices);
    REQUIRE_FALSE(charges.ok());
    CHECK(charges.error().kind == ErrorKind::internal);
    CHECK(charges.error().message.find("1970-01-01T00:00:01Z") != std::string::npos);
  }
  CHECK(charge_life({1'000}, {2'000}, {}, {{{1'000}, {5}}}).ok());  // known from the very moment on
}

TEST_CASE("a charge that leaves 64 bits is an error, not a wrong sum") {
  const Rate most{std::numeric_limits<std::int64_t>::max()};
  const auto charges = charge_life({0}, {7'200'000}, kExact, {{{0}, {5}}, {{1}, most}});
  REQUIRE_FALSE(charges.ok());
  CHECK(charges.error().kind == ErrorKind::internal);
}

TEST_CASE(
    "random lives: pieces join without gap, and their sum is the bill kept millisecond by millisecond") {
  std::mt19937_64 random(7);
  const auto below = [&random](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  for (int round = 0; round < 3'000; ++round) {
    CAPTURE(round);
    const Instant from{1'790'000'000'000 + below(1'000)};
    const Instant end = from + Millis{below(300)};
    const BillingRule rule{Millis{1 + below(40)}, Millis{below(100)}};
    std::vector<PricePoint> prices = {{from - Millis{below(20)}, {below(5 * kMicroPerMs)}}};
    for (std::int64_t more = below(6); more > 0; --more) {
      prices.push_back({prices.back().at + Millis{below(90)},
                        {below(3) == 0 ? prices.back().price.micros_per_hour : below(5 * kMicroPerMs)}});
    }
    const auto charges = charge_life(from, end, rule, prices);
    REQUIRE(charges.ok());

    Instant at = from;
    for (const ChargePeriod& piece : charges.value()) {
      CHECK(piece.from == at);
      CHECK(piece.to > piece.from);
      at = piece.to;
      // The price of each millisecond is looked up anew: the last point at or before it.
      Int128 exact = 0;
      for (Instant ms = piece.from; ms < piece.to; ms = ms + Millis{1}) {
        Rate price;
        for (const PricePoint& point : prices) {
          if (point.at <= ms) { price = point.price; }
        }
        CHECK(price == piece.rate);
        exact += price.micros_per_hour;
      }
      CHECK(static_cast<Int128>(piece.amount.micros) ==
            (exact * 2 + kMicroPerMs) / (Int128{kMicroPerMs} * 2));
    }
    const std::int64_t billed = (at - from).count();
    const std::int64_t lived = (end - from).count();
    CHECK(billed >= lived);
    CHECK(billed >= rule.minimum.count());
    CHECK((billed == rule.minimum.count() ||
           (billed % rule.unit.count() == 0 && billed - lived < rule.unit.count())));
    for (std::size_t i = 1; i < charges.value().size(); ++i) {
      CHECK(charges.value()[i].rate != charges.value()[i - 1].rate);
    }
  }
}

}  // namespace gpubroker
