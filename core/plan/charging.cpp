#include "core/plan/charging.hpp"

#include <algorithm>

namespace gpubroker {

Result<std::vector<ChargePeriod>> charge_life(Instant from, Instant end, BillingRule rule,
                                              const std::vector<PricePoint>& prices) {
  const Instant billed_end = from + billed_length(rule, end - from);
  if (prices.empty() || prices.front().at > from) {
    return Error{.kind = ErrorKind::internal,
                 .message = "no price is known for the beginning of a machine's life at " + format_utc(from)};
  }
  std::vector<ChargePeriod> periods;
  for (std::size_t i = 0; i < prices.size(); ++i) {
    const Instant start = std::max(from, prices[i].at);
    const Instant stop = i + 1 < prices.size() ? std::min(billed_end, prices[i + 1].at) : billed_end;
    if (stop <= start) { continue; }
    if (!periods.empty() && periods.back().rate == prices[i].price) {
      periods.back().to = stop;  // the same price told twice is one period, so that it is rounded once
      continue;
    }
    periods.push_back({.from = start, .to = stop, .rate = prices[i].price, .amount = {}});
  }
  for (ChargePeriod& period : periods) { TRY(period.amount, cost(period.rate, period.to - period.from)); }
  return periods;
}

}  // namespace gpubroker
