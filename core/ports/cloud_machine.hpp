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

/// The address of a machine that `user` logs in to, made of what a codec found of it (`host`, `peer_host`,
/// `port`): where gpubroker lives there, and the keys of its workload, if they are here.
Result<NodeAddress> login_address(KeyRing& keys, const NodeView& view, std::string_view user);

}  // namespace gpubroker
