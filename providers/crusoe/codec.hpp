#pragma once
// Crusoe Cloud's API v1 as far as prices go: bytes to values. Source: crusoecloud/client-go and the terraform
// provider, shared API notes, read 2026-11. There is no price call: prices are in facts.hpp.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::crusoe {

inline constexpr std::string_view kEndpoint = "https://api.cloud.crusoe.ai/v1";

struct Keys {
  std::string id = {};
  Secret secret = {};  // base64url
};

/// What is signed: path, query, method and time, a line each.
std::string signed_text(std::string_view path, std::string_view query, std::string_view method,
                        std::string_view timestamp);
/// A signed GET of `path` ("/capacities") below `endpoint`. The query is sorted, spaces are '+'. Good for
/// minutes. Fails with `auth` when the secret is not base64url.
Result<HttpRequest> encode_get(const std::string& endpoint, std::string_view path, QueryPairs query,
                               const Keys& keys, Instant now);

/// A list's token for its next page, for "next_token"; empty: this is the last.
struct Project {
  std::string id = {};
  std::string name = {};
};
/// Reads a page into `projects`; the next page's token.
Result<std::string> parse_projects(std::string_view body, std::vector<Project>& projects);

/// Machines by (type, location).
using Capacities = std::map<std::pair<std::string, std::string>, int>;
/// Types that come twice in a location (by the slice) keep the larger count. Reads a page; the next page's
/// token.
Result<std::string> parse_capacities(std::string_view body, Capacities& capacities, Harvest& harvest);

/// The machine types with GPUs, as listings without place and availability, priced by the table. Reads a
/// page; the next page's token.
Result<std::string> parse_types(std::string_view body, Instant now, std::vector<Listing>& types,
                                Harvest& harvest);

/// Each type where there is, or was, one; "any" where no location is told.
void place_types(const std::vector<Listing>& types, const Capacities& capacities, Harvest& harvest);

/// {"code", "message"}.
Error parse_error(const HttpResponse& answer, std::string_view path, Instant now);

/// What a type's and a GPU's names tell: form, memory, architecture, fabric, NVLink.
void read_words(Listing& listing);

}  // namespace gpubroker::crusoe
