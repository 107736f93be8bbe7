#pragma once
#include "core/wire/api_key.hpp"
#include "providers/runpod/codec.hpp"

namespace gpubroker::runpod {

inline constexpr const char* kNeeds = "an API key in $RUNPOD_API_KEY or ~/.runpod/config.toml";

inline FoundKey find_runpod_key(Files& files, Processes& processes) {
  return find_key(files, processes,
                  {.variables = {"RUNPOD_API_KEY"}, .files = {{".runpod/config.toml", parse_key_file}}});
}

}  // namespace gpubroker::runpod
