#pragma once
#include <map>

#include "cmd/context.hpp"
#include "core/broker/state.hpp"

namespace gpubroker {

/// Entries for plain `ssh NAME` and `ssh NAME-RANK` of the live workloads, in <home>/ssh_config; a workload
/// that is over is no longer in it. Written only when it changes. The user's own ~/.ssh/config gets one
/// Include line, once, and only if that file, or its folder, is there and ours to write.
Status write_ssh_config(const std::map<WorkloadId, WorkloadState>& live, Context& context);

/// The text of the entries.
std::string ssh_config_text(const std::map<WorkloadId, WorkloadState>& live,
                            const std::function<std::string(const NodeAddress&)>& known_hosts);

}  // namespace gpubroker
