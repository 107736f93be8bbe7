#pragma once
// The real agent on a folder of its own, with real processes: forked, so that it can be killed.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/agent/agent.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker::testing {

/// A node's root; at its end every process of its attempts and every file is gone.
class Node {
 public:
  Node();
  explicit Node(std::string root);  // that exists, and is removed too
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// A spec for a one-node job that nothing limits.
  [[nodiscard]] AgentSpec spec(const std::string& run) const;
  /// Writes spec.json and runs an agent on it in a process of its own.
  void start(const AgentSpec& spec);
  /// Another agent on the same attempt, with a clock of the caller's making.
  void start_agent(const std::function<std::unique_ptr<Clock>()>& make_clock = {});
  /// The exit code of the agent; fails the test when it takes longer.
  int wait_for_agent(Millis limit = std::chrono::seconds{20});
  void kill_agent(int signal);
  [[nodiscard]] bool agent_lives();

  /// Polls until `done`, or fails the test.
  void wait_for(const std::string& what, const std::function<bool()>& done,
                Millis limit = std::chrono::seconds{20});
  [[nodiscard]] AgentReport report();
  AgentReport run(const AgentSpec& spec, Millis limit = std::chrono::seconds{20});
  void ask(const std::string& name, const AgentRequest& request);
  std::string output();  // of both files
  std::string text(const std::string& path);
  void write(const std::string& path, const std::string& bytes);
  [[nodiscard]] std::string root() const { return root_; }
  [[nodiscard]] std::string folder() const { return root_ + "/attempts/1"; }
  [[nodiscard]] std::string store_url() const { return "file://" + root_ + "/store"; }
  std::vector<std::int64_t> job_processes();

  PosixFiles files;
  PosixProcesses processes;
  SystemClock clock;

 private:
  std::string root_;
  std::int64_t agent_ = -1;
};

}  // namespace gpubroker::testing
