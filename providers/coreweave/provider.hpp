#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::coreweave {

/// Bare metal boots for 20 to 30 minutes (docs.coreweave.com, products/cks/nodes/autoscaling, read 2026-11).
inline constexpr Millis kBootLimit = std::chrono::minutes{45};

/// Whole nodes of CoreWeave, on demand and spot, in the account's own Kubernetes clusters: a gang is one
/// NodePool with a pod on each node. Credentials are looked for at each call, the clusters once a minute.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::coreweave
