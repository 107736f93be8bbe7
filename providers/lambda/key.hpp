#pragma once
#include "core/wire/api_key.hpp"
#include "providers/lambda/codec.hpp"

namespace gpubroker::lambda {

inline constexpr const char* kNeeds = "an API key in $LAMBDA_API_KEY or ~/.lambda_cloud/lambda_keys";

inline FoundKey find_lambda_key(Files& files, Processes& processes) {
  return find_key(
      files, processes,
      {.variables = {"LAMBDA_API_KEY"}, .files = {{".lambda_cloud/lambda_keys", parse_key_file}}});
}

}  // namespace gpubroker::lambda
