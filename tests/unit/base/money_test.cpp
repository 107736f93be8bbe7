#include "core/base/money.hpp"

#include <limits>
#include <random>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

__extension__ using Int128 = __int128;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE("sums are exact, or fail when they leave 64 bits") {
  struct Row {
    std::int64_t a, b;
    std::optional<std::int64_t> sum;
  };
  const std::vector<Row> rows = {{1, 2, 3},      {-5, 3, -2},      {kMost, 0, kMost},    {kMost, kLeast, -1},
                                 {kMost, 1, {}}, {kLeast, -1, {}}, {kLeast, kLeast, {}}, {kMost, kMost, {}}};
  for (const Row& row : rows) {
    const Result<Money> sum = add({row.a}, {row.b});
    REQUIRE(sum.ok() == row.sum.has_value());
    if (sum.ok()) {
      CHECK(sum.value().micros == *row.sum);
    } else {
      CHECK(sum.error().kind == ErrorKind::internal);
    }
  }
}

TEST_CASE("rate times time is rounded once, halves away from zero") {
  struct Row {
    std::int64_t rate, ms, micros;
  };
  const std::vector<Row> rows = {
      {2'500'000, 3'600'000, 2'500'000},  // an hour
      {2'500'000, 1'800'000, 1'250'000},
      {3'600'000, 1, 1},
      {1'800'000, 1, 1},    // exactly a half
      {1'799'999, 1, 0},    // just below
      {5'400'000, 1, 2},    // one and a half
      {-1'800'000, 1, -1},  // a credit: away from zero too
      {-1'799'999, 1, 0},
      {1'800'000, -1, -1},
      {0, kMost, 0},
      {kMost, 0, 0},
      {kMost, 3'600'000, kMost},
      {kLeast, 3'600'000, kLeast},
      {3'600'000, kMost, kMost},
      {98'320'000, 31'536'000'000, 861'283'200'000},  // p5.48xlarge for a year
  };
  for (const Row& row : rows) {
    CAPTURE(row.rate);
    CAPTURE(row.ms);
    const Result<Money> amount = cost({row.rate}, Millis{row.ms});
    REQUIRE(amount.ok());
    CHECK(amount.value().micros == row.micros);
  }
}

TEST_CASE("a cost that leaves 64 bits fails instead of wrapping") {
  for (const auto& [rate, ms] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {kMost, 3'600'001}, {kLeast, 3'600'001}, {kMost, kMost}, {kLeast, kLeast}}) {
    const Result<Money> amount = cost({rate}, Millis{ms});
    REQUIRE_FALSE(amount.ok());
    CHECK(amount.error().kind == ErrorKind::internal);
  }
}

TEST_CASE("a cost is the nearest micro-dollar for random rates and lengths") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto rate = static_cast<std::int64_t>(random() % 2'000'000'000'000) - 1'000'000'000'000;
    const auto ms = static_cast<std::int64_t>(random() % 100'000'000'000) >> (i % 30);
    const Result<Money> amount = cost({rate}, Millis{ms});
    REQUIRE(amount.ok());
    // Off by at most half a micro-dollar; and by exactly half only away from zero.
    const Int128 exact = static_cast<Int128>(rate) * ms;
    const Int128 off = static_cast<Int128>(amount.value().micros) * 3'600'000 - exact;
    const bool away = exact >= 0 ? off > 0 : off < 0;
    const Int128 distance = off < 0 ? -off : off;
    CHECK((distance < 1'800'000 || (distance == 1'800'000 && away)));
  }
}

TEST_CASE("money is shown with at least two decimals and none that say nothing") {
  const std::vector<std::pair<std::int64_t, std::string>> rows = {{0, "0.00"},
                                                                  {12'345'678, "12.345678"},
                                                                  {12'340'000, "12.34"},
                                                                  {12'300'000, "12.30"},
                                                                  {123, "0.000123"},
                                                                  {-1'000'000, "-1.00"},
                                                                  {-1, "-0.000001"},
                                                                  {100, "0.0001"},
                                                                  {kMost, "9223372036854.775807"},
                                                                  {kLeast, "-9223372036854.775808"}};
  for (const auto& [micros, text] : rows) { CHECK(format_money({micros}) == text); }
}

