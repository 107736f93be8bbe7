#pragma once
// Google Cloud's answers as far as prices, places and quotas go: bytes to values. Sources: the discovery
// documents of cloudbilling, compute and cloudquotas v1, compute.proto, and dated answers of others, read
// 2026-11. JSON rules: int64 come as texts, an absent field is its default.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/wire/url.hpp"
#include "providers/gcp/machine_prices.hpp"

namespace gpubroker::gcp {

inline constexpr std::string_view kBillingUrl = "https://cloudbilling.googleapis.com/v1";
inline constexpr std::string_view kComputeUrl = "https://compute.googleapis.com/compute/v1";
inline constexpr std::string_view kQuotasUrl = "https://cloudquotas.googleapis.com/v1";
inline constexpr std::string_view kResourceManagerUrl = "https://cloudresourcemanager.googleapis.com/v1";
inline constexpr std::string_view kComputeService = "6F81-5844-456A";

/// What an answer of 400 and above says, in any of Google's forms:
/// {"error":{"code","message","status"|"errors"}},
/// {"error":"invalid_grant","error_description"}, or a proxy's page. `what`: "GET aggregated/machineTypes".
Error parse_error(const HttpResponse& answer, const std::string& what, Instant now);

// --- cloudbilling: services/…/skus ---

/// One page: the prices of parts go into `prices`, what is left out becomes remarks; gives the next page's
/// token, empty at the end. `count` grows by the SKUs read.
Result<std::string> parse_skus(std::string_view body, PartPrices& prices, std::size_t& count,
                               Harvest& harvest);

// --- compute: zones, machineTypes, acceleratorTypes, regions ---

/// Zone to region. Never by cutting letters off: us-central1-ai1a is a zone of us-central1.
using Zones = std::map<std::string, std::string>;
Result<std::string> parse_zones(std::string_view body, Zones& zones);

/// The machine types with accelerators, by zone; deprecated ones and empty scopes left out. A machine that
/// facts.hpp has in another size is a remark.
using SoldIn = std::map<std::string, std::vector<std::string>>;  // zone to names
Result<std::string> parse_machine_types(std::string_view body, SoldIn& sold, Harvest& harvest);
/// The accelerators that can be attached, by zone.
Result<std::string> parse_accelerator_types(std::string_view body, SoldIn& sold);

/// What is sold where, as signals that say nothing of stock: presence in these lists is no capacity.
void add_sold_signals(const Zones& zones, const SoldIn& machine_types, const SoldIn& accelerators,
                      Harvest& harvest);

// --- quotas ---

struct QuotaName {
  std::string region = {};
  std::string accelerator = {};
  bool preemptible = false;
  auto operator<=>(const QuotaName&) const = default;
};
struct Quota {
  std::int64_t limit = 0;  // GPUs; -1: none
  std::int64_t used = 0;   // as far as it is told
};
using Quotas = std::map<QuotaName, Quota>;

/// compute regions: has no on-demand quota of H100 and later.
Result<std::string> parse_region_quotas(std::string_view body, Quotas& quotas);
/// Cloud Quotas' quotaInfos; what is there already stays, since that has the usage.
Result<std::string> parse_quota_infos(std::string_view body, Quotas& quotas);
/// compute projects.get: GPUS_ALL_REGIONS, all GPUs on demand together. Nothing: not told.
Result<std::optional<Quota>> parse_project_quota(std::string_view body);
/// Machines that could still be started, by region, type and market.
void add_quota_signals(const Quotas& quotas, const std::optional<Quota>& all_regions, Harvest& harvest);

// --- calendar advice ---

/// The machine types that calendar blocks are sold of.
const std::vector<std::string>& calendar_types();
/// The body of advice/calendarMode: one machine for a week, from the first start that is accepted (87 hours
/// ahead) to the last that is shown (60 days).
std::string calendar_question(const std::string& type, Instant now);
/// A listing of each recommended block, basis `quote` (the advice tells no price; gcp/skus has it by region),
/// and signals of the zones that have none.
Status parse_calendar_advice(std::string_view body, const std::string& type, const std::string& region,
                             Instant now, Harvest& harvest);

// --- who may do what ---

/// The body of projects:testIamPermissions.
std::string permissions_question(const std::vector<std::string>& permissions);
/// Those that are granted.
Result<std::vector<std::string>> parse_permissions(std::string_view body);

}  // namespace gpubroker::gcp
