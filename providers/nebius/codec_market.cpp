// Prices by the calculator, availability by the capacity advisor, quotas.
#include <algorithm>
#include <map>
#include <tuple>

#include "core/base/text.hpp"
#include "core/wire/protobuf.hpp"
#include "providers/nebius/codec.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::int64_t kMostMachines = 1'000'000;

Error refuse(const std::string& why) {
  return {.kind = ErrorKind::internal, .message = why};
}

bool is_rack(std::string_view platform) {
  return platform.find("gb200") != std::string_view::npos || platform.find("gb300") != std::string_view::npos;
}

int nvlink_of(const Preset& preset) {
  if (is_rack(preset.platform)) { return 72; }
  const bool joined =
      preset.words.find("NVLink") != std::string::npos || preset.platform.find("-sxm") != std::string::npos;
  return joined ? preset.gpus : 0;
}

/// Availability{data_state1 available2 limit4 availability_level5}. False: it says nothing to rely on.
bool read_availability(const ProtoMessage& told, Availability& availability) {
  constexpr std::uint64_t kFresh = 1;
  constexpr std::uint64_t kLimitReached = 4;
  if (told.number(1) != kFresh) { return false; }
  availability.kind = told.number(5) == kLimitReached ? AvailabilityKind::quota : AvailabilityKind::count;
  availability.value = static_cast<int>(std::clamp<std::int64_t>(told.integer(2), 0, kMostMachines));
  return true;
}

/// ResourceAdvice{spec2{region1 fabric2 compute_instance10{platform1 preset2{name1}}} status3{reserved1
/// on_demand2 preemptible3}}.
Status read_advice(const ProtoMessage& item, std::vector<Advice>& rows, Harvest& harvest) {
  TRY(const ProtoMessage spec, item.message(2));
  TRY(const ProtoMessage status, item.message(3));
  TRY(const ProtoMessage instance, spec.message(10));
  TRY(const ProtoMessage preset, instance.message(2));
  if (!spec.has(10)) { return Ok{}; }  // advice on something else
  Advice advice{.region = spec.text(1),
                .fabric = spec.text(2),
                .instance_type = instance_type_of(instance.text(1), preset.text(1))};
  if (advice.region.empty() || instance.text(1).empty() || preset.text(1).empty()) {
    return refuse("region, platform or preset is missing");
  }
  const std::string place = advice.region + " " + advice.fabric + " " + advice.instance_type;
  for (const auto& [field, market] :
       {std::pair(1, Market::contract), std::pair(2, Market::on_demand), std::pair(3, Market::spot)}) {
    if (!status.has(field)) { continue; }
    TRY(const ProtoMessage told, status.message(field));
    advice.market = market;
    advice.availability = {.basis = "nebius capacity advisor"};
    if (!advice.fabric.empty()) { advice.availability.basis += ", " + advice.fabric; }
    if (read_availability(told, advice.availability)) {
      rows.push_back(advice);
    } else {
      add_remark(harvest, "availability is stale", place);
    }
  }
  return Ok{};
}

/// QuotaAllowance{metadata1{name3} spec2{limit1 region2} status3{state1 usage2 usage_state10}}.
Status read_quota(const ProtoMessage& item, std::vector<Quota>& quotas) {
  constexpr std::uint64_t kActive = 2;
  constexpr std::uint64_t kUseUnknown = 3;
  TRY(const ProtoMessage metadata, item.message(1));
  TRY(const ProtoMessage spec, item.message(2));
  TRY(const ProtoMessage status, item.message(3));
  if (status.number(1) != kActive || status.number(10) == kUseUnknown) { return Ok{}; }
  Quota quota{.name = metadata.text(3), .region = spec.text(2)};
  if (quota.name.empty()) { return refuse("a quota without a name"); }
  const std::uint64_t limit = spec.number(1);
  const std::uint64_t usage = std::min(limit, status.number(2));  // it can be exceeded
  quota.left = static_cast<std::int64_t>(std::min<std::uint64_t>(limit - usage, kMostMachines));
  quotas.push_back(std::move(quota));
  return Ok{};
}

void tell_refused(Harvest& harvest, const char* list, std::size_t index, const Status& read) {
  if (read.ok()) { return; }
  std::string place = list;
  place += "[" + std::to_string(index) + "]: " + read.error().message;
  add_remark(harvest, "row refused", place);
}

}  // namespace

/// EstimateRequest{resource_spec1{compute_instance_spec100=CreateInstanceRequest{metadata1{parent_id2}
/// spec2{resources2{platform1 preset2} preemptible19{on_preemption1}}}}}. No offer_types: list prices, not a
/// contract's.
std::string encode_estimate(const std::string& project, const Preset& preset, Market market) {
  ProtoWriter metadata;
  metadata.text(2, project);
  ProtoWriter resources;
  resources.text(1, preset.platform).text(2, preset.name);
  ProtoWriter spec;
  spec.message(2, resources);
  if (market == Market::spot) {
    ProtoWriter preemptible;
    preemptible.number(1, 1);  // STOP
    spec.message(19, preemptible);
  }
  ProtoWriter create;
  create.message(1, metadata).message(2, spec);
  ProtoWriter resource;
  resource.message(100, create);
  ProtoWriter request;
  request.message(1, resource);
  return request.bytes();
}

