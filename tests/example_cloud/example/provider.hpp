#pragma once
#include <memory>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::example {

/// Machines at the example cloud. Its key is in $EXAMPLE_API_KEY.
std::unique_ptr<Provider> make_provider(const CloudParts& parts);

}  // namespace gpubroker::example
