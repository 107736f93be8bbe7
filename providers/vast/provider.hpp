#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::vast {

/// Instances at Vast.ai: containers on other people's hosts, at fixed prices and for bids, one per ask. Its
/// key is looked for at each call.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::vast
