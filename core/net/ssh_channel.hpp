#pragma once
#include <mutex>
#include <set>
#include <string>

#include "core/ports/files.hpp"
#include "core/ports/node_channel.hpp"

namespace gpubroker {

struct SshOptions {
  std::string program = "ssh";  // the system's OpenSSH: the user's config, agent and ProxyJump are respected
  std::string folder =
      {};  // ours: control sockets and pinned host keys; short, a socket's path has 104 characters
  std::string binary = {};  // this program, brought to nodes that have it not; empty: they have it
  Millis connect_timeout{10'000};
};

/// Nodes over the system's OpenSSH, one multiplexed connection each (ControlMaster), kept for a minute after
/// its last use. Host keys are pinned: from NodeAddress::host_key, else that of the first contact, and a
/// changed one is refused. Environments and file contents travel over standard input, never in a command
/// line. May be used from many threads.
///
/// Errors: `network` when the node cannot be reached, code "unreachable" (the command did not run), or was
/// lost (maybe_applied); `auth` when the key is refused (code "ssh-key") or the host key is another one (code
/// "host-key"); `not_found`, `capacity` as NodeChannel says.
class SshChannel final : public NodeChannel {
 public:
  /// Borrows both.
  SshChannel(Processes& processes, Files& files, SshOptions options)
      : processes_(processes), files_(files), options_(std::move(options)) {}

  Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) override;
  Status put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) override;
  Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                          std::int64_t max) override;
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override;
  Status start(const NodeAddress& node, const Command& command, const std::string& output_path) override;
  std::string first_host_key(const NodeAddress& node) override;

  /// The command line that logs in there: for `gpubroker ssh` and for a person's ssh config.
  Result<std::vector<std::string>> login(const NodeAddress& node);
  /// The file that the node's host key is pinned in.
  [[nodiscard]] std::string known_hosts(const NodeAddress& node) const;
  [[nodiscard]] const std::string& folder() const { return options_.folder; }
  /// Ends the connection and forgets the pinned key: the machine is gone, its address may be another's soon.
  void forget(const NodeAddress& node);

 private:
  Result<CommandResult> remote(const NodeAddress& node, const std::string& script, Command input,
                               Millis timeout);
  Status ensure_binary(const NodeAddress& node);

  Processes& processes_;
  Files& files_;
  SshOptions options_;
  std::mutex mutex_ = {};
  std::set<std::string> with_binary_ = {};  // nodes that have our program
};

}  // namespace gpubroker
