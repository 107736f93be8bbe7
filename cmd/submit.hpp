#pragma once
// From a task file to a workload in the journal: shared by `launch` and `rehearse`.
#include <string>

#include "cmd/commands.hpp"
#include "core/broker/broker.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// The task with the command line's overrides; warnings go to standard error. Paths are looked up beside the
/// file.
Result<Task> read_task(const LaunchOptionsCli& options, Context& context);

/// What the task needs of this machine: its folders and files, and its secrets (`invalid`, naming the field);
/// and whether its checkpoint store can be reached with them (cmd/object_stores.hpp).
Status check_task(const Task& task, Context& context);

/// Mounts must be possible on the provider that is likely to be taken.
Status check_mounts_at(const Task& task, const std::vector<Judged>& judged, Context& context);

/// Checks the task, its store by writing to it, packs its workdir and writes the workload into the journal,
/// its secrets beside it before that. A supervisor is the caller's affair.
Result<Accepted> submit(const Task& task, LaunchOptions options, Context& context);

}  // namespace gpubroker