TEST_CASE("money is read as people write it") {
  const std::vector<std::pair<std::string_view, std::int64_t>> rows = {{"4000", 4'000'000'000},
                                                                       {"4000 USD", 4'000'000'000},
                                                                       {"4000usd", 4'000'000'000},
                                                                       {"$12.5", 12'500'000},
                                                                       {"$ 12.5", 12'500'000},
                                                                       {" 2.80 ", 2'800'000},
                                                                       {"0.000001", 1},
                                                                       {"-1.5", -1'500'000},
                                                                       {"-$1.5", -1'500'000},
                                                                       {"$-1.5", -1'500'000},
                                                                       {"007", 7'000'000},
                                                                       {"0", 0},
                                                                       {"-0", 0}};
  for (const auto& row : rows) {
    const auto& [text, micros] = row;
    CAPTURE(row.first);
    const Result<Money> amount = parse_money(text);
    REQUIRE(amount.ok());
    CHECK(amount.value().micros == micros);
  }
}

TEST_CASE("what is no amount of dollars is invalid, and the message shows it") {
  for (const char* text : {"",
                           " ",
                           "$",
                           "USD",
                           "-",
                           "1.",
                           ".5",
                           "1.2345678",
                           "1,000",
                           "1e3",
                           "--1",
                           "-$-1",
                           "$$1",
                           "1 2",
                           "1.-5",
                           "+1",
                           "12 EUR",
                           "0x1",
                           "inf",
                           "nan",
                           "9223372036855",
                           "9223372036854.775808",
                           "1.5.2",
                           "12USDUSD"}) {
    CAPTURE(text);
    const Result<Money> amount = parse_money(text);
    REQUIRE_FALSE(amount.ok());
    CHECK(amount.error().kind == ErrorKind::invalid);
    CHECK(amount.error().message == "'" + std::string(text) + "' is not an amount of US dollars");
    CHECK_FALSE(amount.error().hint.empty());
  }
}

TEST_CASE("every amount is read back as it was shown") {
  std::mt19937_64 random(2);
  std::vector<std::int64_t> amounts = {0, 1, -1, kMost, kLeast};
  for (int i = 0; i < 20'000; ++i) { amounts.push_back(static_cast<std::int64_t>(random()) >> (i % 63)); }
  for (const std::int64_t micros : amounts) {
    const Result<Money> back = parse_money(format_money({micros}));
    REQUIRE(back.ok());
    CHECK(back.value().micros == micros);
  }
}

TEST_CASE("billed time is rounded up to the unit and never less than the minimum") {
  struct Row {
    BillingRule rule;
    std::int64_t length, billed;
  };
  const std::vector<Row> rows = {
      {{}, 0, 0},
      {{}, 1, 1'000},
      {{}, 1'000, 1'000},
      {{}, 1'001, 2'000},
      {{}, -5, 0},                                   // a clock that was set back
      {{Millis{1'000}, Millis{60'000}}, 0, 60'000},  // a machine that lived for no time at all
      {{Millis{1'000}, Millis{60'000}}, -5, 60'000},
      {{Millis{1'000}, Millis{60'000}}, 60'000, 60'000},
      {{Millis{1'000}, Millis{60'000}}, 60'001, 61'000},
      {{Millis{3'600'000}, Millis{0}}, 1, 3'600'000},  // by the hour
      {{Millis{3'600'000}, Millis{0}}, 3'600'001, 7'200'000},
      {{Millis{1}, Millis{0}}, 12'345, 12'345},
      {{Millis{0}, Millis{0}}, 12'345, 12'345},       // a unit that cannot be is none
      {{Millis{60'000}, Millis{90'000}}, 1, 90'000},  // a minimum need not be whole units
  };
  for (const Row& row : rows) {
    CAPTURE(row.length);
    CHECK(billed_length(row.rule, Millis{row.length}).count() == row.billed);
  }
}

}  // namespace gpubroker
