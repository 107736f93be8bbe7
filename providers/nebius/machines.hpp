#pragma once
// Nebius' instances and what lies around them: bytes to values. Field numbers are written where they are
// used. Source: nebius/api (protobuf files of 2026-08-19) and docs.nebius.com, read 2026-11.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/provider.hpp"
#include "core/wire/protobuf.hpp"
#include "providers/nebius/codec.hpp"

namespace gpubroker::nebius {

inline constexpr Method kCreateInstance{"compute", "nebius.compute.v1.InstanceService/Create"};
inline constexpr Method kGetInstance{"compute", "nebius.compute.v1.InstanceService/Get"};
inline constexpr Method kListInstances{"compute", "nebius.compute.v1.InstanceService/List"};
inline constexpr Method kDeleteInstance{"compute", "nebius.compute.v1.InstanceService/Delete"};
inline constexpr Method kCreateCluster{"compute", "nebius.compute.v1.GpuClusterService/Create"};
inline constexpr Method kListClusters{"compute", "nebius.compute.v1.GpuClusterService/List"};
inline constexpr Method kDeleteCluster{"compute", "nebius.compute.v1.GpuClusterService/Delete"};
inline constexpr Method kListDisks{"compute", "nebius.compute.v1.DiskService/List"};
inline constexpr Method kDeleteDisk{"compute", "nebius.compute.v1.DiskService/Delete"};
inline constexpr Method kListSubnets{"vpc", "nebius.vpc.v1.SubnetService/List"};

/// Who logs in; made by cloud-init.
inline constexpr std::string_view kUser = "ubuntu";
/// The machine's own name for its network interface: as we ask for it.
inline constexpr std::string_view kInterface = "eth0";
/// From the stop signal of a preemption to the end.
inline constexpr Millis kPreemptionNotice{60'000};

/// A UUID that is the same whenever this machine of this gang is asked for.
std::string idempotency_key(const Token& token, int rank);

/// Where a gang is made. `cluster`: empty where its machines have no InfiniBand together.
struct Place {
  std::string project = {};
  std::string subnet = {};
  std::string cluster = {};
};
/// `invalid` when the instance type is not "platform_preset".
Result<std::string> encode_create_instance(const GangRequest& request, int rank, const Place& place,
                                           const std::string& user_data);
/// {id1}: Get and Delete of everything, OperationService/Get as well.
std::string encode_id(const std::string& id);

/// InstanceStatus.InstanceState.
enum class InstanceState : std::uint8_t {
  unspecified = 0,
  creating = 1,
  updating = 2,
  starting = 3,
  running = 4,
  stopping = 5,
  stopped = 6,
  deleting = 7,
  error = 8,
};
/// One of ours. `view` has what the instance itself tells: id, tags, offer, creation, and the address' host.
struct Instance {
  NodeView view = {};
  InstanceState state = InstanceState::unspecified;
};
/// Ours among those of a project in `region`.
Result<Page<Instance>> parse_instances(std::string_view message, const std::string& region);
/// The same of Get.
Result<InstanceState> parse_instance_state(std::string_view message);
/// Of an Instance, or of the request that created one (their first fields are the same): nothing when it is
/// not ours.
Result<std::optional<Instance>> read_instance(std::string_view message, const std::string& region);
/// A field of `message` that is a google.protobuf.Timestamp{seconds1 nanos2}; nothing when it is absent.
Result<std::optional<Instant>> read_time(const ProtoMessage& message, int field);

/// The id of the subnet to use: the default one, else the first. Nothing: none on this page.
struct Subnet {
  std::string id = {};
  bool is_default = false;
};
Result<Page<Subnet>> parse_subnets(std::string_view message);

/// A disk or a GPU cluster of ours.
struct Belonging {
  std::string id = {};
  std::string name = {};
  Token token = {};
  bool is_attached = false;
};
Result<Page<Belonging>> parse_disks(std::string_view message);
Result<Page<Belonging>> parse_clusters(std::string_view message);

/// Whether machines of this type are joined by InfiniBand: the whole machines of eight GPUs.
bool joins_fabric(std::string_view instance_type);
/// The fabric with most machines of this type, by the capacity advisor; else the first that is known to have
/// them. Empty: none is known.
std::string choose_fabric(const std::vector<Advice>& advice, const OfferKey& key);
std::string encode_create_cluster(const GangRequest& request, const std::string& project,
                                  const std::string& fabric);

}  // namespace gpubroker::nebius
