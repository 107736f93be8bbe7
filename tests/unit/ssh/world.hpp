#pragma once
// Laptops and machines of one's own for tests: every machine is a folder here, the commands are really run.
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "core/system/clock.hpp"
#include "core/system/process.hpp"
#include "providers/ssh/claims.hpp"
#include "providers/ssh/provider.hpp"
#include "tests/pod_world.hpp"

namespace gpubroker::ssh {

/// Machines by host. A command runs here with HOME in the machine's folder.
class FakeMachines final : public NodeChannel {
 public:
  testing::TemporaryFolder folder = {};
  PosixProcesses processes = {};
  std::set<std::string> silent = {};  // hosts that do not answer
  std::set<std::string> deaf = {};    // hosts whose next answer is lost
  std::function<void(const NodeAddress&, const std::string& script)> before_run = [](auto&, auto&) {};

  std::string home(const std::string& host) const { return folder / host; }
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override {
    if (silent.count(node.host) != 0) {
      return Error{.kind = ErrorKind::network, .message = "Connection refused", .code = "unreachable"};
    }
    before_run(node, command.argv.at(2));
    std::filesystem::create_directories(home(node.host));
    Command here = command;
    here.env["HOME"] = home(node.host);
    here.env["SSH_CONNECTION"] = "10.0.0.1 40000 10.0.0.9 22";
    here.cwd = home(node.host);
    Result<CommandResult> result = processes.run(here, timeout);
    if (deaf.erase(node.host) != 0) {
      return Error{.kind = ErrorKind::network, .message = "lost", .maybe_applied = true};
    }
    return result;
  }
  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return Ok{}; }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return Ok{}; }
  Result<std::string> get(const NodeAddress&, const std::string&, std::int64_t, std::int64_t) override {
    return std::string{};
  }
  Status start(const NodeAddress&, const Command& command, const std::string&) override {
    started = command;
    return Ok{};
  }
  std::string first_host_key(const NodeAddress&) override { return "ssh-ed25519 FIRST"; }
  Command started = {};
};

/// A laptop with a list of machines.
struct Laptop {
  explicit Laptop(NodeChannel& machines, const std::string& list) : channel(machines) {
    home.write("machines.yaml", list);
  }
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
  NodeChannel& channel;
  testing::FakeHome home = {};
  testing::FakeHttp http = {};
  SystemClock clock = {};
  SystemRandom random = {};
  InTurn fan_out = {};
  testing::FakeKeyRing keys = {};
  std::unique_ptr<Provider> provider = make_provider(parts(), home.folder.path());
};

}  // namespace gpubroker::ssh
