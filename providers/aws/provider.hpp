#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::aws {

/// EC2's machines: on demand, spot, and in Capacity Blocks that the account has bought. Its keys are found at
/// the first call, and again when they are refused.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::aws
