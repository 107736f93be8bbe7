#pragma once
// Together AI's GPU clusters as far as offers go: bytes to values. Source: togethercomputer/openapi
// (2026-04-28), shared API notes, read 2026-11. There is no price and no stock call: facts.hpp has prices.
#include <string>
#include <string_view>

#include "core/ports/price_feed.hpp"

namespace gpubroker::together {

inline constexpr std::string_view kBase = "https://api.together.ai/v1";

/// Which types each region supports, as listings of nodes of eight GPUs, priced by the table.
Result<Harvest> parse_regions(std::string_view body);

/// {"error": {"message", "type", "param", "code"}}.
Error parse_error(const HttpResponse& answer, std::string_view path, Instant now);

}  // namespace gpubroker::together
