#pragma once
#include <memory>

#include "core/ports/cloud.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::coreweave {

/// Borrows both.
std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes);

}  // namespace gpubroker::coreweave
