#pragma once
#include <string>

#include "core/base/error.hpp"

namespace gpubroker {

/// The system's words for an errno.
std::string errno_text(int number);

/// The Error for an errno after `deed` ("cannot write") on `path`, with the system's words.
Error system_error(int number, const std::string& deed, const std::string& path);

}  // namespace gpubroker
