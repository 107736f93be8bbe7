#pragma once
#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace gpubroker {

using Millis = std::chrono::milliseconds;

/// A point in UTC, in milliseconds since 1970-01-01T00:00:00Z. The only form of a date in this project.
struct Instant {
  std::int64_t ms = 0;
  auto operator<=>(const Instant&) const = default;
};

constexpr Instant operator+(Instant at, Millis by) {
  return {at.ms + by.count()};
}
constexpr Instant operator-(Instant at, Millis by) {
  return {at.ms - by.count()};
}
constexpr Millis operator-(Instant a, Instant b) {
  return Millis{a.ms - b.ms};
}

/// "2026-11-24T12:00:00.123Z" (milliseconds left out when zero). Never fails for years 0 to 9999.
std::string format_utc(Instant at);

/// Reads RFC 3339 with any offset, and plain dates ("2026-11-24", midnight UTC). Fails with `invalid`.
Result<Instant> parse_utc(std::string_view text);

/// "1d2h", "36h", "30m", "1h30m", "25s", "500ms"; a bare number means `bare` ("s", "m", ... or "" to refuse
/// it). Never negative. Fails with `invalid`, naming the text.
Result<Millis> parse_duration(std::string_view text, std::string_view bare = "");

/// The two largest units that are not zero: "1h30m", "25s", "2d4h", "0s", "350ms".
std::string format_duration(Millis length);

}  // namespace gpubroker
