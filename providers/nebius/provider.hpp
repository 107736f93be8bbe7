#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::nebius {

/// Machines at Nebius: on demand and preemptible, one per call, gangs of whole machines in a GPU cluster.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::nebius
