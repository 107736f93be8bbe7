#pragma once
#include <optional>
#include <string>

#include "core/base/ids.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace gpubroker {

/// The keys of one workload's nodes: one pair to log in with, and the host key that they are made with, so
/// that the first contact is already with the right machine.
struct NodeKeys {
  std::string identity = {};     // file of the private key that logs in
  std::string public_key = {};   // "ssh-ed25519 AAAA… gpubroker"
  Secret host_private = {};      // in OpenSSH's format
  std::string host_public = {};  // "ssh-ed25519 AAAA…"
};

/// Key pairs on this machine, one set per workload.
class KeyRing {
 public:
  virtual ~KeyRing() = default;
  /// The workload's keys, made now if they are not there. Of two callers at once both get the same.
  virtual Result<NodeKeys> ensure(const WorkloadId& workload) = 0;
  /// The keys if they are here; a workload of another laptop has none.
  virtual Result<std::optional<NodeKeys>> find(const WorkloadId& workload) = 0;
  /// Throws them away. The gone succeeds.
  virtual Status forget(const WorkloadId& workload) = 0;
};

}  // namespace gpubroker
