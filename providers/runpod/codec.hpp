#pragma once
// RunPod's REST v2 catalog and its GraphQL gpuTypes: bytes to values. Source: runpod/docs (v2 OpenAPI,
// 2026-08-20) and runpodctl (2026-07-23), read 2026-11. REST v1 was retired on 2026-11-15.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker {
class AnswerValue;
}

namespace gpubroker::runpod {

inline constexpr std::string_view kRest = "https://api.runpod.io/v2";
inline constexpr std::string_view kGraphql = "https://api.runpod.io/graphql";

/// Whose machines: data centers of RunPod's partners, or anybody's.
enum class Ownership : std::uint8_t { secure, community };

/// GET `path` ("/pods") with the key.
HttpRequest encode_get(const std::string& path, const Secret& key);

/// The catalog's path for machines of `count` GPUs.
std::string catalog_path(int count, Ownership ownership);

/// What the catalog answered for that count and ownership. Prices are dollars per GPU and hour; the
/// availability is of machines with `count` GPUs. A type that names no data center is in the region "any".
Result<Harvest> parse_catalog(std::string_view body, int count, Ownership ownership, Instant now);

/// The keyless question for all GPU types, in all counts.
HttpRequest encode_gpu_types();

/// On-demand, spot and cluster prices, in the region "any". GraphQL's errors come with status 200.
Result<Harvest> parse_gpu_types(std::string_view body, Instant now);

/// What one of GraphQL's errors says: {"message","extensions":{"code"}}. maybe_applied when RunPod broke
/// down.
Error graphql_error(const AnswerValue& first);

/// What a REST answer of 400 and above says: {"title","status","detail","errors"}. `action`: "GET /pods".
Error parse_error(const HttpResponse& answer, const std::string& action, Instant now);

/// The key in ~/.runpod/config.toml, a line apikey = "…". Empty: none there.
Secret parse_key_file(std::string_view text);

}  // namespace gpubroker::runpod
