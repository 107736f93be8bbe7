#pragma once
// Fluidstack's Atlas as far as offers go: bytes to values. Source: fluidstackio/atlas-client-go, shared API
// notes, read 2026-11. For customers with a contract: there are no prices.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::fluidstack {

inline constexpr std::string_view kBase = "https://atlas.fluidstack.io/api/v1alpha1";

/// OAuth 2.0 client credentials for a token.
HttpRequest encode_token_request(const std::string& client_id, const Secret& client_secret);
Result<Secret> parse_token(const HttpResponse& answer, Instant now);

/// GET `path` ("/capacity") for a project; none for "/projects".
HttpRequest encode_get(std::string_view path, const Secret& token, const std::string& project);

struct Project {
  std::string id = {};
  std::string name = {};
};
Result<std::vector<Project>> parse_projects(std::string_view body);

/// Machines by type.
using Capacity = std::map<std::string, int>;
Result<Capacity> parse_capacity(std::string_view body, Harvest& harvest);

/// The types with GPUs and how many machines there are of each: quotes, market `contract`.
Result<Harvest> parse_types(std::string_view body, const Capacity& capacity, Instant now);

/// {"message"}.
Error parse_error(const HttpResponse& answer, std::string_view what, Instant now);

}  // namespace gpubroker::fluidstack
