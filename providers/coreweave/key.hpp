#pragma once
#include "core/wire/api_key.hpp"

namespace gpubroker::coreweave {

inline constexpr const char* kNeeds = "an API token in $COREWEAVE_API_TOKEN";

inline FoundKey find_token(Files& files, Processes& processes) {
  return find_key(files, processes, {.variables = {"COREWEAVE_API_TOKEN", "CW_TOKEN"}});
}

}  // namespace gpubroker::coreweave
