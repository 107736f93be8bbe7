#pragma once
#include "core/ports/cloud_machine.hpp"
#include "providers/azure/arm.hpp"

namespace gpubroker::azure {

/// Everything of ours that the subscription has. Fails whole.
Result<std::vector<NodeView>> list_machines(Arm& arm, const CloudParts& parts);
/// Our resource groups.
Result<std::vector<GangGroup>> list_groups(Arm& arm);

/// Provisioner::ensure_gang: the group, its network, then a network card and a machine for each rank. What is
/// refused takes the whole group along.
Result<std::vector<NodeView>> ensure_gang(Arm& arm, const CloudParts& parts, const GangRequest& request);

/// Provisioner::terminate: the whole group when no other machine of the gang is left.
Status end_machines(Arm& arm, const CloudParts& parts, const std::vector<NodeId>& nodes);

/// Deletes a gang's group. The gone succeeds; `conflict` while a machine in it lives.
Status remove_group(Arm& arm, const std::string& group);

}  // namespace gpubroker::azure
