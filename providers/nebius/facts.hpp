#pragma once
#include "core/ports/price_feed.hpp"

namespace gpubroker::nebius {

/// The price page as of 2026-10-07 (learnt_at of all rows), for those without an account.
Harvest price_table();

}  // namespace gpubroker::nebius
