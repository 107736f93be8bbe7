#pragma once
#include <optional>

#include "core/ports/http.hpp"

namespace gpubroker {

/// "Tue, 24 Nov 2026 16:00:00 GMT", the one form that servers must send (RFC 9110, 5.6.7).
std::optional<Instant> parse_http_date(std::string_view text);
/// The same, written: RFC 7231 dates are signed by some clouds.
std::string format_http_date(Instant at);

/// What Retry-After asks for: seconds, or an HTTP date. Nothing when it is missing or cannot be read.
std::optional<Millis> retry_after(const Headers& headers, Instant now);

}  // namespace gpubroker
