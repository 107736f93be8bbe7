#pragma once
#include "core/ports/price_feed.hpp"

namespace gpubroker::crusoe {

/// Sets price and basis by the type's family and GPU count; a family that is not in the table is a quote.
void price_listing(Listing& listing);

/// The price page as of 2026-09-20 (learnt_at of all rows), for those without an account, in the region
/// "any".
Harvest price_table();

}  // namespace gpubroker::crusoe
