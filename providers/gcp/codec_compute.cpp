#include <algorithm>
#include <functional>
#include <set>

#include "core/wire/answer_json.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/facts.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

bool is_gone(const AnswerValue& item) {
  const auto deprecated = item.find("deprecated");
  if (!deprecated) { return false; }
  const std::string state = deprecated->text_or("state");
  return state == "DEPRECATED" || state == "OBSOLETE" || state == "DELETED";
}

/// Calls `read` with the zone and each item of an aggregated list: {"items":{"zones/Z":{NAME:[…]}}}. Scopes
/// that hold only a warning (nothing there, or a sick zone) have none.
void for_each_zonal(const AnswerValue& root, std::string_view name,
                    const std::function<void(const std::string& zone, const AnswerValue& item)>& read) {
  const auto items = root.find("items");
  if (!items) { return; }
  for (const auto& [scope, content] : items->members()) {
    const auto list = content.find(name);
    if (!list) { continue; }
    for (const AnswerValue& item : list->list()) { read(name_in(scope), item); }
  }
}

/// Whether Google tells the size that facts.hpp has.
bool is_known_shape(const MachineFact& machine, const AnswerValue& item) {
  const std::vector<AnswerValue> accelerators = item.at("accelerators").list();
  const bool same_size =
      item.whole_or<int>("guestCpus", 0) == machine.vcpus &&
      item.whole_or<std::int64_t>("memoryMb", 0) == machine.memory_gib * std::int64_t{1024};
  return same_size && accelerators.size() == 1 &&
         accelerators.front().whole_or<int>("guestAcceleratorCount", 0) == machine.gpus;
}

void read_machine_type(const std::string& zone, const AnswerValue& item, SoldIn& sold, Harvest& harvest) {
  const std::string name = item.at("name").text();
  const auto accelerators = item.find("accelerators");
  if (is_gone(item) || !accelerators || accelerators->list().empty()) { return; }
  const MachineFact* const machine = find_machine(name);
  if (machine == nullptr) {
    add_remark(harvest, "unknown machine type", name + " in " + zone);
    return;
  }
  if (machine->accelerator.rfind("nvidia", 0) == 0 && !is_known_shape(*machine, item)) {
    add_remark(harvest, "machine type of another size", name + " in " + zone);
  }
  sold[zone].push_back(name);
}

/// "n1-standard-8+nvidia-tesla-t4:1" needs nvidia-tesla-t4 in the zone.
bool is_attached(const MachineFact& machine) {
  return machine.type.find('+') != std::string_view::npos;
}

}  // namespace

Result<std::string> parse_zones(std::string_view body, Zones& zones) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (const auto items = root.find("items")) {
      for (const AnswerValue& zone : items->list()) {
        if (is_gone(zone)) { continue; }
        zones[zone.at("name").text()] = name_in(zone.at("region").text());
      }
    }
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_machine_types(std::string_view body, SoldIn& sold, Harvest& harvest) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_zonal(root, "machineTypes", [&](const std::string& zone, const AnswerValue& item) {
      read_row("machineTypes of " + zone, harvest, [&] { read_machine_type(zone, item, sold, harvest); });
    });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_accelerator_types(std::string_view body, SoldIn& sold) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_zonal(root, "acceleratorTypes", [&](const std::string& zone, const AnswerValue& item) {
      if (!is_gone(item)) { sold[zone].push_back(item.at("name").text()); }
    });
    return root.text_or("nextPageToken");
  });
}

void add_sold_signals(const Zones& zones, const SoldIn& machine_types, const SoldIn& accelerators,
                      Harvest& harvest) {
  const auto add = [&](const std::string& zone, std::string_view type) {
    const auto region = zones.find(zone);
    if (region == zones.end()) {
      add_remark(harvest, "unknown zone", zone);
      return;
    }
    harvest.signals.push_back({.provider = "gcp",
                               .region = region->second,
                               .zone = zone,
                               .instance_type = std::string(type),
                               .availability = {.basis = "GCP sells it in this zone"}});
  };
  for (const auto& [zone, types] : machine_types) {
    for (const std::string& type : std::set<std::string>(types.begin(), types.end())) { add(zone, type); }
  }
  for (const auto& [zone, names] : accelerators) {
    for (const MachineFact& machine : machines()) {
      const bool is_there = std::find(names.begin(), names.end(), machine.accelerator) != names.end();
      if (is_attached(machine) && is_there) { add(zone, machine.type); }
    }
  }
}

}  // namespace gpubroker::gcp
