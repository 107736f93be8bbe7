#pragma once
// DigitalOcean's API v2 as far as prices go: bytes to values. Source: digitalocean/openapi (2026-08-07) and a
// published answer of /v2/sizes of 2026-10-08, read 2026-11.
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::digitalocean {

inline constexpr std::string_view kBase = "https://api.digitalocean.com/v2";

/// GET `url`, which begins with kBase, with the token.
HttpRequest encode_get(const std::string& url, const Secret& token);

struct SizesPage {
  Harvest harvest = {};
  std::string next = {};  // the next page's URL; empty: this is the last
};
/// GPU sizes in the regions that this account may order them in. Prices are dollars per droplet and hour,
/// memory is in MiB; the memory of gpu_info is of all GPUs together. A next page elsewhere than below kBase
/// is refused.
Result<SizesPage> parse_sizes(std::string_view body, Instant now);

/// The account's e-mail.
Result<std::string> parse_account(std::string_view body);

/// What an answer of 400 and above says: {"id","message","request_id"}.
Error parse_error(const HttpResponse& answer, const std::string& path, Instant now);

/// The token in doctl's config.yaml: of the context in use, or access-token. Empty: none there.
Secret parse_doctl(std::string_view text);

}  // namespace gpubroker::digitalocean
