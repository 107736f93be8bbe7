#include "core/base/time.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kMillisPerDay = 86'400'000;

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"d", kMillisPerDay}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

// A century: longer durations are slips of the keyboard, and sums with today's date stay far from overflow.
constexpr std::int64_t kLongest = 36'500 * kMillisPerDay;

std::string padded(std::int64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  if (digits.size() < width) { digits.insert(0, width - digits.size(), '0'); }
  return digits;
}

/// A text that is read from the front. Once a piece did not fit, `good` is false and stays so.
struct Reader {
  std::string_view rest;
  bool good = true;

  void expect(char c) {
    good = good && !rest.empty() && rest.front() == c;
    if (good) { rest.remove_prefix(1); }
  }
  [[nodiscard]] bool next_is(std::string_view any_of) const {
    return good && !rest.empty() && any_of.find(rest.front()) != std::string_view::npos;
  }
  /// All digits in front.
  std::string_view digits() {
    const std::string_view found = rest.substr(0, rest.find_first_not_of("0123456789"));
    rest.remove_prefix(found.size());
    return found;
  }
  /// A number of exactly `width` digits, at most `max`.
  int number(std::size_t width, int max) {
    const std::string_view text = rest.substr(0, width);
    const bool plain = text.size() == width && text.find_first_not_of("0123456789") == std::string_view::npos;
    const std::int64_t value = plain ? parse_int(text).value_or(-1) : -1;
    good = good && value >= 0 && value <= max;
    if (!good) { return 0; }
    rest.remove_prefix(width);
    return static_cast<int>(value);
  }
};

std::int64_t read_time_of_day(Reader& in) {
  std::int64_t ms = in.number(2, 23) * std::int64_t{3'600'000};
  in.expect(':');
  ms += in.number(2, 59) * std::int64_t{60'000};
  in.expect(':');
  ms += in.number(2, 60) * std::int64_t{1'000};  // 60: a leap second is the first second of the next minute
  if (in.next_is(".")) {
    in.expect('.');
    std::string fraction(in.digits());
    in.good = in.good && !fraction.empty();
    fraction.resize(3, '0');  // what is finer than a millisecond is cut off
    ms += parse_int(fraction).value_or(0);
  }
  return ms;
}

std::int64_t read_offset(Reader& in) {
  if (in.next_is("Zz")) {
    in.rest.remove_prefix(1);
    return 0;
  }
  const int sign = in.next_is("-") ? -1 : 1;
  in.expect(sign < 0 ? '-' : '+');
  const int hours = in.number(2, 23);
  in.expect(':');
  const std::int64_t minutes = std::int64_t{hours} * 60 + in.number(2, 59);
  return sign * minutes * 60'000;
}

Error bad_duration(std::string_view text) {
  return {.kind = ErrorKind::invalid,
          .message = "'" + std::string(text) + "' is not a length of time",
          .hint = "write it like 1d2h, 36h, 1h30m, 25s or 500ms; at most 36500d"};
}

/// The place of the unit in kUnits, or its size.
std::size_t unit_index(std::string_view name) {
  std::size_t i = 0;
  while (i < kUnits.size() && kUnits.at(i).name != name) { ++i; }
  return i;
}

}  // namespace

std::string format_utc(Instant at) {
  using namespace std::chrono;  // NOLINT(google-build-using-namespace): calendar types, in this function
                                // alone.
  const sys_time<milliseconds> moment{milliseconds{at.ms}};
  const sys_days day = floor<days>(moment);
  const year_month_day date{day};
  const hh_mm_ss<milliseconds> time{moment - day};
  std::string out = padded(static_cast<int>(date.year()), 4) + "-" +
                    padded(static_cast<unsigned>(date.month()), 2) + "-" +
                    padded(static_cast<unsigned>(date.day()), 2) + "T" + padded(time.hours().count(), 2) +
                    ":" + padded(time.minutes().count(), 2) + ":" + padded(time.seconds().count(), 2);
  if (time.subseconds().count() != 0) { out += "." + padded(time.subseconds().count(), 3); }
  return out + "Z";
}

Result<Instant> parse_utc(std::string_view text) {
  Reader in{trim(text)};
  const int year = in.number(4, 9999);
  in.expect('-');
  const int month = in.number(2, 12);
  in.expect('-');
  const int day = in.number(2, 31);
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  std::int64_t ms = 0;
  if (!in.rest.empty()) {
    in.good = in.next_is("Tt ");
    if (in.good) { in.rest.remove_prefix(1); }
    ms = read_time_of_day(in);
    ms -= read_offset(in);
  }
  if (!in.good || !in.rest.empty() || !date.ok()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "'" + std::string(text) + "' is not a date or a moment",
                 .hint = "write it like 2026-11-24 or 2026-11-24T12:00:00Z"};
  }
  return Instant{std::chrono::sys_days{date}.time_since_epoch().count() * kMillisPerDay + ms};
}

Result<Millis> parse_duration(std::string_view text, std::string_view bare) {
  Reader in{trim(text)};
  std::int64_t total = 0;
  std::size_t next_unit = 0;  // units get smaller from left to right: "30m1h" and "1h1h" are slips
  do {
    const std::optional<std::int64_t> amount = parse_int(in.digits());
    std::string_view name = in.rest.substr(0, in.rest.find_first_of("0123456789"));
    in.rest.remove_prefix(name.size());
    if (name.empty() && next_unit == 0) { name = bare; }
    const std::size_t unit = unit_index(name);
    if (!amount || unit < next_unit || unit == kUnits.size()) { return bad_duration(text); }
    if (*amount > (kLongest - total) / kUnits.at(unit).ms) { return bad_duration(text); }
    total += *amount * kUnits.at(unit).ms;
    next_unit = unit + 1;
  } while (!in.rest.empty());
  return Millis{total};
}

std::string format_duration(Millis length) {
  // Negative lengths happen (a clock that was set back) and are shown as they are.
  std::int64_t rest = length.count() < 0
                          ? -std::max(length.count(), -std::numeric_limits<std::int64_t>::max())
                          : length.count();
  std::string out = length.count() < 0 ? "-" : "";
  int shown = 0;
  for (const Unit& unit : kUnits) {
    if (shown < 2 && rest >= unit.ms) {
      out += std::to_string(rest / unit.ms) + std::string(unit.name);
      ++shown;
    }
    rest %= unit.ms;
  }
  return shown == 0 ? "0s" : out;
}

}  // namespace gpubroker
