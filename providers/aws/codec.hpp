#pragma once
// AWS as far as prices go, but for the bulk price list (price_list.hpp) and credentials: bytes to values.
// Sources: AWS's service models (botocore 1.43), its documentation and recorded answers, read 2026-11.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::aws {

// --- What needs no credentials: undocumented, the pages of aws.amazon.com read them. ---

inline constexpr std::string_view kSpotFeedUrl = "https://website.spot.ec2.aws.a2z.com/spot.json";
inline constexpr std::string_view kSpotAdvisorUrl =
    "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json";

/// Spot prices in USD per region: an average over its zones. "N/A*" is none.
Result<Harvest> parse_spot_feed(std::string_view body, Instant now);

/// The share of spot machines taken back within the last month, per region and type.
Result<Harvest> parse_spot_advisor(std::string_view body);

// --- EC2's query protocol. ---

/// POST of a form to "https://ec2.us-east-1.amazonaws.com". All calls here only read, so that they may be
/// sent twice.
HttpRequest encode_form(const std::string& endpoint, const QueryPairs& form);

QueryPairs regions_call();
/// The regions that this account may use: those not opted into are left out.
Result<std::vector<std::string>> parse_regions(std::string_view body);

/// The price that holds now in each zone, of all accelerators that we know.
QueryPairs spot_history_call(Instant now);
struct SpotPrice {
  Listing listing = {};
  Instant since = {};
};
using SpotPrices = std::map<std::pair<std::string, std::string>, SpotPrice>;  // by type and zone
/// Adds a page; of two prices of a zone, the younger holds. The next page's token, empty at the end. Zones
/// are named as this account knows them; the id, which is the same for everybody, is in Availability::basis.
Result<std::string> parse_spot_history(std::string_view body, const std::string& region, Instant now,
                                       SpotPrices& prices, Harvest& remarks);

QueryPairs instance_types_call();
/// Types sold as Capacity Blocks become listings without a price (basis quote): what one costs is told by
/// offerings only. Remarks on accelerators that our table does not know, or knows otherwise. The next page's
/// token.
Result<std::string> parse_instance_types(std::string_view body, const std::string& region, Instant now,
                                         Harvest& harvest);

/// Which types are sold in which zones; `types` may hold "p5*".
QueryPairs offerings_call(const std::vector<std::string>& types);
/// Signals that say "sold here", which is not "free now". The next page's token.
Result<std::string> parse_offerings(std::string_view body, const std::string& region, Harvest& harvest);

/// Types that can take each other's place: a score of fewer than three types is always low.
std::vector<std::vector<std::string>> score_groups();
QueryPairs scores_call(const std::vector<std::string>& types);
Result<std::string> parse_scores(std::string_view body, const std::vector<std::string>& types,
                                 Harvest& harvest);

/// Types that are sold as Capacity Blocks, and the UltraServers.
std::vector<std::string> block_types();
std::vector<std::string> ultraserver_types();
inline constexpr std::string_view kUltraserverRegion = "us-east-1";  // in its Dallas local zone alone
QueryPairs blocks_call(const std::string& type, int hours);
QueryPairs ultraservers_call(const std::string& type, int hours);
/// Dated blocks: the fee is paid up front, whatever is used of it; the price here is per machine and hour of
/// it. The next page's token.
Result<std::string> parse_blocks(std::string_view body, const std::string& region, Instant now,
                                 Harvest& harvest);

// --- STS and errors. ---

struct CallerIdentity {
  std::string account = {};
  std::string arn = {};
};
QueryPairs caller_identity_call();
Result<CallerIdentity> parse_caller_identity(std::string_view body);

/// Kind and scope of an error by its code, where EC2 tells it inside a good answer.
void judge_ec2_code(Error& error, const std::string& code);
/// What an answer of 400 and above says, EC2's form or STS's; the code decides, not the text. `call` is
/// "us-east-1 DescribeRegions".
Error parse_error(const HttpResponse& answer, const std::string& call, Instant now);
/// The answer says that our clock is wrong or that the keys are: the clock is looked at first.
bool may_be_clock_skew(const Error& error);
/// The keys were good once.
bool is_expired_token(const Error& error);

}  // namespace gpubroker::aws
