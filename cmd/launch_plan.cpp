#include "cmd/launch_plan.hpp"

#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

std::string place_of(const OfferKey& key) {
  return key.provider + "/" + key.region + (key.zone.empty() ? "" : "/" + key.zone);
}

std::string hardware_of(const Offer& offer) {
  if (offer.gpu.count == 0) { return std::to_string(offer.vcpus) + " vCPU"; }
  return std::to_string(offer.gpu.count) + " x " + offer.gpu.model;
}

bool is_candidate(const Judged& judged) {
  return judged.why.empty();
}

/// "H100:8 at or under 2.80 USD per GPU-hour", of the first alternative.
std::string wanted(const Task& task) {
  const ResourceNeed need = task.needs.empty() ? ResourceNeed{} : task.needs.front();
  std::string text = need.gpu.count > 0 ? format_gpu_spec(need.gpu) : "machine that fits";
  if (task.needs.size() > 1) { text += " (or its alternatives)"; }
  if (need.max_price_per_gpu) {
    text += " at or under " + format_money({need.max_price_per_gpu->micros_per_hour}) + " USD per GPU-hour";
  } else if (need.max_price) {
    text += " at or under " + format_money({need.max_price->micros_per_hour}) + " USD per hour";
  }
  return text;
}

std::string how_many(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

Table plan_table(const std::vector<Judged>& judged, int nodes, std::size_t most) {
  Table table({"", "PLACE", "MACHINE", "MARKET", "HARDWARE", "NODES", "USD/H", "WHY NOT"});
  for (std::size_t i = 0; i < judged.size() && i < most; ++i) {
    const Judged& one = judged[i];
    table.add({i == 0 && is_candidate(one) ? "*" : "-", place_of(one.offer.key), one.offer.key.instance_type,
               std::string(to_string(one.offer.key.market)), hardware_of(one.offer), std::to_string(nodes),
               format_money(hourly_cost(one.offer, nodes)), one.why});
  }
  return table;
}

std::string plan_json(const Task& task, const std::vector<Judged>& judged) {
  Json offers = Json::array();
  for (const Judged& one : judged) {
    const Offer& offer = one.offer;
    offers.push_back({{"provider", offer.key.provider},
                      {"region", offer.key.region},
                      {"zone", offer.key.zone.empty() ? Json(nullptr) : Json(offer.key.zone)},
                      {"instance_type", offer.key.instance_type},
                      {"market", to_string(offer.key.market)},
                      {"gpu", offer.gpu.count == 0 ? Json(nullptr) : Json(offer.gpu.model)},
                      {"gpus", offer.gpu.count},
                      {"vcpus", offer.vcpus},
                      {"memory_mib", offer.memory_mib},
                      {"available", offer.available ? Json(*offer.available) : Json(nullptr)},
                      {"price_usd_per_machine_hour", format_money({offer.price.micros_per_hour})},
                      {"price_usd_per_gang_hour", format_money(hourly_cost(offer, task.num_nodes))},
                      {"candidate", is_candidate(one)},
                      {"kind", is_candidate(one) ? Json(nullptr) : Json(one.kind)},
                      {"reason", is_candidate(one) ? Json(nullptr) : Json(one.why)}});
  }
  return dump_json({{"schema", 1},
                    {"event", "plan"},
                    {"name", task.name},
                    {"num_nodes", task.num_nodes},
                    {"offers", std::move(offers)}});
}

std::vector<Judged> worth_naming(const std::vector<Judged>& judged) {
  const std::set<std::string> other = {"place", "market", "gpu", "size"};
  std::vector<Judged> near;
  std::copy_if(judged.begin(), judged.end(), std::back_inserter(near),
               [&](const Judged& one) { return !is_candidate(one) && other.count(one.kind) == 0; });
  return near.empty() ? judged : near;
}

Error no_capacity(const Task& task, const std::vector<Judged>& judged, const std::string& what_next) {
  std::set<std::string> providers;
  std::set<std::string> regions;
  for (const Judged& one : judged) {
    providers.insert(one.offer.key.provider);
    regions.insert(one.offer.key.provider + "/" + one.offer.key.region);
  }
  Error error{.kind = ErrorKind::capacity,
              .message = "no " + wanted(task) + " for " +
                         how_many(static_cast<std::size_t>(task.num_nodes), "node") + " (" +
                         how_many(regions.size(), "region") + " of " + how_many(providers.size(), "cloud") +
                         " asked)",
              .hint = what_next};
  const std::vector<Judged> named = worth_naming(judged);
  const bool all_dear = !named.empty() && std::all_of(named.begin(), named.end(),
                                                      [](const Judged& one) { return one.kind == "price"; });
  if (!all_dear) { return error; }
  const bool per_gpu = !task.needs.empty() && task.needs.front().max_price_per_gpu.has_value();
  const auto price = [&](const Judged& one) {
    return one.offer.price.micros_per_hour / (per_gpu ? std::max(one.offer.gpu.count, 1) : 1);
  };
  const auto cheapest = std::min_element(
      named.begin(), named.end(), [&](const Judged& a, const Judged& b) { return price(a) < price(b); });
  error.hint = "the least is " + format_money({price(*cheapest)}) + (per_gpu ? "/gpu-hour" : "/hour") +
               ": raise --max-price, or " + what_next;
  return error;
}

std::string price_tag(const Offer& offer, int nodes) {
  return std::to_string(nodes) + " x " + format_offer_key(offer.key) + " for " +
         format_money(hourly_cost(offer, nodes)) + " USD/h";
}

}  // namespace gpubroker
