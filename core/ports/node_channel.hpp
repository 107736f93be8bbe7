#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

/// Where a node is and where gpubroker lives on it.
struct NodeAddress {
  NodeId id = {};
  std::string host = {};       // IP address or name that it is reached by from here
  std::string peer_host = {};  // IP address that the gang's other nodes reach it by; empty: `host`
  std::string root =
      {};  // folder on the node that is gpubroker's own; paths given to the channel are below it
  /// The gpubroker program on the node. Where it lies outside of `root`, it and what is kept beside it
  /// outlive the node: a machine of one's own. Else the machine is new, and nothing of ours is there.
  std::string binary = {};
  // Of nodes that are reached over ssh:
  std::string user = {};
  int port = 22;              // 0: what the user's ssh config says
  std::string identity = {};  // file of the private key on this machine; empty: the user's own keys and agent
  std::string host_key = {};  // "ssh-ed25519 AAAA…", pinned; empty: the key of the first contact is believed
  bool operator==(const NodeAddress&) const = default;
};

/// A small file that is brought to a node.
struct NodeFile {
  std::string path = {};
  std::string bytes = {};
  int mode = 0600;
};

/// Files and commands on a node: directly (local), over ssh (clouds). Paths are relative to
/// NodeAddress::root. Errors: `network` when the node cannot be reached (maybe_applied for run), `not_found`
/// for a missing file, `capacity` when the node's disk is full. Each call is bounded to 60 s unless it says
/// otherwise.
class NodeChannel {
 public:
  virtual ~NodeChannel() = default;
  /// Replaces a file whole, making its folders.
  virtual Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) = 0;
  /// The same from a local file of any size; 10 minutes.
  virtual Status put_file(const NodeAddress& node, const std::string& path,
                          const std::string& local_path) = 0;
  /// Up to `max` bytes from `offset`; empty past the end.
  virtual Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                                  std::int64_t max) = 0;
  /// Runs a command in the node's root with the node's environment and waits for its end.
  virtual Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) = 0;
  /// Starts a command that outlives this call, the channel and us; output to `output_path` on the node.
  virtual Status start(const NodeAddress& node, const Command& command, const std::string& output_path) = 0;
  /// Puts the files, each whole, and then starts the command: in one exchange where each costs time.
  virtual Status put_and_start(const NodeAddress& node, const std::vector<NodeFile>& files,
                               const Command& command, const std::string& output_path) {
    for (const NodeFile& file : files) {
      if (Status s = put(node, file.path, file.bytes, file.mode); !s.ok()) { return s; }
    }
    return start(node, command, output_path);
  }
  /// The host key that the first contact showed, "ssh-ed25519 AAAA…"; empty: none is kept.
  virtual std::string first_host_key(const NodeAddress& /*node*/) { return {}; }
  /// The machine is gone, its address may be another's soon: nothing of it is kept here.
  virtual void forget(const NodeAddress& /*node*/) {}
};

}  // namespace gpubroker
