#pragma once
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/node_channel.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::local {

/// Files and commands on a local node, directly. It fails as ssh would: once the machine's process is gone or
/// the cloud has taken it, every call is `network`. Commands get the environment of a fresh login (PATH,
/// HOME, USER …), never the caller's own: a node of a cloud would not have that either, and it may hold
/// secrets.
class LocalChannel : public NodeChannel {
 public:
  LocalChannel(Clock& clock, Files& files, Processes& processes)
      : clock_(clock), files_(files), processes_(processes) {}

  Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) override;
  Status put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) override;
  Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                          std::int64_t max) override;
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override;
  Status start(const NodeAddress& node, const Command& command, const std::string& output_path) override;

 private:
  Status check_node(const NodeAddress& node);
  Result<std::string> path_on(const NodeAddress& node, const std::string& path);
  Result<Command> command_on(const NodeAddress& node, const Command& command);

  Clock& clock_;
  Files& files_;
  Processes& processes_;
};

/// The environment of a login on a node: what of ours is not private, and the node's cookie.
std::map<std::string, std::string> login_environment(Processes& processes, const NodeId& node);

}  // namespace gpubroker::local
