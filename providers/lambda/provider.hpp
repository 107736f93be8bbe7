#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::lambda {

/// Machines at Lambda Cloud: on demand, one per call. Its key is looked for at each call.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::lambda
