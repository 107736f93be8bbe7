#pragma once
// SF Compute's market as far as prices go: bytes to values. Source: sfcompute/nodes-go, sfcompute/cli, shared
// API notes, read 2026-11. Nodes of eight GPUs are bought for a window of time, whose end is the node's end.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::sfcompute {

inline constexpr std::string_view kBase = "https://api.sfcompute.com";
inline constexpr int kGpusPerNode = 8;

struct Zone {
  std::string name = {};           // "richmond"
  std::string instance_type = {};  // "h100i": with InfiniBand, "h100v": without
  int nodes_now = 0;
};
/// The zones and what is free in them at `now`.
Result<std::vector<Zone>> parse_zones(std::string_view body, Instant now, Harvest& harvest);
std::vector<Signal> zone_signals(const std::vector<Zone>& zones);

/// A window that is asked for: the cheapest start within a day from the next full hour on.
struct Question {
  std::string instance_type = {};
  Millis length{0};
};
/// "/v0/quote?…" of one node.
std::string quote_path(const Question& question, Instant now);
/// Nothing when nobody sells such a window. The price is the whole window's, in cents.
Result<std::optional<Listing>> parse_quote(std::string_view body, const Question& question, Instant now);

/// A node of that type, without place, price and window.
Listing make_node(const std::string& instance_type);

/// {"error": {"type", "message"}}.
Error parse_error(const HttpResponse& answer, std::string_view path, Instant now);

/// "auth_token" of ~/.sfcompute/config, which is JSON. Empty: none there.
Secret parse_key_file(std::string_view text);

/// The market's average as of 2026-09-20 (learnt_at), for those without an account.
Harvest price_table();

}  // namespace gpubroker::sfcompute
