#pragma once
#include <memory>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/price_feed.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::aws {

/// The price list, the spot feed and the spot advisor: nobody needs to be anybody for them.
std::vector<std::unique_ptr<PriceFeed>> make_public_feeds();

/// What EC2 tells an account: spot prices by zone, what is sold where, placement scores, Capacity Blocks.
/// Borrows both.
std::vector<std::unique_ptr<PriceFeed>> make_account_feeds(Files& files, Processes& processes);

}  // namespace gpubroker::aws
