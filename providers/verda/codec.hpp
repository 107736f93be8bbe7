#pragma once
// Verda's API v1 as far as prices go: bytes to values. Source: verda-cloud/sdk-python (2026-04-17) and
// dstack's adapter, read 2026-11. The alias api.datacrunch.io answers alike.
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::verda {

inline constexpr std::string_view kBase = "https://api.verda.com/v1";

struct ClientId {
  std::string id = {};
  Secret secret = {};
};

/// POST /oauth2/token with the client's credentials.
HttpRequest encode_token(const ClientId& client);
/// The access token; good for `expires_in` seconds, longer than a visit.
Result<Secret> parse_token(std::string_view body);

/// GET `path` with the token.
HttpRequest encode_get(const std::string& path, const Secret& token);

/// Which types a site has now, of one market: location -> types.
using Stock = std::map<std::string, std::set<std::string>>;
Result<Stock> parse_availability(std::string_view body);

/// The types at their prices, where `on_demand` and `spot` say that there are some. Prices are decimal texts
/// per machine and hour; a type without a spot price has none.
Result<Harvest> parse_types(std::string_view body, const Stock& on_demand, const Stock& spot, Instant now);

/// What an answer of 400 and above says: {"code","message"}.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

/// ~/.verda/config.json: {"client_id","client_secret"}. Empty: not there.
ClientId parse_config(std::string_view text);

}  // namespace gpubroker::verda
