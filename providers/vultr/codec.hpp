#pragma once
// Vultr's API v2 as far as prices go: bytes to values. Source: vultr/govultr (2026-07-20) and dstack's
// adapter, read 2026-11.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/cloud.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::vultr {

inline constexpr std::string_view kBase = "https://api.vultr.com/v2";

enum class Plans : std::uint8_t { cloud, metal };

/// GET of one page of plans; no key. An empty cursor is the first page.
HttpRequest encode_plans(Plans plans, const std::string& cursor);

struct PlansPage {
  Harvest harvest = {};
  std::string next = {};  // the next cursor; empty: this was the last page
};
/// Plans with GPUs where they can be ordered now. Prices are dollars per machine and hour, memory is in MB.
Result<PlansPage> parse_plans(std::string_view body, Plans plans, Instant now);

/// GET /account with the key; who it is, and whether the key may order machines.
HttpRequest encode_account(const Secret& key);
Status parse_account(std::string_view body, AccessReport& report);

/// What an answer of 400 and above says: {"error","status"}.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

}  // namespace gpubroker::vultr
