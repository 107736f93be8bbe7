#pragma once
// Voltage Park's public locations: bytes to values. Source: Voltage Park's OpenAPI and an answer observed on
// 2026-08-12, read 2026-11.
#include <string_view>

#include "core/ports/price_feed.hpp"

namespace gpubroker::voltagepark {

HttpRequest encode_locations();

/// A listing for each location and fabric. Prices are decimal texts in dollars per GPU and hour, counts are
/// of GPUs; both become those of machines. More pages than the first become a remark.
Result<Harvest> parse_locations(std::string_view body, Instant now);

}  // namespace gpubroker::voltagepark