/// EstimateResponse{hourly_cost10{general10{total1{cost2 cost_rounded3}}} monthly_cost20}: cost_rounded is
/// rounded up to cents, so cost it is.
Result<Rate> parse_estimate(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const ProtoMessage hourly, root.message(10));
  TRY(const ProtoMessage general, hourly.message(10));
  TRY(const ProtoMessage total, general.message(1));
  const std::string cost = total.text(2);
  const std::optional<Money> amount = round_money(cost);
  if (!amount || amount->micros < 0) {
    return refuse("cannot read the answer: the hourly cost '" + cost.substr(0, 40) + "' is no amount");
  }
  return Rate{amount->micros};
}

Listing make_listing(const Preset& preset, const std::string& region, Market market, Rate rate, Instant now) {
  Listing listing;
  listing.offer.key = {.provider = "nebius",
                       .region = region,
                       .instance_type = instance_type_of(preset.platform, preset.name),
                       .market = market};
  // The platform's name; the words for people also name the processor, and "NVLink" for SXM.
  listing.gpu_text = preset.platform;
  listing.offer.gpu = {.form = preset.platform.find("-sxm") == std::string::npos ? "" : "SXM",
                       .memory_gib = preset.gpu_memory_gb,
                       .count = preset.gpus};
  listing.offer.vcpus = preset.vcpus;
  listing.offer.memory_mib = preset.memory_gib * std::int64_t{1024};
  listing.offer.price = rate;
  // "For GPUs on running VMs, the billing unit is 1 second" (docs.nebius.com, pricing pages, read 2026-11).
  listing.offer.billing = {.unit = Millis{1'000}};
  listing.offer.learnt_at = now;
  listing.offer.source = "nebius/calculator";
  listing.arch = is_rack(preset.platform) ? "arm64" : "x86_64";
  listing.fabric = preset.joins_fabric ? Fabric::infiniband : Fabric::ethernet;
  listing.nvlink_domain = nvlink_of(preset);
  // What a preemptible machine costs moves every 15 minutes.
  listing.basis = market == Market::spot ? PriceBasis::market : PriceBasis::list;
  if (rate.micros_per_hour == 0) { listing.basis = PriceBasis::quote; }
  return listing;
}

std::string encode_list_advice(const std::string& tenant, const std::string& page) {
  return encode_list_in(tenant, page);
}

Result<Page<Advice>> parse_advice(std::string_view message, Harvest& harvest) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Advice> page{.next = root.text(2)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    tell_refused(harvest, "advice", i, read_advice(items[i], page.items, harvest));
  }
  return page;
}

std::vector<Signal> best_fabrics(const std::vector<Advice>& advice) {
  std::map<std::tuple<std::string, std::string, Market>, Availability> best;
  for (const Advice& row : advice) {
    Availability& known = best[{row.region, row.instance_type, row.market}];
    // What a count says of the stock is worth more than that a quota is used up.
    const bool is_first = known.kind == AvailabilityKind::unknown;
    const bool tells_more =
        known.kind == AvailabilityKind::quota && row.availability.kind == AvailabilityKind::count;
    const bool is_more = known.kind == row.availability.kind && known.value < row.availability.value;
    if (is_first || tells_more || is_more) { known = row.availability; }
  }
  std::vector<Signal> signals;
  for (const auto& [place, availability] : best) {
    signals.push_back({.provider = "nebius",
                       .region = std::get<0>(place),
                       .instance_type = std::get<1>(place),
                       .market = std::get<2>(place),
                       .availability = availability});
  }
  return signals;
}

std::string encode_list_quotas(const std::string& tenant, const std::string& page) {
  return encode_list_in(tenant, page);
}

Result<Page<Quota>> parse_quotas(std::string_view message, Harvest& harvest) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Quota> page{.next = root.text(2)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    tell_refused(harvest, "quotas", i, read_quota(items[i], page.items));
  }
  return page;
}

std::vector<Signal> quota_signals(const std::vector<Preset>& presets, const std::string& region,
                                  const std::vector<Quota>& quotas) {
  std::vector<Signal> signals;
  for (const Preset& preset : presets) {
    for (const Quota& quota : quotas) {
      if (quota.region != region || quota.name != preset.quota || preset.gpus < 1) { continue; }
      signals.push_back({.provider = "nebius",
                         .region = region,
                         .instance_type = instance_type_of(preset.platform, preset.name),
                         .market = Market::on_demand,
                         .availability = {.kind = AvailabilityKind::quota,
                                          .value = static_cast<int>(quota.left / preset.gpus),
                                          .basis = "nebius " + quota.name}});
      break;
    }
  }
  return signals;
}

}  // namespace gpubroker::nebius
