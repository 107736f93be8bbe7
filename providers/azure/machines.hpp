#pragma once
// Azure's machines by Resource Manager: bytes to values. A gang is a resource group named gang_name(token) in
// which everything of it stands; names are made of the token and the rank, so that a PUT that is sent again
// makes nothing new. Sources: shared API notes, section 4 (schemas of @azure/arm-compute 24.1.0, arm-network
// 36.0.0, recorded answers), read 2026-11; what is from memory is marked (?).
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/http.hpp"
#include "core/ports/provider.hpp"
#include "providers/azure/codec.hpp"

namespace gpubroker::azure {

/// The machines' SSH user; root, admin and test are refused.
inline constexpr std::string_view kUser = "azureuser";

// --- where things are (machines_url.cpp) ---

/// A gang's group, and the ids of what is in it.
struct GangPlace {
  std::string subscription = {};
  std::string group = {};

  [[nodiscard]] std::string group_url() const;
  /// PATCH: adds tags to the group and leaves the others.
  [[nodiscard]] std::string tags_url() const;
  [[nodiscard]] std::string firewall_id() const;
  [[nodiscard]] std::string network_id() const;
  [[nodiscard]] std::string subnet_id() const;
  [[nodiscard]] std::string placement_id() const;
  /// `machine`: its name.
  [[nodiscard]] std::string address_id(const std::string& machine) const;
  [[nodiscard]] std::string card_id(const std::string& machine) const;
  [[nodiscard]] std::string machine_id(const std::string& machine) const;
  [[nodiscard]] std::string machines_url() const;
};
/// The URL of a resource by its id.
std::string resource_url(std::string_view id);
/// With how it stands.
std::string machine_state_url(std::string_view machine_id);

/// Ours among the subscription's groups.
std::string groups_url(std::string_view subscription);
/// All machines of the subscription; the second list has how they stand and no tags.
std::string machines_url(std::string_view subscription);
std::string statuses_url(std::string_view subscription);
std::string addresses_url(std::string_view subscription);
std::string reservation_groups_url(std::string_view subscription);
std::string reservations_url(std::string_view group_id);

/// "azure/GROUP/MACHINE".
NodeId node_id(std::string_view group, std::string_view machine);
struct NodeName {
  std::string group = {};
  std::string machine = {};
};
/// Nothing when it is no id of a machine here.
std::optional<NodeName> parse_node_id(const NodeId& id);

// --- what is sent (machines_encode.cpp) ---

HttpRequest encode_put(const std::string& url, std::string body);
HttpRequest encode_patch(const std::string& url, std::string body);
HttpRequest encode_delete(const std::string& url);

/// Body of the group: our tags, and what list() needs to tell of a machine that is gone.
std::string encode_group(const GangRequest& request);
/// Body for tags_url(): all machines of the gang have been booked.
std::string encode_booked(Instant now);
/// Body for tags_url(): we end these ranks.
std::string encode_ended(const std::vector<int>& ranks);
std::string encode_address(const GangRequest& request, int rank);
/// SSH from anywhere; everything from the gang's own public addresses, by which its nodes know each other.
std::string encode_firewall(const GangRequest& request, const std::vector<std::string>& peers);
std::string encode_network(const GangRequest& request, const GangPlace& place);
/// An availability set: InfiniBand reaches only the machines of one.
std::string encode_placement(const GangRequest& request);
std::string encode_card(const GangRequest& request, int rank, const GangPlace& place);
/// `reservation`: the id of a capacity reservation group, or empty.
std::string encode_machine(const GangRequest& request, int rank, const GangPlace& place,
                           const std::string& public_key, const std::string& user_data,
                           const std::string& reservation);
/// Whether the gang stands in an availability set: on demand with InfiniBand, more than one machine, no zone.
bool has_placement(const GangRequest& request);

// --- what comes back (machines_parse.cpp) ---

/// What a PUT or GET of a resource tells.
struct Resource {
  std::string state = {};  // provisioningState: "Succeeded", "Updating", "Creating", "Deleting", "Failed"
  std::string ip = {};     // of a public address
  std::string power = {};  // of a machine with its state: "running"; empty: not allocated
  Instant created = {};    // of a machine
};
Result<Resource> parse_resource(std::string_view body);

/// Where to ask how an operation goes: Azure-AsyncOperation, else Location; empty when it is over.
/// `internal` when it leads to another host.
Result<std::string> operation_url(const HttpResponse& answer);
struct Operation {
  bool is_running = false;
  std::optional<Error> error = {};  // it failed: nothing was made
};
/// The answer to a look at it; a status of 202 is still running.
Result<Operation> parse_operation(const HttpResponse& answer, std::string_view what, Instant now);

/// A gang's group as the cloud lists it.
struct GangGroup {
  std::string name = {};
  NodeView view = {};  // token, tags, offer: what all machines of it have
  int nodes = 0;
  std::optional<Instant> booked = {};  // when all of its machines had been booked
  std::set<int> ended = {};            // ranks that we ended
  bool is_deleting = false;
};
/// Nothing where it is not one of ours.
Result<std::optional<GangGroup>> parse_group(std::string_view body);
Result<Page<GangGroup>> parse_groups(std::string_view body);

/// A machine of ours as the cloud lists it.
struct Machine {
  std::string id = {};     // in lower case
  std::string group = {};  // in lower case
  NodeView view = {};
  std::string state = {};
};
Result<Page<Machine>> parse_machines(std::string_view body);
/// The names of the machines that are not being deleted and have not failed, whoever's.
Result<Page<std::string>> parse_living(std::string_view body);

/// How a machine stands.
struct MachineStatus {
  std::string power = {};             // "running", "stopped", "deallocated"; empty: not allocated
  std::string failure = {};           // the code
  std::optional<Instant> since = {};  // of its provisioning state: provisioned, failed, or being deleted
};
/// The answer to machine_state_url(), where the machine is one of ours.
struct SeenMachine {
  Machine machine = {};
  MachineStatus status = {};
};
Result<std::optional<SeenMachine>> parse_machine(std::string_view body);
/// By id in lower case.
using StatusRow = std::pair<std::string, MachineStatus>;
Result<Page<StatusRow>> parse_statuses(std::string_view body);
/// Public addresses by id in lower case; those without one yet are left out.
using AddressRow = std::pair<std::string, std::string>;
Result<Page<AddressRow>> parse_addresses(std::string_view body);

/// Ids of capacity reservation groups in a region.
Result<Page<std::string>> parse_reservation_groups(std::string_view body, std::string_view region);
/// How many machines of a size a group still has room for.
Result<Page<int>> parse_reservations(std::string_view body, std::string_view size);

/// What the subscription told in one round.
struct Sight {
  std::vector<GangGroup> groups = {};
  std::vector<Machine> machines = {};
  std::map<std::string, MachineStatus> statuses = {};  // by id in lower case, as the addresses
  std::map<std::string, std::string> addresses = {};
};
/// The ids of machines that are booked and in no list, while that may be the lists' lag: to be asked for by
/// their ids, which always tell. Else what lived no longer than the lag would have no dates.
std::vector<std::string> unlisted(const Sight& sight, const std::string& subscription, Instant now);
/// All machines of ours. Evicted and deleted machines vanish from the lists: as long as their group is there,
/// they are told as ended, "preempted" where nobody of us ended a spot machine; without a date, which nobody
/// keeps. For two minutes after the booking a machine that is not listed counts as starting. `address` has
/// only the host.
std::vector<NodeView> assemble(const Sight& sight, Instant now);

}  // namespace gpubroker::azure
