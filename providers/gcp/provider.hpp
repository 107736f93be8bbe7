#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::gcp {

/// Machines at Compute Engine: on demand, spot, flex-start, and out of reservations; a gang is one call.
/// Credentials and the project are looked for at the first call.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::gcp
