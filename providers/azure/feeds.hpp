#pragma once
#include <memory>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/price_feed.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::azure {

/// The price list, for everybody; sizes with quotas, and spot scores, for a subscription. Borrows both.
std::vector<std::unique_ptr<PriceFeed>> make_feeds(Files& files, Processes& processes);

}  // namespace gpubroker::azure
