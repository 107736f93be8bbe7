#pragma once
// Brev's public list of instance types: bytes to values. Source: brevdev/brev-cli (2026-07-01,
// pkg/cmd/gpusearch), read 2026-11.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/ports/price_feed.hpp"

namespace gpubroker::brev {

HttpRequest encode_types();

/// Types with GPUs at their places. Prices are decimal texts in dollars per machine and hour; another
/// currency, and a type with several kinds of GPU, become remarks.
Result<Harvest> parse_types(std::string_view body, Instant now);

/// "80GiB", "1.5 TiB", "256GB": MiB, rounded. Nothing when it is none of these.
std::optional<std::int64_t> parse_size_mib(std::string_view text);

}  // namespace gpubroker::brev
