#pragma once
// What cloud-init makes of a new machine (https://cloudinit.readthedocs.io, modules ssh, users-groups,
// runcmd; read 2026-11).
#include <string>

#include "core/base/time.hpp"
#include "core/ports/key_ring.hpp"

namespace gpubroker {

struct BootPlan {
  const NodeKeys& keys;
  Instant now = {};
  Instant expires = {};   // powers itself off then, rounded up to the minute
  std::string user = {};  // made, if given, with the key and sudo; else the image's own user gets the key
};

/// "#cloud-config" in JSON, which is YAML. Holds the machine's private host key: a secret.
std::string cloud_config(const BootPlan& plan);

}  // namespace gpubroker
