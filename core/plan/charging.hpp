#pragma once
#include <vector>

#include "core/base/money.hpp"
#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// A period at one rate.
struct ChargePeriod {
  Instant from = {};
  Instant to = {};
  Rate rate = {};
  Money amount = {};  // cost(rate, to - from)
};

/// The charges of a machine's life [from, end): the billed end is from + billed_length(rule, end - from); the
/// life is cut where the price changes and each piece is rounded once. `prices` is ascending; its first point
/// is at or before `from`. Fails with `internal` when it is not, or on overflow.
Result<std::vector<ChargePeriod>> charge_life(Instant from, Instant end, BillingRule rule,
                                              const std::vector<PricePoint>& prices);

}  // namespace gpubroker
