#pragma once
#include <sys/types.h>

#include "core/ports/process.hpp"
#include "core/system/descriptor.hpp"

namespace gpubroker {

/// What becomes of a new process's standard files. Each may be the same descriptor as another.
struct StandardFds {
  int in = -1;
  int out = -1;
  int err = -1;
};

enum class Parentage {
  child,     // ours to reap
  detached,  // nobody's: adopted by init
};

/// Starts `command` as the leader of a new session, with default signals and no descriptor of ours but `fds`.
/// Its stdin_bytes are the caller's business (standard_input). Returns when the program has been loaded, so a
/// program that cannot be started is an error here: `not_found` or `invalid`.
Result<pid_t> spawn(const Command& command, const StandardFds& fds, Parentage parentage);

/// A descriptor from which a child reads `bytes` and then the end: nobody has to feed a pipe meanwhile.
Result<Fd> standard_input(const Command& command);

/// Waits for a child's end; without `block`, nothing while it runs.
Result<std::optional<ProcessExit>> wait_for(pid_t pid, bool block);

}  // namespace gpubroker
