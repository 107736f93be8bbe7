// Claims over the system's OpenSSH, on real sshd's on loopback: each is a machine, told apart by its folder.
#include <doctest/doctest.h>

#include "core/net/fan_out.hpp"
#include "core/net/ssh_channel.hpp"
#include "tests/sshd_node.hpp"
#include "tests/unit/ssh/world.hpp"

namespace gpubroker::ssh {
namespace {

std::string entry(const std::string& name, const testing::SshdNode& node, const std::string& folder) {
  const NodeAddress at = node.address();
  return "- {name: " + name + ", host: 127.0.0.1, port: " + std::to_string(at.port) +
         ", identity: " + at.identity + ", folder: " + folder + "/" + name + ", cpus: 4}\n";
}

GangRequest gang(const std::string& token) {
  SystemClock clock;
  return {.token = {token},
          .offer = {.key = {.provider = "ssh", .region = "own", .instance_type = "4cpu"}},
          .nodes = 2,
          .tags = {.workload = {"w"}, .attempt = 1, .expires = clock.now() + std::chrono::hours{1}}};
}

TEST_CASE("ssh provider, real sshd: a gang from claim to end; its first host key is kept") {
  const testing::SshdNode one("one");
  const testing::SshdNode two("two");
  testing::FakeHome home;
  testing::TemporaryFolder disks;
  SshChannel channel{home.processes, home.files, {.folder = home.folder / "ssh"}};
  Laptop laptop{channel, "machines:\n" + entry("one", one, disks.path()) + entry("two", two, disks.path())};
  Provisioner& cloud = laptop.provider->provisioner();
  const auto made = cloud.ensure_gang(gang("t1"));
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  REQUIRE(made.value().size() == 2);
  const NodeAddress& at = made.value()[0].address;
  CHECK(at.peer_host == "127.0.0.1");
  CHECK(at.root == disks / "one/nodes/gb-t1");
  CHECK(at.host_key == one.public_key("host"));
  NodeChannel& nodes = laptop.provider->channel();
  REQUIRE(nodes.put(at, "x", "here", 0600).ok());
  REQUIRE(nodes.start(at, {.argv = {"sh", "-c", "echo $$ > pid; exec sleep 300"}}, "log").ok());
  SystemClock clock;
  const Millis deadline = clock.monotonic() + std::chrono::seconds{10};
  std::int64_t pid = 0;
  while (pid == 0 && clock.monotonic() < deadline) {
    const auto text = nodes.get(at, "pid", 0, 100);
    if (text.ok()) { pid = parse_int(trim(text.value())).value_or(0); }
  }
  REQUIRE(pid != 0);
  CHECK(cloud.ensure_gang(gang("t2")).error().kind == ErrorKind::capacity);
  const Status ended = cloud.terminate({made.value()[0].id, made.value()[1].id});
  REQUIRE_MESSAGE(ended.ok(), ended.error().message);
  CHECK_FALSE(home.processes.is_alive(pid));
  CHECK_FALSE(std::filesystem::exists(at.root));
  CHECK(cloud.ensure_gang(gang("t2")).ok());
}

TEST_CASE("ssh provider, real sshd: two laptops at once, and one gets all") {
  const testing::SshdNode one("one");
  const testing::SshdNode two("two");
  testing::TemporaryFolder disks;
  const std::string list = "machines:\n" + entry("one", one, disks.path()) + entry("two", two, disks.path());
  testing::FakeHome left_home;
  testing::FakeHome right_home;
  SshChannel left_channel{left_home.processes, left_home.files, {.folder = left_home.folder / "ssh"}};
  SshChannel right_channel{right_home.processes, right_home.files, {.folder = right_home.folder / "ssh"}};
  Laptop left{left_channel, list};
  Laptop right{right_channel, list};
  std::vector<Result<std::vector<NodeView>>> made(2, Error{});
  ThreadFanOut().run(2, 2, [&](std::size_t i) {
    made[i] = (i == 0 ? left : right).provider->provisioner().ensure_gang(gang("t" + std::to_string(i)));
  });
  CHECK(made[0].ok() != made[1].ok());
  const auto listed = left.provider->provisioner().list();
  REQUIRE(listed.ok());
  REQUIRE(listed.value().size() == 2);
  CHECK(listed.value()[0].token == listed.value()[1].token);
}

}  // namespace
}  // namespace gpubroker::ssh
