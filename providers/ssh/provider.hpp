#pragma once
#include <memory>
#include <string>

#include "core/ports/cloud_machine.hpp"

namespace gpubroker::ssh {

/// The machines that the user owns, as `home`/machines.yaml lists them (README.md); it is read at each call.
/// `home`: gpubroker's own folder. Errors name the machine; an `invalid` list names file, line and field.
std::unique_ptr<Provider> make_provider(const CloudParts& parts, const std::string& home);

}  // namespace gpubroker::ssh
