#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/node_channel.hpp"

namespace gpubroker {

struct CutArchive;

/// A program for nodes of one CPU ("x86_64", "arm64"), compressed by gzip. Borrowed for good.
struct NodeProgram {
  std::string cpu = {};
  std::string_view gz = {};
};

struct SshOptions {
  std::string program = "ssh";  // the system's OpenSSH: the user's config, agent and ProxyJump are respected
  std::string folder =
      {};  // ours: control sockets and pinned host keys; short, a socket's path has 104 characters
  /// The program that is brought to nodes that have it not, by their CPU, the likeliest first; empty: they
  /// have it.
  std::vector<NodeProgram> programs = {};
  Millis connect_timeout{10'000};
};

/// Nodes over the system's OpenSSH, one multiplexed connection each (ControlMaster), kept for a minute after
/// its last use. Host keys are pinned: from NodeAddress::host_key, else that of the first contact, and a
/// changed one is refused. Environments and file contents travel over standard input, never in a command
/// line. May be used from many threads.
///
/// What is put at a start goes in one session, as an archive on its standard input: our program, if it is not
/// there yet, the files, and the script that puts them in their places when all of them have arrived. The
/// program lies at NodeAddress::binary with its hash for an ending: what is there under that name is whole. A
/// node of another CPU says so before it takes anything, and is sent its own program.
///
/// A large file for a machine of one's own goes in pieces that are kept there, beside the program: the next
/// one is made of what is there, and only what is new is sent.
///
/// Errors: `network` when the node cannot be reached, code "unreachable" (the command did not run), or was
/// lost (maybe_applied); `auth` when the key is refused (code "ssh-key") or the host key is another one (code
/// "host-key"); `invalid` (code "cpu") when there is no program for the node's CPU; `not_found`, `capacity`
/// as NodeChannel says.
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
  Status put_and_start(const NodeAddress& node, const std::vector<NodeFile>& files, const Command& command,
                       const std::string& output_path) override;
  std::string first_host_key(const NodeAddress& node) override;

  /// The command line that logs in there: for `gpubroker ssh` and for a person's ssh config.
  Result<std::vector<std::string>> login(const NodeAddress& node);
  /// The file that the node's host key is pinned in.
  [[nodiscard]] std::string known_hosts(const NodeAddress& node) const;
  [[nodiscard]] const std::string& folder() const { return options_.folder; }
  /// Ends the connection too.
  void forget(const NodeAddress& node) override;

 private:
  [[nodiscard]] std::string socket_of(const NodeAddress& node) const;
  Result<CommandResult> remote(const NodeAddress& node, const std::string& script, Command input,
                               Millis timeout);
  /// False: that machine cannot do it, nothing has changed.
  Result<bool> put_pieces(const NodeAddress& node, const std::string& target, const std::string& local_path);
  Result<std::shared_ptr<const CutArchive>> cut(const std::string& local_path);
  struct Program {
    NodeProgram is = {};
    std::string hash = {};
  };
  /// The node's, as far as is known; nullptr: none is brought at all.
  const Program* program_for(const NodeAddress& node);
  /// The same once the node has said what CPU it has, in the words of uname.
  Result<const Program*> other_program(const NodeAddress& node, const std::string& machine);
  bool expects_program(const NodeAddress& node);
  Result<CommandResult> start_with(const NodeAddress& node, const std::vector<NodeFile>& files,
                                   const Command& command, const std::string& output, const Program* program);
  Result<CommandResult> deliver(const NodeAddress& node, const std::vector<NodeFile>& files,
                                const std::string& script, const Program* program);

  Processes& processes_;
  Files& files_;
  SshOptions options_;
  std::mutex mutex_ = {};
  std::vector<Program> programs_ = {};            // with their hashes, once one was needed
  std::map<std::string, std::string> cpus_ = {};  // nodes that said to have another one than the first
  std::mutex cut_mutex_ = {};                     // held while one is cut: many nodes want the same
  std::string cut_name_ = {};                     // of the file that was cut last: path, size and time
  std::shared_ptr<const CutArchive> cut_ = {};
  std::set<std::string> with_program_ = {};  // nodes that have it
};

}  // namespace gpubroker
