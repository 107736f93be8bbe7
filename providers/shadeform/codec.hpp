#pragma once
// Shadeform's API v1 as far as prices go: bytes to values. Source: the client that brevdev/cloud generated
// from its OpenAPI (2026-08-20) and Shadeform's Terraform provider, read 2026-11.
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::shadeform {

inline constexpr std::string_view kBase = "https://api.shadeform.ai/v1";

/// GET `path` ("/instances/types") with the key in X-API-KEY.
HttpRequest encode_get(const std::string& path, const Secret& key);

/// Types of all clouds with the regions that have them; a type in no region is a listing in "any" with level
/// 0. Prices are cents per machine and hour.
Result<Harvest> parse_types(std::string_view body, Instant now);

/// What an answer of 400 and above says: {"error_code","error"}.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

}  // namespace gpubroker::shadeform
