// What Google has beside the common contract, over its emulator: placement, reservations, the flex-start
// queue, zones that do not answer, machines that stand still.
#include <algorithm>

#include <doctest/doctest.h>

#include "providers/gcp/provider.hpp"
#include "tests/contract/emulated_cloud.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;

struct World {
  /// What the scenario says of Google, and of machines: JSON.
  explicit World(const std::string& gcp = "{}", const std::string& machines = "{}") {
    json scenario;
    scenario["clouds"]["gcp"] = json::parse(gcp);
    scenario["machines"] = json::parse(machines);
    EmulatedClouds::instance().arrange(scenario);
    provider = gcp::make_provider(laptop.parts());
  }

  GangRequest gang(const OfferKey& key, int nodes, const std::string& token = "w-1-a1") {
    return {
        .token = {token},
        .offer = {.key = key},
        .nodes = nodes,
        .tags = {.workload = {"w-1"}, .attempt = 1, .expires = laptop.clock.now() + std::chrono::hours{2}}};
  }
  Result<std::vector<NodeView>> ensure(const GangRequest& request) {
    return provider->provisioner().ensure_gang(request);
  }
  std::vector<NodeView> list() {
    auto nodes = provider->provisioner().list();
    REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
    return nodes.value();
  }
  /// Lists until the first machine is as wanted.
  template <class Wanted>
  NodeView wait(Wanted wanted) {
    const Millis deadline = laptop.clock.monotonic() + Millis{10'000};
    while (true) {
      const std::vector<NodeView> nodes = list();
      if (!nodes.empty() && wanted(nodes.front())) { return nodes.front(); }
      REQUIRE(laptop.clock.monotonic() < deadline);
      laptop.clock.sleep_until(laptop.clock.now() + Millis{20});
    }
  }

  Laptop laptop;
  std::unique_ptr<Provider> provider = {};
};

bool is_running(const NodeView& node) {
  return node.state == NodeState::running;
}
bool is_ended(const NodeView& node) {
  return node.state == NodeState::ended;
}

const OfferKey kSpot{"gcp", "us-central1", "", "a3-highgpu-8g", Market::spot};

TEST_CASE("gcp contract: GB200 comes out of a reservation, as one NVLink domain, and leaves no policy") {
  World world(R"({"reservations": [{"name": "gb200", "zone": "us-east1-d", "type": "a4x-highgpu-4g",
                                    "count": 18, "dense": true, "market": "contract"}]})");
  const OfferKey key{"gcp", "us-east1", "", "a4x-highgpu-4g", Market::contract};
  const GangRequest request = world.gang(key, 18);
  const auto nodes = world.ensure(request);
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  CHECK(nodes.value()[17].id.value == "gcp/us-east1-d/gb-w-1-a1-17");
  CHECK(world.wait(is_running).offer == key);
  CHECK(EmulatedClouds::instance().leaks("gcp").size() == 1);  // the policy
  // In use: gc is told so, and comes again.
  Attachments& attachments = *world.provider->attachments();
  CHECK(attachments.sweep(request.token, key).error().kind == ErrorKind::conflict);
  const auto more = world.ensure(world.gang(key, 1, "w-2-a1"));
  REQUIRE_FALSE(more.ok());
  CHECK(more.error().kind == ErrorKind::capacity);
  std::vector<NodeId> ids;
  for (const NodeView& node : nodes.value()) { ids.push_back(node.id); }
  REQUIRE(world.provider->provisioner().terminate(ids).ok());
  CHECK(attachments.sweep(request.token, key).ok());
  CHECK(EmulatedClouds::instance().leaks("gcp").empty());
}

