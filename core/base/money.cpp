#include "core/base/money.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

__extension__ using Int128 = __int128;

constexpr std::int64_t kMicrosPerDollar = 1'000'000;
constexpr std::size_t kDecimals = 6;
constexpr std::int64_t kMillisPerHour = 3'600'000;

Error too_large() {
  return {.kind = ErrorKind::internal, .message = "an amount of money left the range of 64 bits"};
}

Error not_money(std::string_view text) {
  return {.kind = ErrorKind::invalid,
          .message = "'" + std::string(text) + "' is not an amount of US dollars",
          .hint = "write it like 4000, 2.80, $12.5 or 4000 USD, with at most six decimals"};
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Removes `mark` in front of `text`, and the space after it.
bool take_front(std::string_view& text, char mark) {
  if (text.empty() || text.front() != mark) { return false; }
  text = trim(text.substr(1));
  return true;
}

}  // namespace

Result<Money> add(Money a, Money b) {
  Money sum;
  if (__builtin_add_overflow(a.micros, b.micros, &sum.micros)) { return too_large(); }
  return sum;
}

Result<Money> cost(Rate rate, Millis length) {
  const Int128 product = static_cast<Int128>(rate.micros_per_hour) * length.count();
  const Int128 half = product < 0 ? -(kMillisPerHour / 2) : kMillisPerHour / 2;
  const Int128 micros = (product + half) / kMillisPerHour;  // division truncates, so halves go away from zero
  if (micros > std::numeric_limits<std::int64_t>::max() ||
      micros < std::numeric_limits<std::int64_t>::min()) {
    return too_large();
  }
  return Money{static_cast<std::int64_t>(micros)};
}

std::string format_money(Money amount) {
  // The magnitude is unsigned because the smallest int64 has no positive twin.
  const auto bits = static_cast<std::uint64_t>(amount.micros);
  const std::uint64_t magnitude = amount.micros < 0 ? std::uint64_t{0} - bits : bits;
  std::array<char, 24> text{};  // "-9223372036854.775808"
  char* at = text.data();
  if (amount.micros < 0) { *at++ = '-'; }
  at = std::to_chars(at, text.data() + text.size(), magnitude / kMicrosPerDollar).ptr;
  *at++ = '.';
  std::uint64_t decimals = magnitude % kMicrosPerDollar;
  std::size_t digits = kDecimals;
  for (; digits > 2 && decimals % 10 == 0; --digits) { decimals /= 10; }
  for (std::size_t i = digits; i-- > 0; decimals /= 10) { at[i] = static_cast<char>('0' + decimals % 10); }
  return {text.data(), at + digits};
}

Result<Money> parse_money(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.size() >= 3 && lower(rest.substr(rest.size() - 3)) == "usd") {
    rest = trim(rest.substr(0, rest.size() - 3));
  }
  bool negative = take_front(rest, '-');
  if (take_front(rest, '$') && !negative) { negative = take_front(rest, '-'); }

  const std::size_t point = rest.find('.');
  const std::string_view whole = rest.substr(0, point);
  std::string decimals(point == std::string_view::npos ? "0" : rest.substr(point + 1));
  if (!is_digits(whole) || !is_digits(decimals) || decimals.size() > kDecimals) { return not_money(text); }
  decimals.append(kDecimals - decimals.size(), '0');

  // As one number of micro-dollars with its sign, so that the whole range of int64 can be read back.
  const std::optional<std::int64_t> micros = parse_int((negative ? "-" : "") + std::string(whole) + decimals);
  if (!micros) { return not_money(text); }
  return Money{*micros};
}

std::optional<Money> round_money(std::string_view decimal) {
  constexpr std::int64_t kMostExponent = 40;
  std::string_view rest = trim(decimal);
  const bool negative = take_front(rest, '-');
  std::int64_t exponent = 0;
  if (const std::size_t e = rest.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = rest.substr(e + 1);
    take_front(power, '+');
    const std::optional<std::int64_t> parsed = parse_int(power);
    if (!parsed || *parsed > kMostExponent || *parsed < -kMostExponent) { return std::nullopt; }
    exponent = *parsed;
    rest = rest.substr(0, e);
  }
  const std::size_t point = rest.find('.');
  const std::string_view whole = rest.substr(0, point);
  const std::string_view decimals = point == std::string_view::npos ? "" : rest.substr(point + 1);
  if (!is_digits(whole) || (point != std::string_view::npos && !is_digits(decimals))) { return std::nullopt; }

  // The digits with the point moved to where micro-dollars end.
  std::string digits(whole);
  digits.append(decimals);
  const std::int64_t wanted =
      static_cast<std::int64_t>(whole.size()) + exponent + static_cast<std::int64_t>(kDecimals);
  if (wanted < 0) { return Money{0}; }
  const auto keep = static_cast<std::size_t>(wanted);
  const bool up = keep < digits.size() && digits[keep] >= '5';
  digits.resize(keep, '0');
  const std::optional<std::int64_t> micros = parse_int(digits.empty() ? "0" : digits);
  if (!micros || *micros == std::numeric_limits<std::int64_t>::max()) { return std::nullopt; }
  const std::int64_t rounded = *micros + (up ? 1 : 0);
  return Money{negative ? -rounded : rounded};
}

std::optional<Rate> times(Rate rate, std::int64_t count) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(rate.micros_per_hour, count, &product)) { return std::nullopt; }
  return Rate{product};
}

Millis billed_length(BillingRule rule, Millis length) {
  const Millis real = std::max(length, Millis{0});
  const Millis unit = std::max(rule.unit, Millis{1});
  const Millis over = real % unit;
  const Millis rounded = over == Millis{0} ? real : real + (unit - over);
  return std::max(rounded, rule.minimum);
}

}  // namespace gpubroker
