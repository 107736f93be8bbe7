#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// How a process ended: by exit (code) or by a signal. Exactly one is set.
struct ProcessExit {
  std::optional<int> code = {};
  std::optional<int> signal = {};
  bool operator==(const ProcessExit&) const = default;
};

struct Command {
  std::vector<std::string> argv = {};           // argv[0] is looked up on PATH
  std::map<std::string, std::string> env = {};  // the whole environment of the child, unless inherit_env
  bool inherit_env = true;                      // start from ours, then `env` on top
  std::string cwd = {};                         // empty: ours
  std::string stdin_bytes = {};                 // given to the child's standard input, then closed
  std::string stdin_file = {};                  // instead of bytes: a file of any size
};

struct CommandResult {
  ProcessExit exit = {};
  std::string out = {};  // at most 16 MiB of each are kept
  std::string err = {};
};

/// A started child of this process.
struct Child {
  std::int64_t pid = 0;
  int output_fd =
      -1;  // standard output and error together, when asked for; non-blocking; closed by release()
};

/// Programs on this machine. Errors: `not_found` when argv[0] or cwd does not exist, `invalid` when it may
/// not be run.
class Processes {
 public:
  virtual ~Processes() = default;
  /// Runs to its end, at most `timeout` (then its process group is killed: `network` with code "timeout").
  virtual Result<CommandResult> run(const Command& command, Millis timeout) = 0;
  /// Starts in a new session. Output goes to `output_path` (appended) or, when that is empty, to
  /// Child::output_fd.
  virtual Result<Child> start(const Command& command, const std::string& output_path) = 0;
  /// Starts detached from us for good: new session, standard output and error to `output_path`, never our
  /// child to reap (double fork). Returns its pid.
  virtual Result<std::int64_t> start_detached(const Command& command, const std::string& output_path) = 0;
  /// Whether a child started here has ended, without waiting. Reaps it.
  virtual Result<std::optional<ProcessExit>> poll(const Child& child) = 0;
  /// Reads what is there, up to 1 MiB, without waiting; empty optional at the end of file.
  virtual Result<std::optional<std::string>> read_output(const Child& child) = 0;
  virtual void release(Child& child) = 0;
  virtual Status signal(std::int64_t pid, int signal) = 0;  // a negative pid is a group; the gone succeeds
  virtual bool is_alive(std::int64_t pid) = 0;              // false for zombies
  /// Pids of all processes whose environment holds `name=value` (set at their start, so it finds what left
  /// its group or session). Not ourselves. Ascending. Linux: /proc.
  virtual std::vector<std::int64_t> find_by_env(const std::string& name, const std::string& value) = 0;
  /// Our own environment.
  virtual std::optional<std::string> env(const std::string& name) = 0;
  /// The path of the running program.
  virtual Result<std::string> self_path() = 0;
  virtual std::int64_t self_pid() = 0;
};

}  // namespace gpubroker