TEST_CASE("gcp contract: a flex-start machine waits in the queue until there is one") {
  World world("{}", R"({"stock": [{"match": "gcp/*/flex", "count": 1}]})");
  OfferKey key = kSpot;
  key.market = Market::flex;
  key.zone = "us-central1-a";
  const auto first = world.ensure(world.gang(key, 1, "w-1-a1"));
  REQUIRE_MESSAGE(first.ok(), first.error().message);
  world.wait(is_running);
  const auto second = world.ensure(world.gang(key, 1, "w-2-a1"));
  REQUIRE_MESSAGE(second.ok(), second.error().message);
  CHECK(second.value()[0].state == NodeState::starting);
  REQUIRE(world.provider->provisioner().terminate({first.value()[0].id}).ok());
  const Millis deadline = world.laptop.clock.monotonic() + Millis{5'000};
  bool runs = false;
  while (!runs && world.laptop.clock.monotonic() < deadline) {
    for (const NodeView& node : world.list()) {
      runs = runs || (node.token.value == "w-2-a1" && is_running(node));
    }
  }
  CHECK(runs);
  // A gang of two does not wait: it is had at once or refused.
  key.zone.clear();
  CHECK(world.ensure(world.gang(key, 2, "w-3-a1")).error().kind == ErrorKind::capacity);
}

TEST_CASE(
    "gcp contract: a gang of A3 Mega has an interface for each GPU, on networks that the next gang shares") {
  World world;
  const OfferKey key{"gcp", "us-central1", "", "a3-megagpu-8g", Market::spot};
  const auto first = world.ensure(world.gang(key, 2, "w-1-a1"));
  REQUIRE_MESSAGE(first.ok(), first.error().message);
  const auto left = world.provider->attachments()->leftovers();
  REQUIRE(left.ok());
  const auto count = [&](const std::string& kind) {
    return std::count_if(left.value().begin(), left.value().end(),
                         [&](const Leftover& one) { return one.kind == kind; });
  };
  CHECK(count("fabric network") == 8);
  CHECK(count("fabric subnet") == 8);
  CHECK(count("fabric firewall rule") == 8);
  // Another region: other subnets of the same networks, in other ranges.
  OfferKey elsewhere = key;
  elsewhere.region = "us-east4";
  const auto second = world.ensure(world.gang(elsewhere, 2, "w-2-a1"));
  REQUIRE_MESSAGE(second.ok(), second.error().message);
  REQUIRE(world.ensure(world.gang(key, 2, "w-3-a1")).ok());
  const auto all = world.provider->attachments()->leftovers();
  REQUIRE(all.ok());
  // And of the three gangs a policy each.
  CHECK(all.value().size() == 8 + 16 + 8 + 3);
  // In use: gc is told so; afterwards all of it goes.
  Attachments& attachments = *world.provider->attachments();
  CHECK(attachments.remove(all.value()).error().kind == ErrorKind::conflict);
  std::vector<NodeId> ids;
  for (const NodeView& node : world.list()) { ids.push_back(node.id); }
  REQUIRE(world.provider->provisioner().terminate(ids).ok());
  const Status removed = attachments.remove(all.value());
  CHECK_MESSAGE(removed.ok(), removed.error().message);
  CHECK(attachments.leftovers().value().empty());
}

TEST_CASE("gcp contract: RDMA pins the zone: a gang of B200 goes from zone to zone") {
  World world(R"({"no_profile": ["us-central1-ai1a"]})",
              R"({"stock": [{"match": "gcp/us-central1/us-central1-b/*", "count": 2}]})");
  const OfferKey key{"gcp", "us-central1", "", "a4-highgpu-8g", Market::spot};
  const auto first = world.ensure(world.gang(key, 2, "w-1-a1"));
  REQUIRE_MESSAGE(first.ok(), first.error().message);
  CHECK(first.value()[0].id.value == "gcp/us-central1-b/gb-w-1-a1-0");
  // The same again is the same.
  CHECK(world.ensure(world.gang(key, 2, "w-1-a1")).value().size() == 2);
  const auto none = world.ensure(world.gang(key, 2, "w-2-a1"));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::capacity);
  const auto left = world.provider->attachments()->leftovers();
  REQUIRE(left.ok());
  const auto rdma = std::count_if(left.value().begin(), left.value().end(), [](const Leftover& one) {
    return one.id.starts_with("gpubroker-fabric-us-central1-b-");
  });
  CHECK(rdma == 8);  // subnets
  // One alone needs no fabric, and may stand anywhere in the region.
  const auto alone = world.ensure(world.gang(key, 1, "w-3-a1"));
  REQUIRE_MESSAGE(alone.ok(), alone.error().message);
  CHECK(alone.value()[0].id.value == "gcp/us-central1-ai1a/gb-w-3-a1-0");
}

TEST_CASE("gcp contract: a zone that does not answer fails the list") {
  World world(R"({"unreachable": ["us-east4-b"]})");
  const auto listed = world.provider->provisioner().list();
  REQUIRE_FALSE(listed.ok());
  CHECK(listed.error().kind == ErrorKind::network);
  CHECK(listed.error().message.find("us-east4-b") != std::string::npos);
}

TEST_CASE("gcp contract: bulkInsert is done without a word and without machines") {
  World world(R"({"silent_bulk": true})", R"({"stock": [{"match": "gcp/*", "count": 0}]})");
  const auto nodes = world.ensure(world.gang(kSpot, 2));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK(nodes.error().code == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS");  // of an insert of the group
  CHECK(EmulatedClouds::instance().leaks("gcp").empty());
}

TEST_CASE("gcp contract: quota at once") {
  World world(R"({"refuse_at_once": true})", R"({"quota": [{"match": "gcp/*", "count": 1}]})");
  const auto nodes = world.ensure(world.gang(kSpot, 2));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::quota);
  CHECK(nodes.error().code == "quotaExceeded");
  CHECK(nodes.error().scope == ErrorScope::region);
  CHECK_FALSE(nodes.error().hint.empty());
}

TEST_CASE("gcp contract: a network without a door for ssh gets one, once") {
  World world(R"({"firewalls": false})");
  REQUIRE(world.ensure(world.gang(kSpot, 1, "w-1-a1")).ok());
  REQUIRE(world.ensure(world.gang(kSpot, 1, "w-2-a1")).ok());
  CHECK(EmulatedClouds::instance().leaks("gcp") == std::vector<std::string>{"firewall gpubroker-ssh"});
  const auto left = world.provider->attachments()->leftovers();
  REQUIRE(left.ok());
  CHECK(left.value().size() == 1);
  CHECK(world.provider->attachments()->remove(left.value()).ok());
}

TEST_CASE("gcp contract: a machine whose host failed is not billed on, and its disk is swept") {
  World world;
  const GangRequest request = world.gang(kSpot, 1);
  REQUIRE(world.ensure(request).ok());
  world.wait(is_running);
  EmulatedClouds::instance().break_machine("gb-w-1-a1-0");
  const NodeView ended = world.wait(is_ended);
  CHECK(ended.end_reason == "host failure");
  CHECK(ended.ended_at.has_value());
  const auto left = world.provider->attachments()->leftovers();
  REQUIRE(left.ok());
  REQUIRE_FALSE(left.value().empty());
  CHECK(left.value().back().costs);
  CHECK(world.provider->attachments()->sweep(request.token, request.offer.key).ok());
  CHECK(EmulatedClouds::instance().leaks("gcp").empty());
  CHECK(world.list().front() == ended);  // what was swept is as dead as before
}

TEST_CASE("gcp contract: another laptop knows by the name what was preempted") {
  World world;
  REQUIRE(world.ensure(world.gang(kSpot, 1)).ok());
  const NodeView running = world.wait(is_running);
  EmulatedClouds::instance().preempt("gb-w-1-a1-0", Millis{0});
  const NodeView here = world.wait(is_ended);
  Laptop elsewhere;
  const auto seen = gcp::make_provider(elsewhere.parts())->provisioner().list();
  REQUIRE(seen.ok());
  REQUIRE(seen.value().size() == 1);
  const NodeView& there = seen.value().front();
  CHECK(there.id == here.id);
  CHECK(there.token == here.token);
  CHECK(there.tags.workload == here.tags.workload);
  CHECK(there.end_reason == "preempted");
  CHECK(there.billed_from == running.billed_from);
  CHECK(there.ended_at == here.ended_at);
}

}  // namespace
}  // namespace gpubroker::contract
