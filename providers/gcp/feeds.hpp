#pragma once
#include <memory>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/price_feed.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::gcp {

/// Prices, what is sold where, quotas, calendar blocks, and what is sold on request alone. Borrows both.
std::vector<std::unique_ptr<PriceFeed>> make_feeds(Files& files, Processes& processes);

}  // namespace gpubroker::gcp
