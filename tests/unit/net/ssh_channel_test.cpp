// Nodes over the system's OpenSSH against real sshd's on loopback addresses.
#include "core/net/ssh_channel.hpp"

#include <filesystem>
#include <fstream>
#include <sys/utsname.h>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/net/ssh_script.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "tests/sshd_node.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

constexpr Millis kSoon{10'000};

const std::string kThisCpu = [] {
  utsname names = {};
  uname(&names);
  return cpu_of_uname(names.machine);
}();
const std::string kForeignCpu = kThisCpu == "arm64" ? "x86_64" : "arm64";

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

std::string gzipped(const std::string& bytes) {
  PosixProcesses processes;
  const Result<CommandResult> done = processes.run({.argv = {"gzip", "-nc"}, .stdin_bytes = bytes}, kSoon);
  REQUIRE(done.ok());
  return done.value().out;
}

/// Bytes that no compression makes smaller; the same for the same seed.
std::string noise(std::size_t size, std::uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    c = static_cast<char>(seed >> 56U);
  }
  return bytes;
}

std::string wait_for_log(SshChannel& channel, const NodeAddress& at, const std::string& wanted) {
  SystemClock clock;
  const Millis deadline = clock.monotonic() + kSoon;
  std::string log;
  while (log != wanted && clock.monotonic() < deadline) {
    const Result<std::string> read = channel.get(at, "attempts/1/agent.log", 0, 1'000);
    log = read.ok() ? read.value() : "";
    clock.sleep_until(clock.now() + Millis{20});
  }
  return log;
}

/// A machine of one's own: what lies beside the program is there for the next node too.
NodeAddress own_machine(const Node& node) {
  NodeAddress at = node.address();
  const std::filesystem::path root = at.root;
  at.binary = root.parent_path() / "own/bin/tool";
  return at;
}

std::filesystem::path only_file(const std::filesystem::path& folder) {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    CHECK(found.empty());
    found = entry.path();
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

TEST_CASE("ssh: what is started outlives the connection; our program and files come along in one session") {
  Node node("n1");
  Laptop laptop;
  const std::string program =
      gzipped("#!/bin/sh\necho \"$1 $SECRET $(cat attempts/1/spec)\"; sleep 0.3; echo on\n");
  SshChannel channel(laptop.processes, laptop.files,
                     {.folder = laptop.folder / "ssh", .programs = {{kThisCpu, program}}});
  const NodeAddress at = node.address();
  const Status started = channel.put_and_start(at,
                                               {{.path = "attempts/1/spec", .bytes = "it's", .mode = 0640},
                                                {.path = "attempts/1/deep/er", .bytes = ""}},
                                               {.argv = {at.binary, "agent"}, .env = {{"SECRET", "s3cr3t"}}},
                                               "attempts/1/agent.log");
  REQUIRE_MESSAGE(started.ok(), started.error().message);
  channel.forget(at);
  CHECK(wait_for_log(channel, at, "agent s3cr3t it's\non\n") == "agent s3cr3t it's\non\n");
  const std::filesystem::path root = at.root;
  using std::filesystem::perms;
  const auto mode = [&](const char* path) {
    return std::filesystem::status(root / path).permissions() & perms::mask;
  };
  CHECK(mode("attempts/1/spec") == perms{0640});
  CHECK(mode("attempts/1/deep/er") == perms{0600});
  CHECK(mode("attempts/1") == perms{0700});
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    CHECK(entry.path().filename().string().find("incoming") == std::string::npos);
  }
  CHECK(channel.put_and_start(at, {{.path = "../x"}}, {.argv = {"true"}}, "log").error().kind ==
        ErrorKind::invalid);
}

TEST_CASE("ssh: our program is not sent to where it is") {
  Node node("n1");
  Laptop laptop;
  const std::string program = gzipped("#!/bin/sh\necho sent\n");
  const auto channel_of = [&] {
    return SshChannel(laptop.processes, laptop.files,
                      {.folder = laptop.folder / "ssh", .programs = {{kThisCpu, program}}});
  };
  const auto check_twice = [&](const NodeAddress& at, SshChannel& first, SshChannel& second) {
    REQUIRE(first.start(at, {.argv = {at.binary, "agent"}}, "attempts/1/agent.log").ok());
    CHECK(wait_for_log(first, at, "sent\n") == "sent\n");
    std::ofstream(only_file(std::filesystem::path(at.binary).parent_path())) << "#!/bin/sh\necho kept\n";
    REQUIRE(second.start(at, {.argv = {at.binary, "agent"}}, "attempts/1/agent.log").ok());
    CHECK(wait_for_log(second, at, "sent\nkept\n") == "sent\nkept\n");
  };
  SshChannel one = channel_of();
  SUBCASE("by the same supervisor") {
    check_twice(node.address(), one, one);
  }
  SshChannel two = channel_of();
  SUBCASE("by anybody, on a machine of one's own") {
    check_twice(own_machine(node), one, two);
  }
}

TEST_CASE("ssh: a node of another CPU says so, and is sent its own program") {
  Node node("n1");
  Laptop laptop;
  const NodeAddress at = node.address();
  const std::string wrong = gzipped("#!/bin/sh\necho wrong\n");
  const std::string right = gzipped("#!/bin/sh\necho right\n");
  const Command agent{.argv = {at.binary, "agent"}};
  SUBCASE("which is carried") {
    SshChannel channel(
        laptop.processes, laptop.files,
        {.folder = laptop.folder / "ssh", .programs = {{kForeignCpu, wrong}, {kThisCpu, right}}});
    for (const char* log : {"attempts/1/agent.log", "attempts/2/agent.log"}) {
      const Status started = channel.put_and_start(at, {{.path = "spec", .bytes = "x"}}, agent, log);
      REQUIRE_MESSAGE(started.ok(), started.error().message);
    }
    CHECK(wait_for_log(channel, at, "right\n") == "right\n");
    CHECK(only_file(std::filesystem::path(at.binary).parent_path()).string().rfind(at.binary, 0) == 0);
  }
  SUBCASE("which is not carried") {
    SshChannel channel(laptop.processes, laptop.files,
                       {.folder = laptop.folder / "ssh", .programs = {{kForeignCpu, wrong}}});
    const Status started = channel.put_and_start(at, {{.path = "spec", .bytes = "x"}}, agent, "agent.log");
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().kind == ErrorKind::invalid);
    CHECK(started.error().code == "cpu");
    CHECK_FALSE(std::filesystem::exists(at.root));
  }
}

