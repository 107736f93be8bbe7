#pragma once
// Vast.ai's search of offers: values to bytes and back. Source: vast-ai/docs OpenAPI (2026-08-07) and
// vast-cli (2026-08-06), read 2026-11.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::vast {

inline constexpr std::string_view kBase = "https://console.vast.ai/api";

inline constexpr std::int64_t kDiskGb = 200;  // in the price that is told; what is booked has as much

/// POST /api/v0/bundles/: verified machines that nobody has, at fixed prices or for bids. Needs no key.
/// `which`: the members of the query, in JSON, that say how many GPUs of what sort.
HttpRequest encode_search(Market market, std::string_view which = R"("num_gpus":{"gte":1})");

/// The offers. Prices are dollars per hour of the whole offer; sizes come in MB and GB, also as fractions.
Result<Harvest> parse_offers(std::string_view body, Market market, Instant now);

/// GET `path` ("/v0/ssh/") with the key.
HttpRequest encode_get(const std::string& path, const Secret& key);

/// What an answer of 400 and above says: {"success":false,"error","msg"}; 429 is plain text that names the
/// seconds to wait.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

}  // namespace gpubroker::vast
