#pragma once
#include "core/ports/process.hpp"

namespace gpubroker {

/// Programs on this machine. Safe to use from several threads.
class PosixProcesses final : public Processes {
 public:
  Result<CommandResult> run(const Command& command, Millis timeout) override;
  Result<Child> start(const Command& command, const std::string& output_path) override;
  Result<std::int64_t> start_detached(const Command& command, const std::string& output_path) override;
  Result<std::optional<ProcessExit>> poll(const Child& child) override;
  Result<std::optional<std::string>> read_output(const Child& child) override;
  void release(Child& child) override;
  Status signal(std::int64_t pid, int signal) override;
  bool is_alive(std::int64_t pid) override;
  std::vector<std::int64_t> find_by_env(const std::string& name, const std::string& value) override;
  std::optional<std::string> env(const std::string& name) override;
  Result<std::string> self_path() override;
  std::int64_t self_pid() override;
};

}  // namespace gpubroker
