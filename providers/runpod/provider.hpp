#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::runpod {

/// Pods at RunPod: containers, on demand and spot, one per call. Its key is looked for at each call.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::runpod
