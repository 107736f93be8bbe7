#include <algorithm>
#include <limits>
#include <optional>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/flat_json.hpp"
#include "core/wire/url.hpp"
#include "providers/azure/codec.hpp"
#include "providers/azure/facts.hpp"

namespace gpubroker::azure {
namespace {

std::string compute_url(std::string_view subscription) {
  std::string url = "https://";
  url += kArm;
  url += "/subscriptions/";
  url += url_encode(subscription);
  url += "/providers/Microsoft.Compute/";
  return url;
}

Result<std::string> next_link(const AnswerValue& root) {
  const std::string next = root.text_or("nextLink");
  return next.empty() ? Result<std::string>(next) : parse_link(next, kArm);
}

std::string capability(const AnswerValue& row, std::string_view name) {
  const std::optional<AnswerValue> list = row.find("capabilities");
  if (!list) { return {}; }
  for (const AnswerValue& one : list->list()) {
    if (one.at("name").text() == name) { return one.text_or("value"); }
  }
  return {};
}

std::vector<std::string> texts(const std::optional<AnswerValue>& list) {
  std::vector<std::string> all;
  if (!list) { return all; }
  for (const AnswerValue& one : list->list()) { all.push_back(one.text()); }
  return all;
}

bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return lower(one) == name; });
}

/// Type Location: the size cannot be made here. Type Zone: only those zones are out.
void read_restriction(const AnswerValue& row, std::string_view region, Sku& sku) {
  const std::string reason = row.text_or("reasonCode", "restricted");
  const std::optional<AnswerValue> info = row.find("restrictionInfo");
  const std::string type = row.at("type").text();
  if (type == "Zone" && info && has_name(texts(info->find("locations")), region)) {
    for (const std::string& zone : texts(info->find("zones"))) { sku.refused_zones[zone] = reason; }
  }
  if (type == "Location" && has_name(texts(row.find("values")), region)) { sku.refused = reason; }
}

void read_zones(const AnswerValue& row, std::string_view region, Sku& sku) {
  const std::optional<AnswerValue> places = row.find("locationInfo");
  if (!places) { return; }
  for (const AnswerValue& place : places->list()) {
    if (lower(place.at("location").text()) != region) { continue; }
    for (const std::string& zone : texts(place.find("zones"))) {
      if (sku.refused_zones.count(zone) == 0) { sku.zones.push_back(zone); }
    }
  }
  std::sort(sku.zones.begin(), sku.zones.end());
}

Sku read_sku(const AnswerValue& row, std::string_view name, std::string_view region) {
  Sku sku{.size = std::string(name), .family = row.at("family").text()};
  const std::optional<std::int64_t> vcpus = parse_int(capability(row, "vCPUs"));
  if (!vcpus || *vcpus < 1 || *vcpus > 1'000'000) { AnswerValue::refuse(sku.size + ": no vCPUs"); }
  sku.vcpus = static_cast<int>(*vcpus);
  sku.has_spot = capability(row, "LowPriorityCapable") == "True";
  if (const std::optional<AnswerValue> restrictions = row.find("restrictions")) {
    for (const AnswerValue& one : restrictions->list()) { read_restriction(one, region, sku); }
  }
  read_zones(row, region, sku);
  return sku;
}

const Usage* find_usage(const std::vector<Usage>& usages, std::string_view name) {
  const std::string small = lower(name);
  const auto found =
      std::find_if(usages.begin(), usages.end(), [&](const Usage& usage) { return usage.name == small; });
  return found == usages.end() ? nullptr : &*found;
}

/// How many machines of so many vCPUs fit into what is left.
int machines_that_fit(const Usage& usage, int vcpus) {
  const std::int64_t fit = std::max<std::int64_t>(usage.limit - usage.used, 0) / vcpus;
  return static_cast<int>(std::min<std::int64_t>(fit, std::numeric_limits<int>::max()));
}

Availability quota(int machines, std::string basis) {
  return {.kind = AvailabilityKind::quota, .value = machines, .basis = "azure " + std::move(basis)};
}

/// On demand a machine counts in its family and in the region; spot has one pool for all families.
std::optional<Availability> quota_of(const Sku& sku, Market market, const std::vector<Usage>& usages) {
  if (market == Market::spot) {
    if (!sku.has_spot) { return quota(0, "skus: not LowPriorityCapable"); }
    const Usage* const pool = find_usage(usages, "lowPriorityCores");
    if (pool == nullptr) { return std::nullopt; }
    return quota(machines_that_fit(*pool, sku.vcpus), "usages lowPriorityCores");
  }
  const Usage* const family = find_usage(usages, sku.family);
  const Usage* const region = find_usage(usages, "cores");
  if (family == nullptr || region == nullptr) { return std::nullopt; }
  const int of_family = machines_that_fit(*family, sku.vcpus);
  const int of_region = machines_that_fit(*region, sku.vcpus);
  if (of_region < of_family) { return quota(of_region, "usages cores"); }
  return quota(of_family, "usages " + sku.family);
}

int level_of(std::string_view score) {
  const std::string word = lower(score);
  return word == "high" ? 3 : word == "medium" ? 2 : word == "low" ? 1 : 0;
}

}  // namespace

