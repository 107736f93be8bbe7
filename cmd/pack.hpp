#pragma once
#include <map>
#include <string>

#include "cmd/context.hpp"
#include "core/broker/state.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// The workdir and the file mounts as they are now, in one archive below <home>/archives: what later attempts
/// run must not depend on what is edited meanwhile. Empty when the task has neither. Left out of the workdir:
/// what `.skyignore` names, or, where there is none, what git ignores.
Result<std::string> pack_files(const Task& task, Context& context);

/// Removes what this machine keeps for a workload that will not run again: its archive and its secrets.
void forget_files(const std::string& archive, const std::string& workload, Context& context);

/// The same for all that is left of launches and supervisors that died in between. `live`: the workloads the
/// supervisor has read.
Status sweep_files(const std::map<WorkloadId, WorkloadState>& live, Journal& journal, Context& context);

}  // namespace gpubroker
