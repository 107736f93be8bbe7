#pragma once
#include "core/ports/price_feed.hpp"

namespace gpubroker::aws {

/// Adds rows and remarks of one part of a visit to the whole.
void add_harvest(Harvest part, Harvest& whole);

}  // namespace gpubroker::aws
