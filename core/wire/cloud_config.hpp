#pragma once
// What cloud-init makes of a new machine (https://cloudinit.readthedocs.io, modules ssh, users-groups,
// runcmd; read 2026-11).
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "core/ports/key_ring.hpp"

namespace gpubroker {

struct BootPlan {
  const NodeKeys& keys;
  Instant now = {};
  Instant expires = {};   // powers itself off then, rounded up to the minute
  std::string user = {};  // made, if given, with the key and sudo; else the image's own user gets the key
  std::vector<std::vector<std::string>> commands = {};  // run as root at the first boot
};

/// "#cloud-config" in JSON, which is YAML. Holds the machine's private host key: a secret.
std::string cloud_config(const BootPlan& plan);

/// The same as a script, for where there is a shell at boot and no cloud-init (GCP's startup-script,
/// containers' start command). Puts the host key in place and restarts sshd.
std::string boot_script(const BootPlan& plan);

}  // namespace gpubroker
