#pragma once
#include <string>

#include "core/base/result.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// Looks at the disk for what the task names: the workdir, file mounts and files of secrets. `invalid`,
/// naming the field and the path.
Status check_paths(const Task& task, Files& files);

/// What a mount's target may be: no "..", and on nodes that share their machine with others nothing absolute.
/// `invalid`, naming the field.
Status check_mounts(const std::vector<FileMount>& mounts, const std::string& provider, bool shares_machine);

/// The values of the task's secrets as the text of secrets.json ({"NAME": "value"}); empty when the task has
/// none. `invalid` for a missing one, naming the variable or file and how to give it.
Result<std::string> read_secrets_json(const Task& task, Files& files, Processes& processes);

}  // namespace gpubroker
