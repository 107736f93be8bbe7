#include <algorithm>
#include <limits>
#include <optional>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/facts.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::string_view kFamilyQuota = "GPUS-PER-GPU-FAMILY-per-project-region";
constexpr std::int64_t kUnlimited = -1;

bool take(std::string& text, std::string_view prefix, std::string_view suffix) {
  if (text.size() < prefix.size() + suffix.size() || text.rfind(prefix, 0) != 0) { return false; }
  if (text.compare(text.size() - suffix.size(), suffix.size(), suffix) != 0) { return false; }
  text = text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
  return true;
}

/// PREEMPTIBLE_NVIDIA_H100_GPUS; empty accelerator: of no GPU that is rented in machines (commitments,
/// workstations).
QuotaName read_metric(std::string metric) {
  QuotaName name;
  name.preemptible = take(metric, "PREEMPTIBLE_", "");
  if (take(metric, "NVIDIA_", "_GPUS")) { name.accelerator = std::string(accelerator_of_quota(metric)); }
  return name;
}

/// PREEMPTIBLE-NVIDIA-B200-GPUS-per-project-region.
QuotaName read_quota_id(std::string id) {
  if (!take(id, "", "-per-project-region")) { return {}; }
  std::replace(id.begin(), id.end(), '-', '_');
  return read_metric(id);
}

struct Told {
  QuotaName name;
  std::int64_t limit;
};

/// One entry of dimensionsInfos. Without a region it is the default of all its locations.
void read_dimensions(const AnswerValue& info, const QuotaName& quota, std::vector<Told>& defaults,
                     std::vector<Told>& exact) {
  QuotaName name = quota;
  std::string region;
  if (const auto dimensions = info.find("dimensions")) {
    region = dimensions->text_or("region");
    std::string family = dimensions->text_or("gpu_family");
    if (name.accelerator.empty() && take(family, "NVIDIA_", "")) {
      name.accelerator = std::string(accelerator_of_quota(family));
    }
  }
  if (name.accelerator.empty()) { return; }
  const auto details = info.find("details");
  const std::int64_t limit = details ? details->whole_or<std::int64_t>("value", 0) : 0;
  if (!region.empty()) {
    name.region = region;
    exact.push_back({name, limit});
    return;
  }
  if (const auto locations = info.find("applicableLocations")) {
    for (const AnswerValue& location : locations->list()) {
      name.region = location.text();
      defaults.push_back({name, limit});
    }
  }
}

std::int64_t left(const Quota& quota) {
  if (quota.limit == kUnlimited) { return std::numeric_limits<std::int32_t>::max(); }
  return std::max<std::int64_t>(quota.limit - quota.used, 0);
}

std::string describe(const QuotaName& name, const Quota& quota) {
  std::string text = name.preemptible ? "preemptible quota of " : "quota of ";
  if (quota.limit == kUnlimited) { return text + "any number of GPUs"; }
  text += std::to_string(quota.limit) + " GPUs";
  if (quota.used > 0) { text += ", " + std::to_string(quota.used) + " used"; }
  return text;
}

}  // namespace

Result<std::string> parse_region_quotas(std::string_view body, Quotas& quotas) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    const auto regions = root.find("items");
    for (const AnswerValue& region : regions ? regions->list() : std::vector<AnswerValue>()) {
      const auto list = region.find("quotas");
      for (const AnswerValue& quota : list ? list->list() : std::vector<AnswerValue>()) {
        QuotaName name = read_metric(quota.text_or("metric"));
        if (name.accelerator.empty()) { continue; }
        name.region = region.at("name").text();
        // Doubles on the wire: 16.0.
        const auto limit = quota.find("limit");
        const auto used = quota.find("usage");
        quotas[name] = {.limit = limit ? limit->rounded() : 0, .used = used ? used->rounded() : 0};
      }
    }
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_quota_infos(std::string_view body, Quotas& quotas) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    const auto infos = root.find("quotaInfos");
    std::vector<Told> defaults;
    std::vector<Told> exact;
    for (const AnswerValue& info : infos ? infos->list() : std::vector<AnswerValue>()) {
      const std::string id = info.text_or("quotaId");
      const QuotaName name = read_quota_id(id);
      const auto dimensions = info.find("dimensionsInfos");
      if (!dimensions || (name.accelerator.empty() && id != kFamilyQuota)) { continue; }
      for (const AnswerValue& entry : dimensions->list()) { read_dimensions(entry, name, defaults, exact); }
    }
    for (const std::vector<Told>& list : {exact, defaults}) {
      for (const Told& told : list) { quotas.try_emplace(told.name, Quota{.limit = told.limit}); }
    }
    return root.text_or("nextPageToken");
  });
}

Result<std::optional<Quota>> parse_project_quota(std::string_view body) {
  return read_answer(body, "gcp", [](const AnswerValue& root) -> Result<std::optional<Quota>> {
    const auto list = root.find("quotas");
    for (const AnswerValue& quota : list ? list->list() : std::vector<AnswerValue>()) {
      if (quota.text_or("metric") != "GPUS_ALL_REGIONS") { continue; }
      const auto limit = quota.find("limit");
      const auto used = quota.find("usage");
      return std::optional(Quota{.limit = limit ? limit->rounded() : 0, .used = used ? used->rounded() : 0});
    }
    return std::optional<Quota>();
  });
}

void add_quota_signals(const Quotas& quotas, const std::optional<Quota>& all_regions, Harvest& harvest) {
  const auto add = [&](const QuotaName& name, const MachineFact& machine, Market market, std::int64_t gpus,
                       const std::string& basis) {
    harvest.signals.push_back({.provider = "gcp",
                               .region = name.region,
                               .instance_type = std::string(machine.type),
                               .market = market,
                               .availability = {.kind = AvailabilityKind::quota,
                                                .value = static_cast<int>(gpus / machine.gpus),
                                                .basis = basis}});
  };
  for (const auto& [name, quota] : quotas) {
    std::int64_t gpus = std::min<std::int64_t>(left(quota), std::numeric_limits<std::int32_t>::max());
    std::string basis = describe(name, quota);
    if (!name.preemptible && all_regions && left(*all_regions) < gpus) {
      gpus = left(*all_regions);
      basis = "GPUS_ALL_REGIONS: " + describe(name, *all_regions);
    }
    for (const MachineFact& machine : machines()) {
      if (machine.accelerator != name.accelerator) { continue; }
      // Flex-start counts against the preemptible quota.
      if (name.preemptible) {
        if ((machine.markets & kSpot) != 0) { add(name, machine, Market::spot, gpus, basis); }
        if ((machine.markets & kFlex) != 0) { add(name, machine, Market::flex, gpus, basis); }
      } else if ((machine.markets & kOnDemand) != 0) {
        add(name, machine, Market::on_demand, gpus, basis);
      }
    }
  }
}

}  // namespace gpubroker::gcp
