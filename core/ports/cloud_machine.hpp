#pragma once
#include <functional>
#include <string>

#include "core/ports/clock.hpp"
#include "core/ports/fan_out.hpp"
#include "core/ports/files.hpp"
#include "core/ports/http.hpp"
#include "core/ports/key_ring.hpp"
#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker {

/// What a provider of machines over the network is made of. Everything is borrowed.
struct CloudParts {
  Clock& clock;
  Random& random;
  Files& files;
  Processes& processes;
  Http& http;  // retries what may be repeated; everything goes through it
  FanOut& fan_out;
  KeyRing& keys;
  NodeChannel& channel;  // SSH
};

/// A machine's addresses as a codec finds them: `host` and `peer_host` only.
/// Completed here: where gpubroker lives on a machine that `user` logs in to. `keys`: of the machine's
/// workload, if they are here.
NodeAddress ssh_address(const NodeId& id, const NodeAddress& found, int port, const std::string& user,
                        const std::optional<NodeKeys>& keys);

}  // namespace gpubroker
