#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/gpu.hpp"
#include "core/base/money.hpp"
#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/ports/node_channel.hpp"

namespace gpubroker::ssh {

/// One machine of the user's own, as machines.yaml has it. What is left empty, the user's ssh config tells.
struct Machine {
  std::string name = {};      // a-z, A-Z, 0-9, '.', '_', '-'
  std::string host = {};      // `name` unless said: then an alias of ~/.ssh/config
  std::string user = {};      // empty: ssh's own choice
  int port = 0;               // 0: ssh's own choice
  std::string identity = {};  // file of the private key; empty: the user's keys and agent
  std::string host_key = {};  // "ssh-ed25519 AAAA…"; empty: the first contact is believed and kept
  std::string address = {};   // the other nodes reach it there; empty: where our ssh arrived
  std::string folder = {};    // absolute, on a disk of its own; empty: ~/.gpubroker there
  Accelerator gpu = {};
  int cpus = 0;                 // 0: not told
  std::int64_t memory_mib = 0;  // 0: not told
  Rate price = {};              // what an hour of it is reckoned at
  std::string pool = "own";     // the region of its offers
  bool offline = false;         // switched off, as the user says: not asked, not given out
  bool operator==(const Machine&) const = default;
};

/// Reads machines.yaml (README.md says what is in it). `home`: of the user, for "~/". Fails with `invalid`,
/// naming file, line and field: no YAML, unknown fields, values that cannot be, two machines of one name.
Result<std::vector<Machine>> parse_machines(std::string_view yaml, const std::string& file,
                                            const std::string& home);

/// What it is sold as: "8xh100-sxm-96cpu", "16cpu", "machine". The same for machines that are alike.
std::string instance_type_of(const Machine& machine);

/// "ssh/box1", under which its connection and first host key are kept; its claims run from the login's home.
NodeAddress contact_of(const Machine& machine);

}  // namespace gpubroker::ssh
