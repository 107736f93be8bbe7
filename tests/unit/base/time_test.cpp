#include "core/base/time.hpp"

#include <array>
#include <ctime>
#include <random>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

constexpr std::int64_t kNoon = 1'795'521'600'000;        // 2026-11-24T12:00:00Z
constexpr std::int64_t kYear0 = -62'167'219'200'000;     // 0000-01-01T00:00:00Z
constexpr std::int64_t kYearsEnd = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

/// What the C library says, without milliseconds.
std::string by_libc(std::int64_t ms) {
  const std::time_t seconds = ms / 1'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

TEST_CASE("instants add up") {
  const Instant at{5'000};
  CHECK((at + Millis{250}).ms == 5'250);
  CHECK((at - Millis{6'000}).ms == -1'000);
  CHECK(Instant{7'000} - at == Millis{2'000});
  CHECK(at < Instant{5'001});
}

TEST_CASE("moments are shown in UTC, milliseconds only when there are any") {
  const std::vector<std::pair<std::int64_t, std::string>> rows = {{0, "1970-01-01T00:00:00Z"},
                                                                  {-1, "1969-12-31T23:59:59.999Z"},
                                                                  {kNoon, "2026-11-24T12:00:00Z"},
                                                                  {kNoon + 7, "2026-11-24T12:00:00.007Z"},
                                                                  {951'782'400'000, "2000-02-29T00:00:00Z"},
                                                                  {kYear0, "0000-01-01T00:00:00Z"},
                                                                  {kYearsEnd, "9999-12-31T23:59:59.999Z"}};
  for (const auto& [ms, text] : rows) { CHECK(format_utc({ms}) == text); }
}

TEST_CASE("moments and dates are read in every form of RFC 3339") {
  const std::vector<std::pair<std::string_view, std::int64_t>> rows = {
      {"2026-11-24T12:00:00Z", kNoon},
      {"2026-11-24t12:00:00z", kNoon},
      {"2026-11-24 12:00:00Z", kNoon},
      {" 2026-11-24T12:00:00Z\n", kNoon},
      {"2026-11-24T12:00:00.5Z", kNoon + 500},
      {"2026-11-24T12:00:00.123456789Z", kNoon + 123},  // finer than we keep: cut off
      {"2026-11-24T12:00:00.9999Z", kNoon + 999},
      {"2026-11-24T13:00:00+01:00", kNoon},
      {"2026-11-24T06:30:00-05:30", kNoon},
      {"2026-11-25T02:00:00+14:00", kNoon},
      {"2026-11-24T12:00:00-00:00", kNoon},
      {"2026-11-24", kNoon - 43'200'000},
      {"2024-02-29", 1'709'164'800'000},
      {"1970-01-01T00:00:00+00:01", -60'000},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000},  // a leap second is the first second of the next minute
      {"2017-01-01T05:29:60+05:30", 1'483'228'800'000},
      {"0000-01-01", kYear0},
      {"9999-12-31T23:59:59.999Z", kYearsEnd},
  };
  for (const auto& row : rows) {
    const auto& [text, ms] = row;
    CAPTURE(row.first);
    const Result<Instant> at = parse_utc(text);
    REQUIRE(at.ok());
    CHECK(at.value().ms == ms);
  }
}

TEST_CASE("what is no moment is invalid, and the message shows it") {
  for (const char* text : {"",
                           "now",
                           "2026",
                           "2026-11",
                           "2026-11-24T",
                           "2026-11-24T12:00:00",
                           "2026-11-24T12:00Z",
                           "2026-11-24T12:00:00.Z",
                           "2026-11-24T12:00:00+01",
                           "2026-11-24T12:00:00+0100",
                           "2026-11-24T12:00:00 Z",
                           "2026-11-24T24:00:00Z",
                           "2026-11-24T12:60:00Z",
                           "2026-11-24T12:00:61Z",
                           "2026-11-24T12:00:00+24:00",
                           "2026-11-24T12:00:00+00:60",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-11-31",
                           "2026-11-00",
                           "2026-02-29",
                           "1900-02-29",
                           "2100-02-29",
                           "26-11-24",
                           "2026-1-24",
                           "2026/11/24",
                           "-2026-11-24",
                           "+2026-11-24",
                           "2026-11-24x",
                           "20261124",
                           "2026-11-24T12:00:00ZZ",
                           "1795521600"}) {
    CAPTURE(text);
    const Result<Instant> at = parse_utc(text);
    REQUIRE_FALSE(at.ok());
    CHECK(at.error().kind == ErrorKind::invalid);
    CHECK(at.error().message == "'" + std::string(text) + "' is not a date or a moment");
    CHECK_FALSE(at.error().hint.empty());
  }
}

TEST_CASE("every moment of ten thousand years is read back as it was shown, and libc agrees") {
  std::mt19937_64 random(3);
  std::uniform_int_distribution<std::int64_t> any(kYear0, kYearsEnd);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t ms = any(random);
    const Result<Instant> back = parse_utc(format_utc({ms}));
    REQUIRE(back.ok());
    CHECK(back.value().ms == ms);
    // libc writes years before 1000 with fewer digits.
    const std::int64_t whole = (ms < 0 ? -ms : ms) / 1'000 * 1'000;
    CHECK(format_utc({whole}) == by_libc(whole));
  }
}

TEST_CASE("lengths of time are read as people write them") {
  struct Row {
    std::string_view text, bare;
    std::int64_t ms;
  };
  const std::vector<Row> rows = {{"1d2h", "", 93'600'000},
                                 {"36h", "", 129'600'000},
                                 {"30m", "", 1'800'000},
                                 {"1h30m", "", 5'400'000},
                                 {"25s", "", 25'000},
                                 {"500ms", "", 500},
                                 {"1d2h3m4s5ms", "", 93'784'005},
                                 {"1m1ms", "", 60'001},
                                 {" 25s ", "", 25'000},
                                 {"0s", "", 0},
                                 {"90m", "", 5'400'000},
                                 {"15", "m", 900'000},
                                 {"15", "s", 15'000},
                                 {"0", "ms", 0},
                                 {"2h", "m", 7'200'000},  // a unit that is written wins
                                 {"36500d", "", 3'153'600'000'000}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Result<Millis> length = parse_duration(row.text, row.bare);
    REQUIRE(length.ok());
    CHECK(length.value().count() == row.ms);
  }
}

TEST_CASE("what is no length of time is invalid, and the message shows it") {
  const std::vector<std::pair<std::string, std::string>> rows = {{"", ""},
                                                                 {"", "s"},
                                                                 {"15", ""},
                                                                 {"h", ""},
                                                                 {"1x", ""},
                                                                 {"-5s", ""},
                                                                 {"+5s", ""},
                                                                 {"1.5h", ""},
                                                                 {"30m1h", ""},
                                                                 {"1h1h", ""},
                                                                 {"1h30", "m"},
                                                                 {"1h 30m", ""},
                                                                 {"1H", ""},
                                                                 {"1 h", ""},
                                                                 {"36501d", ""},
                                                                 {"1w", ""},
                                                                 {"5", "week"},
                                                                 {"1ms1s", ""},
                                                                 {"36500d1ms", ""},
                                                                 {"99999999999999999999s", ""},
                                                                 {"9223372036854775807h", ""}};
  for (const auto& row : rows) {
    const auto& [text, bare] = row;
    CAPTURE(row.first);
    const Result<Millis> length = parse_duration(text, bare);
    REQUIRE_FALSE(length.ok());
    CHECK(length.error().kind == ErrorKind::invalid);
    CHECK(length.error().message == "'" + text + "' is not a length of time");
  }
}

TEST_CASE("lengths of time are shown by their two largest units") {
  const std::vector<std::pair<std::int64_t, std::string>> rows = {
      {0, "0s"},
      {350, "350ms"},
      {25'000, "25s"},
      {25'350, "25s350ms"},
      {5'400'000, "1h30m"},
      {187'200'000, "2d4h"},
      {93'784'005, "1d2h"},
      {86'400'000 + 300'000, "1d5m"},
      {-90'000, "-1m30s"},
      {std::numeric_limits<std::int64_t>::min(), "-106751991167d7h"},
      {std::numeric_limits<std::int64_t>::max(), "106751991167d7h"}};
  for (const auto& [ms, text] : rows) { CHECK(format_duration(Millis{ms}) == text); }
}

TEST_CASE("a length of two units or one is read back as it was shown") {
  std::mt19937_64 random(4);
  const std::array<std::int64_t, 5> units = {86'400'000, 3'600'000, 60'000, 1'000, 1};
  const std::array<std::int64_t, 5> most = {30'000, 23, 59, 59, 999};
  for (int i = 0; i < 5'000; ++i) {
    const std::size_t a = random() % 5;
    const std::size_t b = random() % 5;
    std::int64_t ms =
        units.at(a) * static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most.at(a)));
    if (a != b) {
      ms += units.at(b) * static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most.at(b)));
    }
    const Result<Millis> back = parse_duration(format_duration(Millis{ms}));
    REQUIRE(back.ok());
    CHECK(back.value().count() == ms);
  }
}

}  // namespace gpubroker
