#pragma once
// What a provider of machines is made of, over a fake network: for the paths that no emulator takes.
#include <string>

#include "core/ports/cloud_machine.hpp"
#include "core/system/random.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/manual_clock.hpp"

namespace gpubroker::testing {

/// The same keys for every workload.
class FakeKeyRing final : public KeyRing {
 public:
  Result<NodeKeys> ensure(const WorkloadId& /*workload*/) override { return keys; }
  Result<std::optional<NodeKeys>> find(const WorkloadId& /*workload*/) override {
    return std::optional(keys);
  }
  Status forget(const WorkloadId& /*workload*/) override { return Ok{}; }
  NodeKeys keys = {.identity = "/keys/id",
                   .public_key = "ssh-ed25519 AAAA gpubroker",
                   .host_private = Secret("host-secret"),
                   .host_public = "ssh-ed25519 HOST"};
};

/// No node is reached.
class NoChannel final : public NodeChannel {
 public:
  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return gone(); }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return gone(); }
  Result<std::string> get(const NodeAddress&, const std::string&, std::int64_t, std::int64_t) override {
    return gone();
  }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override { return gone(); }
  Status start(const NodeAddress&, const Command&, const std::string&) override { return gone(); }

 private:
  static Error gone() { return {.kind = ErrorKind::network, .message = "no node here"}; }
};

/// A laptop with a key for one cloud in the environment variable `variable`.
struct PodWorld {
  explicit PodWorld(const std::string& variable) { home.processes.variables[variable] = "s3cret-key"; }
  FakeHome home = {};
  FakeHttp http = {};
  ManualClock clock = {};
  SystemRandom random = {};
  InTurn fan_out = {};
  FakeKeyRing keys = {};
  NoChannel channel = {};
  CloudParts parts() {
    return {.clock = clock,
            .random = random,
            .files = home.files,
            .processes = home.processes,
            .http = http,
            .fan_out = fan_out,
            .keys = keys,
            .channel = channel};
  }
};

}  // namespace gpubroker::testing
