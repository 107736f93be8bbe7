#pragma once
// Hyperstack's API v1 as far as prices go: bytes to values. Source: NexGenCloud/hyperstack-sdk-go's OpenAPI
// (2026-06-17), read 2026-11.
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::hyperstack {

inline constexpr std::string_view kBase = "https://infrahub-api.nexgencloud.com/v1";

/// GET `path` ("/core/flavors") with the key in its own header.
HttpRequest encode_get(const std::string& path, const Secret& key);

/// The price of one GPU by its name, of the rows in force now.
using PriceBook = std::map<std::string, Money>;
Result<PriceBook> parse_pricebook(std::string_view body, Instant now);

/// Machines free now: (region, GPU, GPUs per machine) -> count.
using Stocks = std::map<std::tuple<std::string, std::string, int>, int>;
Result<Stocks> parse_stocks(std::string_view body);

/// The flavors with GPUs, priced. A flavor whose GPU has no price becomes the remark "no price".
Result<Harvest> parse_flavors(std::string_view body, const PriceBook& prices, const Stocks& stocks,
                              Instant now);

/// What an answer of 400 and above says: {"status":false,"message","error_reason"}.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

}  // namespace gpubroker::hyperstack