TEST_CASE("ssh: a transfer that breaks off leaves nothing that could be run") {
  Node node("n1");
  Laptop laptop;
  const std::string program = gzipped("#!/bin/sh\n#" + noise(100'000, 1) + "\n");
  const std::string cut = laptop.folder / "cut-ssh";
  const NodeAddress at = node.address();
  for (const char* bytes : {"300", "5000", "99000"}) {
    CAPTURE(bytes);
    std::ofstream(cut) << "#!/bin/sh\nhead -c " << bytes << " | ssh \"$@\"\n";
    std::filesystem::permissions(cut, std::filesystem::perms{0755});
    SshChannel channel(laptop.processes, laptop.files,
                       {.program = cut, .folder = laptop.folder / "ssh", .programs = {{kThisCpu, program}}});
    const Status started = channel.put_and_start(at, {{.path = "attempts/1/spec", .bytes = "x"}},
                                                 {.argv = {at.binary, "agent"}}, "attempts/1/agent.log");
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().kind == ErrorKind::internal);
    CHECK_FALSE(std::filesystem::exists(at.binary + "-"));
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(at.binary).parent_path()));
    CHECK_FALSE(std::filesystem::exists(at.root + "/attempts"));
    CHECK(std::filesystem::is_empty(at.root));
  }
}

TEST_CASE("ssh: a machine of one's own is sent what is new of a large file") {
  Node node("n1");
  Laptop laptop;
  const NodeAddress at = own_machine(node);
  const std::filesystem::path pieces =
      std::filesystem::path(at.binary).parent_path().parent_path() / "pieces";
  const auto count = [&] {
    return std::distance(std::filesystem::directory_iterator(pieces), std::filesystem::directory_iterator{});
  };
  const auto put = [&](const std::string& bytes) {
    std::ofstream(laptop.folder / "big") << bytes;
    const Status done = laptop.channel.put_file(at, "attempts/1/files.tar", laptop.folder / "big");
    REQUIRE_MESSAGE(done.ok(), done.error().message);
    std::ifstream there(at.root + "/attempts/1/files.tar");
    CHECK((std::string(std::istreambuf_iterator<char>(there), {}) == bytes));
  };
  const std::string first = noise(9'000'000, 7);
  put(first);
  const auto before = count();
  CHECK(before > 10);
  put(first);
  CHECK(count() == before);
  std::string second = first;
  second.insert(4'000'000, "new words");
  second.erase(7'000'000, 100);
  put(second);
  CHECK(count() - before >= 2);
  CHECK(count() - before <= 4);

  // A piece that was damaged there is never taken for whole: the file comes whole, the pieces anew.
  std::ofstream(std::filesystem::directory_iterator(pieces)->path()) << "rotten";
  put(second);
  put(second);
  CHECK(count() > 10);
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
