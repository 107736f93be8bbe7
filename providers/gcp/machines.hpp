#pragma once
// Compute Engine's machines: bytes to values. Sources: compute.proto (v1), Google's cluster scripts and the
// traffic of gcloud 528, read 2026-11.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/key_ring.hpp"
#include "core/ports/provider.hpp"
#include "providers/gcp/facts.hpp"
#include "providers/gcp/operations.hpp"

namespace gpubroker::gcp {

/// The login user of Google's Ubuntu images.
inline constexpr std::string_view kUser = "ubuntu";
/// What our machines are tagged with, for firewall rules, and the rule that lets ssh in to them.
inline constexpr std::string_view kNetworkTag = "gpubroker";
inline constexpr std::string_view kFirewallRule = "gpubroker-ssh";
/// How long a flex-start machine stands in the queue: the broker's patience with a boot is a quarter of an
/// hour.
inline constexpr Millis kQueuePatience{std::chrono::minutes{10}};
/// A preempted machine has so long from the notice to its end. Source: the Compute Engine documentation, read
/// 2026-11.
inline constexpr Millis kPreemptionNotice{30'000};
/// What was made or seen so lately may be missing from a list: they are consistent after some seconds.
inline constexpr Millis kLateSight{60'000};

// --- booking ---

/// Capacity of the project that was bought before.
struct Reservation {
  std::string name = {};
  std::string zone = {};
  std::string type = {};
  int free = 0;
  bool is_dense = false;  // needs the provisioning model RESERVATION_BOUND, and places its machines itself
};

/// Where a further interface of a machine sits: parts of links.
struct FabricPlace {
  std::string network = {};
  std::string subnet = {};
  std::string nic = {};
  bool operator==(const FabricPlace&) const = default;
};

struct Booking {
  const GangRequest& request;
  const MachineFact& machine;
  const NodeKeys& keys;
  std::string user_data = {};  // holds the machines' private host key: a secret
  Instant now = {};
  std::string zone = {};    // empty: wherever in the region all of them are to be had
  std::string policy = {};  // placement; empty: none
  std::optional<Reservation> reservation = {};
  std::vector<FabricPlace> fabric = {};
};

/// A UUID that is the same whenever it is asked for: what Google takes as requestId.
std::string request_id(std::string_view seed);
/// Body of …/instances/bulkInsert: all or nothing.
std::string encode_bulk_insert(const Booking& booking);
/// Whether it is booked by …/instances alone, which can wait in the queue for it: one flex-start machine in a
/// zone.
bool stands_in_queue(const GangRequest& request);
/// Body of …/instances: one machine that waits its turn.
std::string encode_insert(const Booking& booking);

// --- what stands around a gang ---

/// Whether the gang is to stand close together by a policy of its own.
bool needs_placement(const GangRequest& request, const MachineFact& machine);
/// Body of …/resourcePolicies: named after the gang; one NVL72 domain for GB200 and GB300.
std::string encode_placement(const GangRequest& request, const MachineFact& machine);
/// Body of global/firewalls: ssh from everywhere to our machines.
std::string encode_firewall();

/// Whether rules of the default network let ssh in to any machine, or to ours by their tag.
Result<std::string> parse_firewalls(std::string_view body, bool& lets_ssh_in);
Result<std::string> parse_reservations(std::string_view body, std::vector<Reservation>& reservations);
/// Ours: those named gb-…; the description holds the gang's token.
Result<std::string> parse_policies(std::string_view body, std::vector<Leftover>& leftovers);
/// The rule of ours, if it is there.
Result<std::string> parse_own_firewalls(std::string_view body, std::vector<Leftover>& leftovers);

// --- finding them again ---

/// A machine with what is known of it beside the view.
struct Instance {
  NodeView view = {};
  int nodes = 0;            // how many its gang has; 0: not known
  bool is_there = true;     // the resource is; else only its operations tell of it
  bool is_leaving = false;  // between a notice or a delete and its end
};

/// Ours among the instances of a list, aggregated or not: one page; gives the next page's token. Of `address`
/// only the host is set. `network` when a zone did not answer.
Result<std::string> parse_instances(std::string_view body, std::vector<Instance>& instances);

/// "gcp/us-central1-a/gb-llama-7k2q-a1-0".
NodeId node_id(const std::string& zone, const std::string& name);
/// Zone and name; nothing when it is not one of ours.
std::optional<std::pair<std::string, std::string>> split_node_id(const NodeId& id);

/// A machine as it was last seen, or booked, by this process.
struct Sighting {
  Instance instance = {};
  Instant at = {};
};
using Sightings = std::map<NodeId, Sighting>;

/// What there is and was: the listed machines with the ends that operations tell of, and those of which
/// operations are all that is left. The tags of the latter come from `sightings`, or from the name where it
/// tells them.
std::vector<Instance> combine(std::vector<Instance> listed, const std::vector<Operation>& operations,
                              const Sightings& sightings, Instant now);

}  // namespace gpubroker::gcp
