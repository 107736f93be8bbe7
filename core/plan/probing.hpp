#pragma once
// What may be asked of several clouds at once while a gang is looked for. Bookings go one after the other: a
// gang must never be had twice, and no cloud lets a booking be tried free of charge (EC2's DryRun knows
// permissions and nothing of stock; a regional bulkInsert and a PUT are the booking itself). What is free is
// the question what they have.
#include <string>
#include <vector>

#include "core/plan/ranking.hpp"

namespace gpubroker {

/// So many clouds are asked side by side.
inline constexpr std::size_t kMostProbed = 4;
/// What a cloud has told within this time is not asked for again.
inline constexpr Millis kFreshStock = std::chrono::seconds{60};

/// After a refusal for want of capacity, what was known of stock is not to be trusted: the clouds of the next
/// candidates whose offers are older than kFreshStock, best candidate first, at most kMostProbed. Empty when
/// no such refusal is younger than kFreshStock. Pure and total.
std::vector<std::string> clouds_to_ask(const std::vector<Offer>& offers, const GangNeed& need,
                                       const std::vector<Refusal>& refusals, Instant now);

}  // namespace gpubroker
