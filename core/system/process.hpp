#pragma once
#include "core/ports/process.hpp"

namespace gpubroker {

/// Programs of this machine. Each is started as the leader of its own session and process group (its pid is
/// the group's), with default signals and no open file of ours. Safe from any thread. run() returns when the
/// program itself has ended; what it left in the background may go on, and may keep its output.
class PosixProcesses : public Processes {
 public:
  Result<CommandResult> run(const Command& command, Millis timeout) override;
  Result<Child> start(const Command& command, const std::string& output_path) override;
  Result<std::int64_t> start_detached(const Command& command, const std::string& output_path) override;
  Result<std::optional<ProcessExit>> poll(const Child& child) override;
  Result<std::optional<std::string>> read_output(const Child& child) override;
  void release(Child& child) override;
  /// 0 and -1, which would reach ourselves or everybody, are `invalid`.
  Status signal(std::int64_t pid, int signal) override;
  bool is_alive(std::int64_t pid) override;
  std::vector<std::int64_t> find_by_env(const std::string& name, const std::string& value) override;
  std::optional<std::string> env(const std::string& name) override;
  Result<std::string> self_path() override;
  std::int64_t self_pid() override;
};

}  // namespace gpubroker
