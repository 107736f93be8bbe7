#pragma once
// A gang as its cluster tells it: pool, nodes, pods, addresses; and what the pool's state says of the
// booking. Sources: docs.coreweave.com (products/cks/nodes/nodepool-status,
// platform/capacity-plans/spot-node-pools, products/sunk/deploy_sunk/use-spot-capacity) and the core
// Kubernetes API, read 2026-11.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/provider.hpp"
#include "providers/coreweave/kube.hpp"

namespace gpubroker::coreweave {

/// The SSH user of the pods.
inline constexpr std::string_view kUser = "root";

struct Condition {
  std::string type = {};    // "Validated", "Capacity", "Quota"
  std::string status = {};  // "True", "False", "Unknown"
  std::string reason = {};
  std::string message = {};
};

struct Pool {
  std::string name = {};
  std::string uid = {};
  std::string instance_type = {};
  std::map<std::string, std::string> annotations = {};
  Instant created_at = {};
  bool is_deleting = false;
  int target = 0;
  int current = 0;      // registered with the cluster
  int in_progress = 0;  // assigned, on their way
  std::vector<Condition> conditions = {};
};

struct KubeNode {
  std::string name = {};
  std::string gang = {};
  Instant created_at = {};
  bool is_cordoned = false;
  bool is_taken = false;                    // marked for preemption or eviction
  std::optional<Instant> taken_since = {};  // where the mark tells it
};

struct Pod {
  std::string gang = {};
  int rank = 0;
  std::string phase = {};  // "Pending", "Running", "Succeeded", "Failed"
  std::string node = {};   // empty: not scheduled yet
  std::string ip = {};
  bool is_ready = false;
};

struct Address {
  std::string gang = {};
  int rank = 0;
  std::string host = {};  // empty: not given yet
};

Result<Pool> parse_pool(std::string_view body);
Result<KubePage<Pool>> parse_pools(std::string_view body);
Result<KubePage<KubeNode>> parse_nodes(std::string_view body);
Result<KubePage<Pod>> parse_pods(std::string_view body);
Result<KubePage<Address>> parse_services(std::string_view body);

/// Why the pool will have no nodes, as its conditions tell it; nothing while they say nothing against it.
std::optional<Error> judge_pool(const Pool& pool, const std::string& zone);
/// The same by the events about the pool.
Result<std::optional<Error>> judge_events(std::string_view body, const std::string& zone);
/// Whether all nodes are there or on their way. Conditions that say nothing against it prove nothing: they
/// may still be those of the former target.
bool is_accepted(const Pool& pool);

struct ClusterSight {
  std::vector<Pool> pools = {};
  std::vector<KubeNode> nodes = {};
  std::vector<Pod> pods = {};
  std::vector<Address> addresses = {};
};

/// The machines of all pools, also of those not told to have nodes yet: starting. A rank is its pod and the
/// node that it is on; a node that no pod is on yet stands for the first rank that has none. It is billed
/// from its node's creation, which is the moment at which CoreWeave assigned it, as near as it is told (?).
/// Addresses have only the hosts.
///
/// A rank without a pod has ended: pods are made before the pool is told to have nodes, and go with their
/// node. Ranks that still wait for a node of a pool that gets none have ended, too.
std::vector<NodeView> view_machines(const std::string& zone, const ClusterSight& sight, Instant now);

/// "0,2" as ranks; what is no number is left out.
std::set<int> parse_ranks(std::string_view text);
std::string format_ranks(const std::set<int>& ranks);

/// "coreweave/US-EAST-04A/gb-llama-7k2q-a1-0".
struct MachinePlace {
  std::string zone = {};
  std::string pool = {};
  int rank = 0;
};
std::optional<MachinePlace> parse_machine_id(const NodeId& id);

}  // namespace gpubroker::coreweave
