// Nodes over the system's OpenSSH against real sshd's on loopback addresses.
#include "core/net/ssh_channel.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "tests/sshd_node.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

constexpr Millis kSoon{10'000};

using Node = testing::SshdNode;

struct Laptop {
  testing::TemporaryFolder folder = {};
  PosixProcesses processes = {};
  PosixFiles files = {};
  SshChannel channel{processes, files, {.folder = folder / "ssh", .connect_timeout = Millis{3'000}}};
};

TEST_CASE("ssh: files go there and back, any bytes, with their mode, whole") {
  Node node("n1");
  Laptop laptop;
  std::string bytes("a'b\n\0c", 6);
  bytes += std::string(100'000, '\xff');
  const Status put = laptop.channel.put(node.address(), "attempts/1/it's a file", bytes, 0640);
  REQUIRE_MESSAGE(put.ok(), put.error().message);
  const Result<std::string> back = laptop.channel.get(node.address(), "attempts/1/it's a file", 0, 1 << 20);
  REQUIRE(back.ok());
  CHECK(back.value() == bytes);
  CHECK(laptop.channel.get(node.address(), "attempts/1/it's a file", 2, 3).value() == bytes.substr(2, 3));
  CHECK(laptop.channel.get(node.address(), "attempts/1/it's a file", 1 << 20, 3).value().empty());
  const std::filesystem::path there = node.address().root + "/attempts/1/it's a file";
  CHECK((std::filesystem::status(there).permissions() & std::filesystem::perms::mask) ==
        std::filesystem::perms{0640});
  CHECK(laptop.channel.get(node.address(), "nothing", 0, 1).error().kind == ErrorKind::not_found);
  CHECK(laptop.channel.put(node.address(), "../x", "", 0600).error().kind == ErrorKind::invalid);

  std::ofstream(laptop.folder / "big") << std::string(5'000'000, 'x');
  REQUIRE(laptop.channel.put_file(node.address(), "big", laptop.folder / "big").ok());
  CHECK(std::filesystem::file_size(node.address().root + "/big") == 5'000'000);
}

TEST_CASE("ssh: a command has its folder, environment and input; its end is told") {
  Node node("n1");
  Laptop laptop;
  REQUIRE(laptop.channel.put(node.address(), "here/x", "1", 0600).ok());
  const auto run = [&](const Command& command) {
    const Result<CommandResult> result = laptop.channel.run(node.address(), command, kSoon);
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    return result.value();
  };
  CHECK(
      run({.argv = {"sh", "-c", "ls; echo \"$A\""}, .env = {{"A", "it's $HOME \"x\""}}, .cwd = "here"}).out ==
      "x\nit's $HOME \"x\"\n");
  CHECK(run({.argv = {"cat"}, .stdin_bytes = std::string("b\0c", 3)}).out == std::string("b\0c", 3));
  CHECK(run({.argv = {"cat"}}).out.empty());
  CHECK(run({.argv = {"sh", "-c", "echo no >&2; exit 3"}}).exit.code == 3);
  CHECK(run({.argv = {"sh", "-c", "exit 255"}}).exit.code == 254);
}

TEST_CASE("ssh: what is started outlives the connection, and brings our program along once") {
  Node node("n1");
  Laptop laptop;
  std::ofstream(laptop.folder / "tool") << "#!/bin/sh\necho \"$1 $SECRET\"; sleep 0.3; echo on\n";
  SshChannel channel(laptop.processes, laptop.files,
                     {.folder = laptop.folder / "ssh", .binary = laptop.folder / "tool"});
  const NodeAddress at = node.address();
  const Status started = channel.start(at, {.argv = {at.binary, "agent"}, .env = {{"SECRET", "s3cr3t"}}},
                                       "attempts/1/agent.log");
  REQUIRE_MESSAGE(started.ok(), started.error().message);
  channel.forget(at);
  SystemClock clock;
  const Millis deadline = clock.monotonic() + kSoon;
  std::string log;
  while (log != "agent s3cr3t\non\n" && clock.monotonic() < deadline) {
    log = channel.get(at, "attempts/1/agent.log", 0, 1'000).value();
    clock.sleep_until(clock.now() + Millis{20});
  }
  CHECK(log == "agent s3cr3t\non\n");
}

TEST_CASE(
    "ssh: another host key than the pinned one is refused, and so is a key of ours that it does not know") {
  Node node("n1");
  Node other("n2");
  Laptop laptop;
  NodeAddress wrong = node.address();
  wrong.host_key = other.public_key("host");
  const Status refused = laptop.channel.put(wrong, "x", "1", 0600);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::auth);
  CHECK(refused.error().code == "host-key");
  CHECK_FALSE(refused.error().maybe_applied);
  CHECK_FALSE(refused.error().hint.empty());

  NodeAddress stranger = node.address();
  stranger.identity = other.address().identity;
  const Status denied = laptop.channel.put(stranger, "x", "1", 0600);
  REQUIRE_FALSE(denied.ok());
  CHECK(denied.error().code == "ssh-key");
}

TEST_CASE("ssh: without a pinned key the first contact is believed, and only the first") {
  Node node("n1");
  Laptop laptop;
  NodeAddress at = node.address();
  at.host_key.clear();
  REQUIRE(laptop.channel.put(at, "x", "1", 0600).ok());
  // The machine comes back with another key behind the same id: an impostor.
  Result<std::vector<std::string>> hang_up = laptop.channel.login(at);
  REQUIRE(hang_up.ok());
  hang_up.value().insert(hang_up.value().begin() + 1, {"-O", "exit"});
  REQUIRE(laptop.processes.run({.argv = hang_up.value()}, kSoon).ok());
  node.stop();
  std::filesystem::remove(at.identity.substr(0, at.identity.rfind('/')) + "/host");
  node.make_key("host");
  node.start();
  const Status refused = laptop.channel.put(at, "x", "2", 0600);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == "host-key");
}

TEST_CASE("ssh: nobody there is network, and nothing can have happened") {
  Laptop laptop;
  NodeAddress at;
  {
    Node node("n1");
    at = node.address();
    at.identity.clear();
  }
  const Status gone = laptop.channel.put(at, "x", "1", 0600);
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().kind == ErrorKind::network);
  CHECK(gone.error().code == "unreachable");
  CHECK_FALSE(gone.error().maybe_applied);
}

TEST_CASE("ssh: a machine that is lost in the middle may have done it") {
  Node node("n1");
  Laptop laptop;
  const NodeAddress at = node.address();
  REQUIRE(laptop.channel.put(at, "x", "1", 0600).ok());
  // The session kills its own connection: as a machine that vanishes.
  const Result<CommandResult> lost = laptop.channel.run(
      at,
      {.argv = {"sh", "-c",
                "p=$PPID; while [ $p -gt 1 ]; do q=$(ps -o ppid= -p $p); n=$(ps -o comm= -p $p); [ \"$n\" = "
                "sshd ] && kill -9 $p; p=$q; [ \"$n\" = sshd ] && break; done; sleep 5"}},
      kSoon);
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().kind == ErrorKind::network);
  CHECK(lost.error().maybe_applied);
}

}  // namespace
}  // namespace gpubroker
