#pragma once
// Lambda Cloud's API v1 as far as prices go: bytes to values. Source: Lambda's OpenAPI 1.10.0, read 2026-11.
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::lambda {

inline constexpr std::string_view kBase = "https://cloud.lambda.ai/api/v1";

/// GET `path` ("/instance-types") with the key.
HttpRequest encode_get(std::string_view path, const Secret& key);

/// The prices and what is free now, of all regions. An empty list of regions is "sold out": such a type is a
/// listing in the region "any" with count 0. Prices are whole cents per instance and hour.
Result<Harvest> parse_instance_types(std::string_view body, Instant now);

/// What an answer of 400 and above says: {"error":{"code","message","suggestion"}}.
/// `call`: "GET /instances".
Error parse_error(const HttpResponse& answer, std::string_view call, Instant now);

/// The key in ~/.lambda_cloud/lambda_keys, a line "api_key = …". Empty: none there.
Secret parse_key_file(std::string_view text);

}  // namespace gpubroker::lambda
