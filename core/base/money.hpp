#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// US dollars, exact to a millionth. Never a double.
struct Money {
  std::int64_t micros = 0;
  auto operator<=>(const Money&) const = default;
};

/// A price for time: micro-dollars per hour of one machine (not per GPU).
struct Rate {
  std::int64_t micros_per_hour = 0;
  auto operator<=>(const Rate&) const = default;
};

/// Sums fail with `internal` when they leave int64 (9.2 trillion dollars).
Result<Money> add(Money a, Money b);

/// rate x length, exact in 128 bits, rounded once to the nearest micro-dollar, halves away from zero.
/// Fails with `internal` on overflow.
Result<Money> cost(Rate rate, Millis length);

/// "12.345678" without trailing zeros but at least two decimals: "12.34", "0.000123", "-1.00". The form used
/// in JSON.
std::string format_money(Money amount);

/// "4000", "4000 USD", "$12.5", "2.80". At most six decimals. Fails with `invalid`; negative amounts are
/// read, the caller refuses them where they make no sense.
Result<Money> parse_money(std::string_view text);

/// An amount as clouds write it, in dollars: any number of decimals ("113.9328000000"), rounded to the
/// nearest micro-dollar, halves away from zero; also with an exponent ("1.5e-05"). Nothing when it is no
/// number, or too large.
std::optional<Money> round_money(std::string_view decimal);

/// `rate` times `count`, or nothing when it leaves int64.
std::optional<Rate> times(Rate rate, std::int64_t count);

/// How a cloud turns a machine's life into billed time: rounded up to `unit`, never less than `minimum`.
struct BillingRule {
  Millis unit{1'000};
  Millis minimum{0};
  auto operator<=>(const BillingRule&) const = default;
};

/// The billed length of a life of `length` under `rule`. A negative length counts as zero.
Millis billed_length(BillingRule rule, Millis length);

}  // namespace gpubroker
