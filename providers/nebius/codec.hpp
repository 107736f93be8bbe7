#pragma once
// Nebius AI Cloud's gRPC API as far as prices go: bytes to values. Field numbers are written where they are
// used. Source: nebius/api (protobuf files of 2026-08-19) and shared API notes, read 2026-11.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker::nebius {

inline constexpr std::string_view kDomain = "api.nebius.cloud";

/// A call: the service's host below the domain, and the method's full name.
struct Method {
  std::string_view host;
  std::string_view name;
};
inline constexpr Method kListTenants{"cpl.iam", "nebius.iam.v1.TenantService/List"};
inline constexpr Method kListProjects{"cpl.iam", "nebius.iam.v1.ProjectService/List"};
inline constexpr Method kGetProfile{"cpl.iam", "nebius.iam.v1.ProfileService/Get"};
inline constexpr Method kListPlatforms{"compute", "nebius.compute.v1.PlatformService/List"};
inline constexpr Method kListAdvice{"capacity-advisor.billing-cpl",
                                    "nebius.capacity.v1.ResourceAdviceService/List"};
inline constexpr Method kListQuotas{"quota-dispatcher.billing-cpl",
                                    "nebius.quotas.v1.QuotaAllowanceService/List"};
inline constexpr Method kEstimate{"api.calculator.billing-data-plane",
                                  "nebius.billing.v1alpha1.CalculatorService/Estimate"};

/// A question: asked again when no answer comes.
HttpRequest encode_call(std::string_view domain, const Method& method, std::string_view message,
                        const Secret& token);
/// A change. With an idempotency key (a UUID: the same key is the same operation) it books, and who sent it
/// decides about the next try; without one it is an end, and is sent again as a question is.
HttpRequest encode_change(std::string_view domain, const Method& method, std::string_view message,
                          const Secret& token, const std::string& idempotency_key);
/// A google.rpc.Status that is not OK: of an operation that failed. Its details say what is exceeded, by how
/// much.
Error read_status(const std::string& status, const std::string& source);
/// "nebius InstanceService/Create".
std::string source_of(const Method& method);
/// The answer's message, or what its status and details say.
Result<std::string> parse_call(const HttpResponse& answer, const Method& method, Instant now);

/// A page of a list. `next` is the token of the following page; empty: this is the last.
template <class T>
struct Page {
  std::vector<T> items = {};
  std::string next = {};
};

std::string encode_list_tenants(const std::string& page);
/// Ids.
Result<Page<std::string>> parse_tenants(std::string_view message);

/// A project lives in one region.
struct Project {
  std::string id = {};
  std::string region = {};
  bool operator==(const Project&) const = default;
};
/// A page of what a project holds, for nearly all services: {parent_id1 page_size2 page_token3}.
std::string encode_list_in(const std::string& parent, const std::string& page, std::uint64_t page_size = 100);
std::string encode_list_projects(const std::string& tenant, const std::string& page);
Result<Page<Project>> parse_projects(std::string_view message);

/// Who the token belongs to: an e-mail, a service account. Empty: nobody (anonymous).
Result<std::string> parse_profile(std::string_view message);

/// A machine type with GPUs.
struct Preset {
  std::string platform = {};  // "gpu-h100-sxm"
  std::string name = {};      // "8gpu-128vcpu-1600gb"
  std::string words = {};     // "NVIDIA® H100 NVLink with Intel Sapphire Rapids"
  std::string quota = {};     // "compute.instance.gpu.h100": counts GPUs
  int vcpus = 0;
  int memory_gib = 0;
  int gpus = 0;
  int gpu_memory_gb = 0;
  bool joins_fabric = false;  // InfiniBand: all eight GPUs of a machine, or a part of an NVL72 rack
  bool preemptible = false;
  bool operator==(const Preset&) const = default;
};
/// "gpu-h100-sxm_8gpu-128vcpu-1600gb".
std::string instance_type_of(std::string_view platform, std::string_view preset);

std::string encode_list_platforms(const std::string& project, const std::string& page);
/// Presets without GPUs are left out; one that cannot be read is told in `harvest`.
Result<Page<Preset>> parse_platforms(std::string_view message, Harvest& harvest);

std::string encode_estimate(const std::string& project, const Preset& preset, Market market);
/// The machine's price: dollars per hour as a decimal text, of the part `total`. Without a disk, for none was
/// asked for.
Result<Rate> parse_estimate(std::string_view message);

/// Of a rate of zero: sold on request.
Listing make_listing(const Preset& preset, const std::string& region, Market market, Rate rate, Instant now);

/// What can be had of a preset in one fabric, by market.
struct Advice {
  std::string region = {};
  std::string fabric = {};
  std::string instance_type = {};
  Market market = Market::on_demand;
  Availability availability = {};
  bool operator==(const Advice&) const = default;
};
std::string encode_list_advice(const std::string& tenant, const std::string& page);
/// Counts are machines, clipped by the quota: where the quota is what is used up, it is a quota of zero and
/// says nothing of the stock. Counts that the cloud itself calls stale or unknown are told and left out.
Result<Page<Advice>> parse_advice(std::string_view message, Harvest& harvest);
/// One signal per region, type and market: the fabric that has most, for a gang must fit into one.
std::vector<Signal> best_fabrics(const std::vector<Advice>& advice);

/// GPUs that may still be used.
struct Quota {
  std::string name = {};
  std::string region = {};
  std::int64_t left = 0;
  bool operator==(const Quota&) const = default;
};
std::string encode_list_quotas(const std::string& tenant, const std::string& page);
/// Frozen and deleted ones are left out, and those whose use is unknown.
Result<Page<Quota>> parse_quotas(std::string_view message, Harvest& harvest);
/// Machines on demand that the quotas leave in the region; presets whose quota is not listed give nothing.
std::vector<Signal> quota_signals(const std::vector<Preset>& presets, const std::string& region,
                                  const std::vector<Quota>& quotas);

}  // namespace gpubroker::nebius
