#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::azure {

/// Machines at Azure: on demand, spot, and out of capacity reservations; a resource group per gang. The login
/// is looked for at the first call, and again after it was refused.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::azure
