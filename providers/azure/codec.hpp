#pragma once
// Azure's APIs as far as prices, sizes, quotas and placement scores go: bytes to values. Sources: shared API
// notes (schemas of @azure/arm-compute 24.1.0, the live price list as others have shown it), read 2026-11.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::azure {

inline constexpr std::string_view kPrices = "prices.azure.com";
inline constexpr std::string_view kArm = "management.azure.com";

/// One page of a list, and the URL of the next; empty at the end.
template <class Row>
struct Page {
  std::vector<Row> rows = {};
  std::string next = {};
};

/// A link in an answer, to be followed with our token: only to the same host by https. They come with ":443",
/// and with blanks and quotes as they are. `internal` when it leads elsewhere.
Result<std::string> parse_link(std::string_view link, std::string_view host);

// --- the price list (codec_prices.cpp) ---

/// GET of the first page of a region: accelerated families, no reservations. Beginnings, not substrings:
/// contains 'B200' is GB200 too.
HttpRequest encode_prices(std::string_view region);

class PriceRow;

/// The prices of one region, page by page. Only what an hour of a whole machine with Linux costs becomes a
/// listing: see codec_prices.cpp for each other kind of row.
class RegionPrices {
 public:
  RegionPrices(std::string_view region, Instant now) : region_(region), now_(now) {}
  /// Takes a page in; gives the next page's URL, empty at the end.
  Result<std::string> take_page(std::string_view body);
  /// The listings, by size and market, and what was left out.
  Harvest finish() &&;

 private:
  struct Price {
    Rate rate = {};
    Instant since = {};
  };
  void take_row(const PriceRow& row);
  void take_price(const std::string& size, Market market, Price price);

  std::string region_;
  Instant now_;
  std::set<std::string> seen_ = {};
  std::map<std::pair<std::string, Market>, Price> prices_ = {};
  Harvest harvest_ = {};
};

// --- sizes, quotas, scores (codec_compute.cpp) ---

/// A size with GPUs as a subscription sees it in one place.
struct Sku {
  std::string size = {};  // as in our table where it is known
  std::string family = {};
  int vcpus = 0;
  bool has_spot = false;
  std::string refused = {};                               // why it may not be had here at all; empty: it may
  std::vector<std::string> zones = {};                    // where it is offered, those refused left out
  std::map<std::string, std::string> refused_zones = {};  // zone -> why
};

/// How many vCPUs a subscription may have and has in one place.
struct Usage {
  std::string name = {};  // in lower case: they come in any
  std::int64_t used = 0;
  std::int64_t limit = 0;
};

std::string skus_url(std::string_view subscription, std::string_view region);
Result<Page<Sku>> parse_skus(std::string_view body, std::string_view region, Harvest& told);

std::string usages_url(std::string_view subscription, std::string_view region);
Result<Page<Usage>> parse_usages(std::string_view body, Harvest& told);

/// How many machines of each size the quotas still leave room for: on demand by family and region, spot by
/// the one pool of all families. 0 where the subscription may not have the size at all.
std::vector<Signal> quota_signals(std::string_view region, const std::vector<Sku>& skus,
                                  const std::vector<Usage>& usages, Harvest& told);

inline constexpr std::size_t kMostScoredRegions = 8;
inline constexpr std::size_t kMostScoredSizes = 5;
/// POST; at most so many regions and sizes as above, one machine each.
HttpRequest encode_scores(std::string_view subscription, const std::vector<std::string>& regions,
                          const std::vector<std::string>& sizes);
/// High, Medium, Low as levels 3, 2, 1; anything else is a remark. Advice, no promise.
Result<std::vector<Signal>> parse_scores(std::string_view body, Harvest& told);

// --- ARM (codec_arm.cpp) ---

HttpRequest encode_get(std::string_view url);
/// What an answer of 400 and above says, in both of ARM's shapes.
Error parse_error(const HttpResponse& answer, std::string_view what, Instant now);

/// The claims that a 401 asks a new token for, as JSON; empty: it asks for none.
std::string claims_challenge(const HttpResponse& answer);

struct Subscription {
  std::string id = {};
  std::string name = {};
  std::string state = {};   // "Enabled", "Warned", "Disabled" …
  std::string tenant = {};  // empty where it is not told
  bool is_default = false;  // in az's profile
};
std::string subscriptions_url();
std::string subscription_url(std::string_view subscription);
Result<Subscription> parse_subscription(std::string_view body);
Result<Page<Subscription>> parse_subscriptions(std::string_view body);

std::string locations_url(std::string_view subscription);
/// The regions where machines stand; "europe" and the like are left out, and canaries.
Result<std::vector<std::string>> parse_locations(std::string_view body);

/// What one role allows: actions with wildcards, less those in `denied`.
struct Grant {
  std::vector<std::string> allowed = {};
  std::vector<std::string> denied = {};
};
std::string permissions_url(std::string_view subscription);
Result<Page<Grant>> parse_permissions(std::string_view body);
/// Whether one of the roles allows "Microsoft.Compute/skus/read".
bool allows(const std::vector<Grant>& grants, std::string_view action);

// --- logins (codec_login.cpp) ---

struct Token {
  Secret value = {};
  Instant expires = {};
};

/// Who asks Entra for a token: with a secret, or with a signed assertion of somebody whom the tenant trusts.
struct ClientLogin {
  std::string authority = {};  // "https://login.microsoftonline.com"
  std::string tenant = {};
  std::string client = {};
  Secret secret = {};
  Secret assertion = {};
  std::string claims = {};  // of a challenge
};
HttpRequest encode_login(const ClientLogin& login);
Result<Token> parse_token(std::string_view body, Instant now);
/// {"error","error_description":"AADSTS7000215: …\r\nTrace ID…"}: the code is the AADSTS number.
Error parse_login_error(const HttpResponse& answer, Instant now);

/// GET of the metadata service of an Azure machine. Numbers in its answer are texts.
HttpRequest encode_managed_identity(std::string_view client);
/// GET of a GitHub Actions job's own token.
HttpRequest encode_github_token(std::string_view url, const Secret& bearer);
Result<Secret> parse_github_token(std::string_view body);
/// What `az account get-access-token` prints. "expiresOn" is local time without zone: the token itself, or
/// "expires_on", tells better.
Result<Token> parse_az_token(std::string_view text, Instant now);
/// The subscriptions in az's azureProfile.json, which begins with a byte order mark.
Result<std::vector<Subscription>> parse_profile(std::string_view text);

/// What a token says of its owner; not verified, only shown. Empty where it says nothing.
struct TokenFacts {
  std::string user = {};
  std::string app = {};
  std::string object = {};
  std::string issuer = {};
  std::string subject = {};
  Instant expires = {};
};
TokenFacts read_token(const Secret& token);

}  // namespace gpubroker::azure
