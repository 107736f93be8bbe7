#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::coreweave {

/// Whole nodes of CoreWeave, on demand and spot, in the account's own Kubernetes clusters: a gang is one
/// NodePool with a pod on each node. Credentials are looked for at each call, the clusters once a minute.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::coreweave
