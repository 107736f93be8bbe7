#include "core/base/text.hpp"
#include "core/wire/url.hpp"
#include "providers/azure/machines.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kResources = "?api-version=2021-04-01";
constexpr std::string_view kNetwork = "?api-version=2025-05-01";
constexpr std::string_view kCompute = "?api-version=2024-07-01";

std::string join_text(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) { all += part; }
  return all;
}

std::string in_subscription(std::string_view subscription, std::string_view rest) {
  return join_text({"https://", kArm, "/subscriptions/", url_encode(subscription), rest});
}

std::string in_group(const GangPlace& place, std::string_view kind, std::string_view name) {
  return join_text({"/subscriptions/", place.subscription, "/resourceGroups/", place.group,
                    "/providers/Microsoft.", kind, "/", name});
}

}  // namespace

std::string GangPlace::group_url() const {
  return in_subscription(subscription, join_text({"/resourcegroups/", url_encode(group), kResources}));
}

std::string GangPlace::tags_url() const {
  return in_subscription(subscription,
                         join_text({"/resourcegroups/", url_encode(group),
                                    "/providers/Microsoft.Resources/tags/default", kResources}));
}

std::string GangPlace::firewall_id() const {
  return in_group(*this, "Network/networkSecurityGroups", "firewall");
}

std::string GangPlace::network_id() const {
  return in_group(*this, "Network/virtualNetworks", "network");
}

std::string GangPlace::subnet_id() const {
  return network_id() + "/subnets/nodes";
}

std::string GangPlace::placement_id() const {
  return in_group(*this, "Compute/availabilitySets", "placement");
}

std::string GangPlace::address_id(const std::string& machine) const {
  return in_group(*this, "Network/publicIPAddresses", machine + "-ip");
}

std::string GangPlace::card_id(const std::string& machine) const {
  return in_group(*this, "Network/networkInterfaces", machine + "-nic");
}

std::string GangPlace::machine_id(const std::string& machine) const {
  return in_group(*this, "Compute/virtualMachines", machine);
}

std::string GangPlace::machines_url() const {
  return in_subscription(subscription, join_text({"/resourceGroups/", url_encode(group),
                                                  "/providers/Microsoft.Compute/virtualMachines", kCompute}));
}

std::string resource_url(std::string_view id) {
  const bool is_network = id.find("/Microsoft.Network/") != std::string_view::npos;
  return join_text({"https://", kArm, url_encode(id, /*keep_slash=*/true), is_network ? kNetwork : kCompute});
}

std::string machine_state_url(std::string_view machine_id) {
  return resource_url(machine_id) + "&$expand=instanceView";
}

std::string groups_url(std::string_view subscription) {
  const std::string filter = url_encode("tagName eq 'gpubroker:token'");
  return in_subscription(subscription, join_text({"/resourcegroups", kResources, "&$filter=", filter}));
}

std::string machines_url(std::string_view subscription) {
  return in_subscription(subscription, join_text({"/providers/Microsoft.Compute/virtualMachines", kCompute}));
}

std::string statuses_url(std::string_view subscription) {
  return machines_url(subscription) + "&statusOnly=true";
}

std::string addresses_url(std::string_view subscription) {
  return in_subscription(subscription,
                         join_text({"/providers/Microsoft.Network/publicIPAddresses", kNetwork}));
}

std::string reservation_groups_url(std::string_view subscription) {
  return in_subscription(subscription,
                         join_text({"/providers/Microsoft.Compute/capacityReservationGroups", kCompute}));
}

std::string reservations_url(std::string_view group_id) {
  std::string id(group_id);
  id += "/capacityReservations";
  return resource_url(id);
}

NodeId node_id(std::string_view group, std::string_view machine) {
  return {join_text({"azure/", group, "/", machine})};
}

std::optional<NodeName> parse_node_id(const NodeId& id) {
  const std::vector<std::string> parts = split(id.value, '/');
  if (parts.size() != 3 || parts[0] != "azure" || parts[1].empty() || parts[2].empty()) {
    return std::nullopt;
  }
  return NodeName{.group = parts[1], .machine = parts[2]};
}

}  // namespace gpubroker::azure