std::string skus_url(std::string_view subscription, std::string_view region) {
  std::string filter = "location eq '";
  filter += region;
  filter += "'";
  // Without the filter: tens of megabytes.
  return compute_url(subscription) + "skus?api-version=2021-07-01&$filter=" + url_encode(filter);
}

Result<Page<Sku>> parse_skus(std::string_view body, std::string_view region, Harvest& told) {
  return read_answer(body, "azure skus", [&](const AnswerValue& root) -> Result<Page<Sku>> {
    Page<Sku> page;
    for_each_row(root.at("value"), std::string(region) + " skus", told, [&](const AnswerValue& row) {
      if (row.at("resourceType").text() != "virtualMachines" ||
          !has_name(texts(row.at("locations")), region)) {
        return;
      }
      const std::string name = row.at("name").text();
      const SizeKind kind = kind_of_size(name);
      if (kind == SizeKind::known) { page.rows.push_back(read_sku(row, find_size(name)->size, region)); }
      if (kind == SizeKind::unknown) {
        add_remark(told, "unknown GPU size", name + " in " + std::string(region));
      }
    });
    TRY(page.next, next_link(root));
    return page;
  });
}

std::string usages_url(std::string_view subscription, std::string_view region) {
  std::string url = compute_url(subscription) + "locations/";
  url += url_encode(region);
  return url + "/usages?api-version=2026-03-01";
}

Result<Page<Usage>> parse_usages(std::string_view body, Harvest& told) {
  return read_answer(body, "azure usages", [&](const AnswerValue& root) -> Result<Page<Usage>> {
    Page<Usage> page;
    for_each_row(root.at("value"), "usages", told, [&](const AnswerValue& row) {
      Usage usage{.name = lower(row.at("name").at("value").text()),
                  .used = row.at("currentValue").whole<std::int64_t>(),
                  .limit = row.at("limit").whole<std::int64_t>()};
      if (usage.used < 0 || usage.limit < 0) { AnswerValue::refuse(usage.name + ": below zero"); }
      page.rows.push_back(std::move(usage));
    });
    TRY(page.next, next_link(root));
    return page;
  });
}

std::vector<Signal> quota_signals(std::string_view region, const std::vector<Sku>& skus,
                                  const std::vector<Usage>& usages, Harvest& told) {
  std::vector<Signal> signals;
  for (const Sku& sku : skus) {
    Signal signal{.provider = "azure", .region = std::string(region), .instance_type = sku.size};
    if (!sku.refused.empty()) {
      signal.availability = quota(0, "skus: " + sku.refused);
      signals.push_back(signal);
      continue;
    }
    for (const auto& [zone, why] : sku.refused_zones) {
      signal.zone = zone;
      signal.availability = quota(0, "skus: " + why);
      signals.push_back(signal);
    }
    for (const Market market : {Market::on_demand, Market::spot}) {
      const std::optional<Availability> left = quota_of(sku, market, usages);
      if (!left) {
        add_remark(told, "no quota told",
                   sku.size + " " + std::string(to_string(market)) + " in " + signal.region);
        continue;
      }
      signal.market = market;
      signal.availability = *left;
      signal.zone.clear();
      signals.push_back(signal);
      for (const std::string& zone : sku.zones) {
        signal.zone = zone;
        signals.push_back(signal);
      }
    }
  }
  return signals;
}

HttpRequest encode_scores(std::string_view subscription, const std::vector<std::string>& regions,
                          const std::vector<std::string>& sizes) {
  FlatWriter body;
  body.open().field("availabilityZones", false).field("desiredCount", 1).field("desiredLocations", regions);
  body.name("desiredSizes").open_list();
  for (const std::string& size : sizes) { body.open().field("sku", size).close(); }
  body.close_list().close();
  std::string url = compute_url(subscription) + "locations/";
  url += regions.empty() ? std::string() : url_encode(regions.front());
  HttpRequest request = encode_get(url + "/placementScores/spot/generate?api-version=2025-06-05");
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body).take();
  request.repeatable = true;  // a question
  return request;
}

Result<std::vector<Signal>> parse_scores(std::string_view body, Harvest& told) {
  return read_answer(body, "azure spot scores", [&](const AnswerValue& root) -> Result<std::vector<Signal>> {
    std::vector<Signal> signals;
    for_each_row(root.at("placementScores"), "placementScores", told, [&](const AnswerValue& row) {
      const std::string size = row.at("sku").text();
      const std::string region = lower(row.at("region").text());
      const std::string score = row.at("score").text();
      const SizeFacts* const facts = find_size(size);
      const int level = level_of(score);
      if (level == 0) { return add_remark(told, "no spot score", size + " in " + region + ": " + score); }
      signals.push_back({.provider = "azure",
                         .region = region,
                         .zone = row.text_or("availabilityZone"),
                         .instance_type = facts == nullptr ? size : std::string(facts->size),
                         .market = Market::spot,
                         .availability = {.kind = AvailabilityKind::level,
                                          .value = level,
                                          .basis = row.boolean_or("isQuotaAvailable", true)
                                                       ? "azure spot placement score"
                                                       : "azure spot placement score, no quota"}});
    });
    return signals;
  });
}

}  // namespace gpubroker::azure
