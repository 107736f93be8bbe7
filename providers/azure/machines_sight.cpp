// What the lists say together: states, dates, and what has vanished from them.
#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "providers/azure/facts.hpp"
#include "providers/azure/machines.hpp"

namespace gpubroker::azure {
namespace {

/// How long a machine may be missing from the lists without having gone.
constexpr Millis kListsLag = std::chrono::minutes{2};

/// Why a machine that is no longer there has ended.
std::string reason_of(const GangGroup* group, const NodeView& view) {
  const bool by_us = group == nullptr || group->is_deleting || group->ended.count(view.index) > 0;
  return view.offer.market == Market::spot && !by_us ? "preempted" : "terminated";
}

void end(NodeView& view, std::string reason, std::optional<Instant> at) {
  view.state = NodeState::ended;
  view.end_reason = std::move(reason);
  view.ended_at = at;
}

/// Billing: by the second of allocation, a stopped machine's too; deallocated, and while it is deleted, it is
/// not billed (Microsoft's "States and billing", (?)). No list tells the moment of the allocation: it lies
/// seconds after the creation, and minutes before the machine counts as provisioned.
void judge(NodeView& view, const std::string& state, const MachineStatus& status, const GangGroup* group) {
  // What has a power state is or was allocated; one whose allocation failed has none (?).
  if (!status.power.empty()) { view.billed_from = view.created_at; }
  if (state == "Deleting") { return end(view, reason_of(group, view), status.since); }
  if (status.power == "deallocating" || status.power == "deallocated") {
    return end(view, "deallocated", std::nullopt);
  }
  if (state == "Failed" && status.power.empty()) {
    return end(view, status.failure.empty() ? "host failure" : "failed: " + status.failure, status.since);
  }
  if (status.power == "running") { view.state = NodeState::running; }
  if (status.power == "stopped" || status.power == "stopping") { view.state = NodeState::stopped; }
}

/// What the fabric needs. The HPC image brings its own NCCL settings, but for the Arm sizes.
std::map<std::string, std::string> fabric_env(const NodeView& view) {
  const SizeFacts* const size = find_size(view.offer.instance_type);
  if (size == nullptr || size->arch == "arm64") { return {}; }
  return {{"NCCL_SOCKET_IFNAME", "eth0"}, {"GLOO_SOCKET_IFNAME", "eth0"}};
}

/// A machine that was booked and is in no list.
NodeView missing(const GangGroup& group, int rank, Instant now) {
  NodeView view = group.view;
  view.id = node_id(lower(group.name), machine_name(view.token, rank));
  view.index = rank;
  if (now >= *group.booked + kListsLag || group.ended.count(rank) > 0 || group.is_deleting) {
    end(view, reason_of(&group, view), std::nullopt);
  }
  return view;
}

}  // namespace

std::vector<std::string> unlisted(const Sight& sight, const std::string& subscription, Instant now) {
  std::set<std::string> listed;
  for (const Machine& machine : sight.machines) { listed.insert(machine.id); }
  std::vector<std::string> ids;
  for (const GangGroup& group : sight.groups) {
    if (!group.booked || now >= *group.booked + kListsLag) { continue; }
    const GangPlace place{.subscription = subscription, .group = group.name};
    for (int rank = 0; rank < group.nodes; ++rank) {
      std::string id = place.machine_id(machine_name(group.view.token, rank));
      if (listed.count(lower(id)) == 0) { ids.push_back(std::move(id)); }
    }
  }
  return ids;
}

std::vector<NodeView> assemble(const Sight& sight, Instant now) {
  std::map<std::string, const GangGroup*> groups;
  for (const GangGroup& group : sight.groups) { groups[lower(group.name)] = &group; }
  std::set<NodeId> listed;
  std::vector<NodeView> views;
  for (const Machine& machine : sight.machines) {
    NodeView view = machine.view;
    const auto group = groups.find(machine.group);
    const auto status = sight.statuses.find(machine.id);
    judge(view, machine.state, status == sight.statuses.end() ? MachineStatus{} : status->second,
          group == groups.end() ? nullptr : group->second);
    const GangPlace place{.subscription = split(machine.id, '/').at(2), .group = machine.group};
    const auto address = sight.addresses.find(lower(place.address_id(parse_node_id(view.id)->machine)));
    if (address != sight.addresses.end()) { view.address.host = address->second; }
    if (view.state == NodeState::running && view.address.host.empty()) { view.state = NodeState::starting; }
    listed.insert(view.id);
    views.push_back(std::move(view));
  }
  for (const GangGroup& group : sight.groups) {
    for (int rank = 0; group.booked && rank < group.nodes; ++rank) {
      NodeView view = missing(group, rank, now);
      if (listed.count(view.id) == 0) { views.push_back(std::move(view)); }
    }
  }
  for (NodeView& view : views) { view.env = fabric_env(view); }
  return views;
}

}  // namespace gpubroker::azure
