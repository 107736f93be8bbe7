#pragma once
#include "core/wire/api_key.hpp"

namespace gpubroker::vast {

inline constexpr const char* kNeeds = "an API key in $VAST_API_KEY or ~/.config/vastai/vast_api_key";

inline FoundKey find_vast_key(Files& files, Processes& processes) {
  return find_key(
      files, processes,
      {.variables = {"VAST_API_KEY"},
       .files = {{".config/vastai/vast_api_key", whole_file_key}, {".vast_api_key", whole_file_key}}});
}

}  // namespace gpubroker::vast
