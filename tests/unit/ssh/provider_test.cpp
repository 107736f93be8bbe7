#include "providers/ssh/provider.hpp"

#include <doctest/doctest.h>

#include "core/system/clock.hpp"
#include "tests/unit/ssh/world.hpp"

namespace gpubroker::ssh {
namespace {

constexpr const char* kThree =
    "machines:\n- {name: a, gpus: 'H100:8', price: 2}\n- {name: b, gpus: 'H100:8', price: 3}\n- {name: c, "
    "gpus: "
    "'H100:8', price: 1}\n- {name: d, cpus: 4}\n";

GangRequest gang(const std::string& token, int nodes, Millis life = std::chrono::hours{1}) {
  SystemClock clock;
  return {.token = {token},
          .offer = {.key = {.provider = "ssh", .region = "own", .instance_type = "8xh100"}},
          .nodes = nodes,
          .tags = {.workload = {"w-" + token}, .attempt = 1, .owner = "ann", .expires = clock.now() + life}};
}

std::vector<std::string> names(const std::vector<NodeView>& views) {
  std::vector<std::string> out;
  for (const NodeView& view : views) {
    out.push_back(view.id.value + (view.state == NodeState::ended ? " " + view.end_reason : ""));
  }
  return out;
}

struct World {
  FakeMachines machines = {};
  Laptop laptop{machines, kThree};
  Provisioner& cloud = laptop.provider->provisioner();
  std::vector<std::string> ensure(const GangRequest& request) {
    const auto made = cloud.ensure_gang(request);
    REQUIRE_MESSAGE(made.ok(), made.error().message);
    return names(made.value());
  }
  std::vector<std::string> list() {
    const auto listed = cloud.list();
    REQUIRE_MESSAGE(listed.ok(), listed.error().message);
    return names(listed.value());
  }
  int free() {
    const auto offers = laptop.provider->prices()->offers();
    REQUIRE(offers.ok());
    for (const Offer& offer : offers.value()) {
      if (offer.key.instance_type == "8xh100") { return offer.available.value_or(-1); }
    }
    return -1;
  }
};

using Names = std::vector<std::string>;

TEST_CASE("ssh provider: without a list there is no account") {
  FakeMachines machines;
  Laptop laptop(machines, kThree);
  CHECK(laptop.provider->has_account());
  CHECK(laptop.home.files.remove_all(laptop.home.folder / "machines.yaml").ok());
  CHECK_FALSE(laptop.provider->has_account());
}

TEST_CASE("ssh provider: offers count the free and promise what each has") {
  World world;
  const auto offers = world.laptop.provider->prices()->offers();
  REQUIRE(offers.ok());
  REQUIRE(offers.value().size() == 2);
  const Offer& gpus = offers.value()[1];
  CHECK(gpus.key.instance_type == "8xh100");
  CHECK(gpus.key.region == "own");
  CHECK(gpus.price == Rate{3'000'000});
  CHECK(gpus.available == 3);
  world.ensure(gang("t1", 2));
  CHECK(world.free() == 1);
  const auto history = world.laptop.provider->prices()->price_history(gpus.key, Instant{5}, Instant{9});
  CHECK(history.value() == std::vector<PricePoint>{{Instant{5}, Rate{3'000'000}}});
}

TEST_CASE("ssh provider: all or none, once per token, also from another laptop") {
  World world;
  CHECK(world.ensure(gang("t1", 2)) == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
  CHECK(world.ensure(gang("t1", 2)) == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
  Laptop other(world.machines, kThree);
  const auto again = other.provider->provisioner().ensure_gang(gang("t1", 2));
  REQUIRE(again.ok());
  CHECK(names(again.value()) == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
  const NodeView& node = again.value()[1];
  CHECK(node.index == 1);
  CHECK(node.price == Rate{3'000'000});
  CHECK(node.tags.workload.value == "w-t1");
  CHECK(node.address.host_key == "ssh-ed25519 FIRST");
  CHECK(node.address.peer_host == "10.0.0.9");

  const auto refused = other.provider->provisioner().ensure_gang(gang("t2", 2));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::capacity);
  CHECK_FALSE(refused.error().maybe_applied);
  CHECK(refused.error().message.find("a: has w-t1 until ") != std::string::npos);
  CHECK(world.list() == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
  CHECK(world.cloud.ensure_gang(gang("t1", 1)).error().code == "TokenMismatch");
}

TEST_CASE("ssh provider: what is taken while we claim is replaced, or all is given back") {
  World world;
  Laptop other(world.machines, kThree);
  bool done = false;
  world.machines.before_run = [&](const NodeAddress& node, const std::string& script) {
    if (done || node.host != "b" || script.find("ln claim.new") == std::string::npos) { return; }
    done = true;  // another laptop is quicker at b, that is left of the free for it
    static_cast<void>(
        world.machines.run(node, command_claim({.name = "b"}, gang("t9", 1), 0), Millis{9'000}));
  };
  SUBCASE("a spare one") {
    CHECK(world.ensure(gang("t1", 2)) == Names{"ssh/a/gb-t1", "ssh/c/gb-t1"});
  }
  SUBCASE("none") {
    const auto refused = world.cloud.ensure_gang(gang("t1", 3));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == ErrorKind::capacity);
    CHECK_FALSE(refused.error().maybe_applied);
    CHECK(world.list() == Names{"ssh/b/gb-t9"});
    CHECK(world.free() == 2);
  }
}

TEST_CASE("ssh provider: a lost answer is completed by the same token") {
  World world;
  CHECK(world.free() == 3);
  world.machines.before_run = [&](const NodeAddress& node, const std::string& script) {
    if (node.host == "b" && script.find("ln claim.new") != std::string::npos) { world.machines.deaf = {"b"}; }
  };
  const auto lost = world.cloud.ensure_gang(gang("t1", 2));
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().kind == ErrorKind::network);
  CHECK(lost.error().maybe_applied);
  CHECK(world.ensure(gang("t1", 2)) == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
  CHECK(world.free() == 1);
}

TEST_CASE("ssh provider: terminate ends the claim and what runs for it, and only that") {
  World world;
  world.ensure(gang("t1", 2));
  const auto job =
      world.machines.processes.start({.argv = {"sleep", "300"}, .env = {{kCookie, "gb-t1"}}}, "/dev/null");
  const auto bystander =
      world.machines.processes.start({.argv = {"sleep", "300"}, .env = {{kCookie, "gb-t1x"}}}, "/dev/null");
  REQUIRE(job.ok());
  REQUIRE(bystander.ok());
  const std::string disk = world.machines.home("a") + "/.gpubroker/nodes/gb-t1";
  CHECK(std::filesystem::exists(disk));
  REQUIRE(world.cloud.terminate({{"ssh/a/gb-t0"}, {"ssh/nobody/gb-t1"}}).ok());
  CHECK(world.machines.processes.is_alive(job.value().pid));
  const Status ended = world.cloud.terminate({{"ssh/a/gb-t1"}});
  REQUIRE_MESSAGE(ended.ok(), ended.error().message);
  CHECK_FALSE(world.machines.processes.is_alive(job.value().pid));
  CHECK(world.machines.processes.is_alive(bystander.value().pid));
  CHECK_FALSE(std::filesystem::exists(disk));
  CHECK(world.machines.processes.signal(bystander.value().pid, 9).ok());
  CHECK(world.list() == Names{"ssh/a/gb-t1 terminated", "ssh/b/gb-t1"});
  REQUIRE(world.cloud.terminate({{"ssh/a/gb-t1"}, {"ssh/b/gb-t1"}}).ok());
  CHECK(world.list() == Names{"ssh/a/gb-t1 terminated", "ssh/b/gb-t1 terminated"});
  CHECK(world.cloud.ensure_gang(gang("t1", 2)).error().kind == ErrorKind::capacity);
  CHECK(world.ensure(gang("t2", 1)) == Names{"ssh/a/gb-t2"});
  CHECK(world.list() == Names{"ssh/a/gb-t2", "ssh/a/gb-t1 terminated", "ssh/b/gb-t1 terminated"});
}

TEST_CASE("ssh provider: a claim is void after its date and makes room") {
  World world;
  world.ensure(gang("t1", 3, Millis{-1'000}));
  CHECK(world.list() == Names{"ssh/a/gb-t1 expired", "ssh/b/gb-t1 expired", "ssh/c/gb-t1 expired"});
  CHECK(world.free() == 3);
  CHECK(world.ensure(gang("t2", 1)) == Names{"ssh/a/gb-t2"});
  CHECK(world.list() ==
        Names{"ssh/a/gb-t2", "ssh/a/gb-t1 expired", "ssh/b/gb-t1 expired", "ssh/c/gb-t1 expired"});
}

TEST_CASE("ssh provider: a silent machine") {
  World world;
  world.ensure(gang("t1", 2));
  SUBCASE("that was free is left out") {
    world.machines.silent = {"c", "d"};
    CHECK(world.list() == Names{"ssh/a/gb-t1", "ssh/b/gb-t1"});
    CHECK(world.free() == 0);
    const auto refused = world.cloud.ensure_gang(gang("t2", 1));
    CHECK(refused.error().message.find("c: Connection refused") != std::string::npos);
  }
  SUBCASE(
      "that was claimed fails the list, for a new process of this laptop too, until it is marked offline") {
    world.machines.silent = {"b"};
    const auto next = make_provider(world.laptop.parts(), world.laptop.home.folder.path());
    for (Provider* const provider : {world.laptop.provider.get(), next.get()}) {
      const auto listed = provider->provisioner().list();
      REQUIRE_FALSE(listed.ok());
      CHECK(listed.error().kind == ErrorKind::network);
      CHECK(listed.error().message.find("claimed for w-t1") != std::string::npos);
      CHECK(listed.error().hint.find("offline: true") != std::string::npos);
      CHECK(provider->provisioner().ensure_gang(gang("t1", 2)).error().maybe_applied);
      CHECK_FALSE(provider->provisioner().terminate({{"ssh/b/gb-t1"}}).ok());
    }
    world.laptop.home.write(
        "machines.yaml", "machines: [{name: a, gpus: 'H100:8'}, {name: b, gpus: 'H100:8', offline: true}]");
    CHECK(world.list() == Names{"ssh/a/gb-t1"});
    CHECK(world.cloud.terminate({{"ssh/b/gb-t1"}}).ok());
  }
  SUBCASE("whose claim has ended since is forgotten") {
    REQUIRE(world.cloud.terminate({{"ssh/b/gb-t1"}}).ok());
    world.machines.silent = {"b"};
    CHECK(world.list() == Names{"ssh/a/gb-t1"});
  }
}

TEST_CASE("ssh provider: what is started on a node carries its claim's cookie") {
  World world;
  const NodeView node = world.cloud.ensure_gang(gang("t1", 1)).value().at(0);
  REQUIRE(world.laptop.provider->channel()
              .start(node.address, {.argv = {"agent"}, .env = {{"A", "1"}}}, "log")
              .ok());
  CHECK(world.machines.started.env == std::map<std::string, std::string>{{"A", "1"}, {kCookie, "gb-t1"}});
}

TEST_CASE("ssh provider: a list with a mistake fails every call, with its place") {
  World world;
  world.laptop.home.write("machines.yaml", "machines:\n- nam: a\n");
  for (const Error& error : {world.cloud.list().error(), world.cloud.ensure_gang(gang("t1", 1)).error(),
                             world.laptop.provider->prices()->offers().error(),
                             world.cloud.terminate({{"ssh/a/gb-t1"}}).error()}) {
    CHECK(error.kind == ErrorKind::invalid);
    CHECK(error.source.ends_with("machines.yaml:2"));
  }
}

}  // namespace
}  // namespace gpubroker::ssh
