#include <algorithm>
#include <csignal>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "core/plan/charging.hpp"
#include "core/wire/agent_wire.hpp"
#include "providers/registry.hpp"
#include "tests/contract/contract.hpp"

namespace gpubroker::contract {
namespace {

constexpr Millis kSoon{10'000};

GangRequest gang_of(ContractWorld& world, const std::string& token, int nodes, Market market = Market::spot) {
  return {.token = {token},
          .offer = {.key = world.key(market)},
          .nodes = nodes,
          .tags = {.workload = {"w-1"},
                   .attempt = 1,
                   .key = "k",
                   .owner = "ann",
                   .expires = world.clock().now() + Millis{600'000}}};
}

std::vector<NodeView> ensure(ContractWorld& world, const GangRequest& request) {
  auto nodes = world.provider().provisioner().ensure_gang(request);
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  return nodes.value();
}

std::vector<NodeView> list(ContractWorld& world) {
  auto nodes = world.provider().provisioner().list();
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  return nodes.value();
}

std::vector<NodeId> ids_of(const std::vector<NodeView>& nodes) {
  std::vector<NodeId> out;
  out.reserve(nodes.size());
  for (const NodeView& node : nodes) { out.push_back(node.id); }
  return out;
}

std::size_t count(const std::vector<NodeView>& nodes, NodeState state) {
  return static_cast<std::size_t>(std::count_if(
      nodes.begin(), nodes.end(), [state](const NodeView& node) { return node.state == state; }));
}

/// Lists until all machines are in `state`.
std::vector<NodeView> wait_for(ContractWorld& world, NodeState state) {
  const Millis deadline = world.clock().monotonic() + kSoon;
  while (true) {
    std::vector<NodeView> nodes = list(world);
    if (count(nodes, state) == nodes.size()) { return nodes; }
    REQUIRE_MESSAGE(world.clock().monotonic() < deadline,
                    "no node may stay out of the state " << to_string(state));
    world.clock().sleep_until(world.clock().now() + Millis{10});
  }
}

void terminate(ContractWorld& world, const std::vector<NodeId>& nodes) {
  const Status done = world.provider().provisioner().terminate(nodes);
  REQUIRE_MESSAGE(done.ok(), done.error().message);
}

void check_gang(ContractWorld& world) {
  const std::vector<NodeView> nodes = ensure(world, gang_of(world, "t1", 3));
  REQUIRE(nodes.size() == 3);
  std::set<std::string> hosts;
  std::set<NodeId> ids;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    CHECK(nodes[i].index == static_cast<int>(i));
    CHECK(nodes[i].token.value == "t1");
    CHECK(nodes[i].tags.workload.value == "w-1");
    CHECK(nodes[i].tags.key == "k");
    CHECK(nodes[i].tags.owner == "ann");
    CHECK(nodes[i].offer == world.key(Market::spot));
    CHECK(nodes[i].id.value.starts_with(world.provider().name() + "/"));
    ids.insert(nodes[i].id);
  }
  const std::vector<NodeView> running = wait_for(world, NodeState::running);
  for (const NodeView& node : running) {
    CHECK(ids.contains(node.id));
    CHECK_FALSE(node.address.root.empty());
    CHECK(node.billed_from.has_value());
    CHECK_FALSE(node.ended_at.has_value());
    hosts.insert(node.address.host);
  }
  CHECK(running.size() == 3);
  CHECK(hosts.size() == 3);
}

void check_same_token(ContractWorld& world) {
  const GangRequest request = gang_of(world, "t1", 2);
  const std::vector<NodeView> first = ensure(world, request);
  CHECK(ids_of(ensure(world, request)) == ids_of(first));
  const std::unique_ptr<Provider> other = world.make_another();
  const auto again = other->provisioner().ensure_gang(request);
  REQUIRE(again.ok());
  CHECK(ids_of(again.value()) == ids_of(first));
  CHECK(list(world).size() == 2);
  terminate(world, ids_of(first));
  // The token stays used, whatever became of its machines.
  const std::vector<NodeView> after = ensure(world, request);
  CHECK(ids_of(after) == ids_of(first));
  CHECK(count(after, NodeState::ended) == 2);
  GangRequest other_size = request;
  other_size.nodes = 3;
  const auto refused = world.provider().provisioner().ensure_gang(other_size);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::invalid);
}

void check_lost_answer(ContractWorld& world) {
  const GangRequest request = gang_of(world, "t1", 2);
  const auto lost = world.provider().provisioner().ensure_gang(request);
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().kind == ErrorKind::network);
  CHECK(lost.error().maybe_applied);
  const std::vector<NodeView> found = list(world);
  CHECK(found.size() == 2);
  CHECK(ids_of(ensure(world, request)) == ids_of(found));
  CHECK(list(world).size() == 2);
}

void check_refused_call(ContractWorld& world) {
  const GangRequest request = gang_of(world, "t1", 2);
  const auto refused = world.provider().provisioner().ensure_gang(request);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::network);
  CHECK_FALSE(refused.error().maybe_applied);
  CHECK(list(world).empty());
  CHECK(ensure(world, request).size() == 2);
}

void check_terminate(ContractWorld& world) {
  const std::vector<NodeView> nodes = ensure(world, gang_of(world, "t1", 2));
  wait_for(world, NodeState::running);
  const auto lost = world.provider().provisioner().terminate(ids_of(nodes));
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.error().maybe_applied);
  const std::vector<NodeView> ended = wait_for(world, NodeState::ended);
  terminate(world, ids_of(nodes));
  terminate(world, {NodeId{world.provider().name() + "/never-was"}});
  CHECK(list(world) == ended);  // twice changes nothing
  for (const NodeView& node : ended) {
    REQUIRE(node.billed_from.has_value());
    REQUIRE(node.ended_at.has_value());
    CHECK(*node.ended_at >= *node.billed_from);
    CHECK(node.end_reason == "terminated");
    CHECK(world.count_processes(node.id) == 0);
  }
}

void check_refusals(ContractWorld& world) {
  REQUIRE(ensure(world, gang_of(world, "t1", 3)).size() == 3);
  const auto stock = world.provider().provisioner().ensure_gang(gang_of(world, "t2", 2));
  REQUIRE_FALSE(stock.ok());
  CHECK(stock.error().kind == ErrorKind::capacity);
  CHECK(stock.error().scope == ErrorScope::region);
  CHECK_FALSE(stock.error().maybe_applied);
  const auto quota = world.provider().provisioner().ensure_gang(gang_of(world, "t3", 4));
  REQUIRE_FALSE(quota.ok());
  CHECK(quota.error().kind == ErrorKind::quota);
  CHECK(quota.error().scope == ErrorScope::region);
  CHECK_FALSE(quota.error().hint.empty());
  CHECK(list(world).size() == 3);  // a refused gang leaves nothing behind
  CHECK(ensure(world, gang_of(world, "t2", 1)).size() == 1);
  GangRequest unknown = gang_of(world, "t4", 1);
  unknown.offer.key.instance_type = "huge";
  const auto invalid = world.provider().provisioner().ensure_gang(unknown);
  REQUIRE_FALSE(invalid.ok());
  CHECK(invalid.error().kind == ErrorKind::invalid);
}

void check_rivals(ContractWorld& world) {
  constexpr int kRivals = 4;
  std::vector<std::unique_ptr<Provider>> doors;
  doors.reserve(kRivals);
  for (int i = 0; i < kRivals; ++i) { doors.push_back(world.make_another()); }
  std::vector<GangRequest> requests;
  requests.reserve(std::size_t{2} * kRivals);
  for (int i = 0; i < 2 * kRivals; ++i) { requests.push_back(gang_of(world, "t" + std::to_string(i), 2)); }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kRivals; ++i) {
    threads.emplace_back([&doors, &requests, i] {
      // Each wants two gangs; one of them under a token that its neighbour uses as well.
      for (const std::size_t j : {2 * i, 2 * i + 1, (2 * i + 2) % requests.size()}) {
        (void)doors[i]->provisioner().ensure_gang(requests[j]).ok();
      }
    });
  }
  for (std::thread& thread : threads) { thread.join(); }
  const std::vector<NodeView> nodes = list(world);
  CHECK(nodes.size() == 6);  // 7 slots hold three gangs of two
  std::map<Token, int> by_token;
  for (const NodeView& node : nodes) { ++by_token[node.token]; }
  CHECK(by_token.size() == 3);
  for (const auto& entry : by_token) { CHECK_MESSAGE(entry.second == 2, entry.first.value); }
}

void check_channel(ContractWorld& world) {
  ensure(world, gang_of(world, "t1", 1));
  const NodeView node = wait_for(world, NodeState::running).front();
  NodeChannel& channel = world.provider().channel();
  REQUIRE(channel.put(node.address, "a/b.txt", "hello", 0600).ok());
  CHECK(channel.get(node.address, "a/b.txt", 1, 3).value() == "ell");
  CHECK(channel.get(node.address, "a/b.txt", 9, 3).value().empty());
  CHECK(channel.get(node.address, "a/none", 0, 1).error().kind == ErrorKind::not_found);
  CHECK(channel.put(node.address, "../x", "", 0600).error().kind == ErrorKind::invalid);
  const auto seen =
      channel.run(node.address, {.argv = {"sh", "-c", "cat a/b.txt; echo $X; exit 3"}, .env = {{"X", "y"}}},
                  Millis{5'000});
  REQUIRE(seen.ok());
  CHECK(seen.value().out == "helloy\n");
  CHECK(seen.value().exit.code == 3);
  REQUIRE(channel
              .start(node.address,
                     {.argv = {"sh", "-c", "trap '' TERM; echo up; (setsid sleep 60 &) ; sleep 60"}},
                     "out/log")
              .ok());
  const Millis deadline = world.clock().monotonic() + kSoon;
  while (!channel.get(node.address, "out/log", 0, 9).ok() ||
         channel.get(node.address, "out/log", 0, 9).value() != "up\n") {
    REQUIRE(world.clock().monotonic() < deadline);
    world.clock().sleep_until(world.clock().now() + Millis{5});
  }
  terminate(world, {node.id});
  CHECK(world.count_processes(node.id) == 0);
  CHECK(channel.put(node.address, "x", "", 0600).error().kind == ErrorKind::network);
  CHECK(channel.get(node.address, "a/b.txt", 0, 1).error().kind == ErrorKind::network);
  CHECK(channel.run(node.address, {.argv = {"true"}}, Millis{1'000}).error().kind == ErrorKind::network);
  CHECK(channel.start(node.address, {.argv = {"true"}}, "log").error().kind == ErrorKind::network);
}

void check_prices(ContractWorld& world) {
  const auto offers = world.provider().prices()->offers();
  REQUIRE(offers.ok());
  const OfferKey key = world.key(Market::spot);
  CHECK(std::any_of(offers.value().begin(), offers.value().end(),
                    [&key](const Offer& offer) { return offer.key == key; }));
  const Instant from = world.clock().now();
  const auto history = world.provider().prices()->price_history(key, from, from + Millis{500});
  REQUIRE(history.ok());
  REQUIRE_FALSE(history.value().empty());
  CHECK(history.value().front().at <= from);
  CHECK(history.value().back().at <= from + Millis{500});
  CHECK(std::is_sorted(history.value().begin(), history.value().end()));
  OfferKey unknown = key;
  unknown.instance_type = "huge";
  CHECK(world.provider().prices()->price_history(unknown, from, from).error().kind == ErrorKind::not_found);
}

void check_expiry(ContractWorld& world) {
  GangRequest request = gang_of(world, "t1", 2, Market::on_demand);
  request.tags.expires = world.clock().now() + Millis{400};
  const std::vector<NodeView> nodes = ensure(world, request);
  const Millis deadline = world.clock().monotonic() + kSoon;
  // Nobody supervises and nobody lists: the cloud itself ends them.
  while (world.count_processes(nodes[0].id) + world.count_processes(nodes[1].id) > 0) {
    REQUIRE(world.clock().monotonic() < deadline);
    world.clock().sleep_until(world.clock().now() + Millis{10});
  }
  CHECK(world.clock().now() >= request.tags.expires);
  for (const NodeView& node : list(world)) {
    CHECK(node.state == NodeState::ended);
    CHECK(node.end_reason == "expired");
    CHECK(*node.ended_at >= request.tags.expires);
    CHECK(*node.ended_at < request.tags.expires + Millis{2'000});
  }
}

void check_preemption(ContractWorld& world, Millis life, Millis notice) {
  ensure(world, gang_of(world, "t1", 1, Market::on_demand));
  const NodeView spot = ensure(world, gang_of(world, "t2", 1)).front();
  bool was_told = false;
  const Millis deadline = world.clock().monotonic() + kSoon;
  for (NodeView now = spot; now.state != NodeState::ended;) {
    REQUIRE(world.clock().monotonic() < deadline);
    for (const NodeView& node : list(world)) {
      if (node.id == spot.id) { now = node; }
    }
    if (now.notice_until) {
      CHECK(*now.notice_until == *now.billed_from + life);
      const auto text = world.provider().channel().get(now.address, "notice.json", 0, 999);
      if (text.ok() && parse_notice(text.value()).ok()) {
        CHECK(parse_notice(text.value()).value() == *now.notice_until);
        was_told = true;
      }
    }
    world.clock().sleep_until(world.clock().now() + Millis{5});
  }
  CHECK(was_told == (notice > Millis{0}));
  for (const NodeView& node : list(world)) {
    if (node.id != spot.id) {
      CHECK(node.state == NodeState::running);  // what is not spot is not taken
      continue;
    }
    CHECK(node.end_reason == "preempted");
    CHECK(*node.ended_at >= *node.billed_from + life);
    CHECK(world.count_processes(node.id) == 0);
  }
}

void check_preemption_on_request(ContractWorld& world, Millis notice) {
  Preemptible* const preemptible = world.provider().preemptible();
  if (preemptible == nullptr) { return; }  // this cloud takes machines only when it likes
  ensure(world, gang_of(world, "t1", 2, Market::on_demand));
  const std::vector<NodeView> nodes = wait_for(world, NodeState::running);
  const Instant asked = world.clock().now();
  REQUIRE(preemptible->preempt({nodes[1].id}, notice).ok());
  REQUIRE(preemptible->preempt({nodes[1].id}, notice + Millis{60'000}).ok());  // a later end changes nothing
  bool was_told = false;
  const Millis deadline = world.clock().monotonic() + kSoon;
  for (NodeView now = nodes[1]; now.state != NodeState::ended; now = list(world).at(1)) {
    REQUIRE(world.clock().monotonic() < deadline);
    was_told = was_told || now.notice_until.has_value();
    world.clock().sleep_until(world.clock().now() + Millis{5});
  }
  CHECK(was_told == (notice > Millis{0}));
  const std::vector<NodeView> after = list(world);
  CHECK(after[0].state == NodeState::running);
  CHECK(after[1].end_reason == "preempted");
  CHECK(*after[1].ended_at >= asked + notice);
  CHECK(world.count_processes(nodes[1].id) == 0);
  CHECK(preemptible->preempt({nodes[1].id}, notice).ok());
  CHECK(preemptible->preempt({NodeId{"nobody/n1"}}, notice).error().kind == ErrorKind::not_found);
}

void check_host_failure(ContractWorld& world) {
  ensure(world, gang_of(world, "t1", 2));
  const std::vector<NodeView> nodes = wait_for(world, NodeState::running);
  REQUIRE(world.provider().channel().start(nodes[0].address, {.argv = {"sleep", "60"}}, "log").ok());
  if (!world.break_machine(nodes[0])) { return; }
  const Millis deadline = world.clock().monotonic() + kSoon;
  while (count(list(world), NodeState::ended) == 0) { REQUIRE(world.clock().monotonic() < deadline); }
  const std::vector<NodeView> after = list(world);
  CHECK(after[0].state == NodeState::ended);
  CHECK(after[0].end_reason == "host failure");
  CHECK(after[1].state == NodeState::running);
  CHECK(world.count_processes(nodes[0].id) == 0);
  CHECK(world.provider().channel().get(nodes[0].address, "log", 0, 1).error().kind == ErrorKind::network);
}

void check_boot(ContractWorld& world) {
  const std::vector<NodeView> nodes = ensure(world, gang_of(world, "t1", 2));
  CHECK(count(nodes, NodeState::starting) == 2);
  CHECK_FALSE(nodes[0].billed_from.has_value());
  terminate(world, {nodes[0].id});
  const Millis deadline = world.clock().monotonic() + kSoon;
  while (count(list(world), NodeState::running) == 0) { REQUIRE(world.clock().monotonic() < deadline); }
  world.clock().sleep_until(world.clock().now() + Millis{5});  // a life of 0 ms would cost nothing
  terminate(world, {nodes[1].id});
  const std::vector<NodeView> ended = list(world);
  CHECK_FALSE(ended[0].billed_from.has_value());  // it never ran: it is not billed
  CHECK(ended[1].billed_from.has_value());
  CHECK_FALSE(world.billed().contains(nodes[0].id));
  CHECK(world.billed().contains(nodes[1].id));
}

/// Invariant 6: what our side computes from what the cloud's calls tell is what the cloud bills.
void check_bill(ContractWorld& world, BillingRule rule) {
  std::vector<NodeId> live;
  for (int i = 0; i < 4; ++i) {
    for (const NodeView& node : ensure(world, gang_of(world, "t" + std::to_string(i), 2,
                                                      i % 2 == 0 ? Market::spot : Market::on_demand))) {
      live.push_back(node.id);
    }
    world.clock().sleep_until(world.clock().now() + Millis{37});
    terminate(world, {live.front()});
    live.erase(live.begin());
  }
  terminate(world, live);
  const std::map<NodeId, Money> billed = world.billed();
  const std::vector<NodeView> nodes = list(world);
  CHECK(billed.size() == 8);
  REQUIRE(nodes.size() == 8);
  for (const NodeView& node : nodes) {
    const Instant end = *node.billed_from + billed_length(rule, *node.ended_at - *node.billed_from);
    const auto prices = world.provider().prices()->price_history(node.offer, *node.billed_from, end);
    REQUIRE(prices.ok());
    const auto charges = charge_life(*node.billed_from, *node.ended_at, rule, prices.value());
    REQUIRE_MESSAGE(charges.ok(), charges.error().message);
    Money sum;
    for (const ChargePeriod& charge : charges.value()) { sum.micros += charge.amount.micros; }
    CHECK(sum.micros == billed.at(node.id).micros);
    CHECK(sum.micros > 0);
  }
}

struct Check {
  const char* name;
  ContractNeeds needs;
  std::function<void(ContractWorld&)> run;
};

std::vector<Check> checks() {
  const BillingRule minute{Millis{100}, Millis{250}};
  return {
      {"a gang has its nodes, tags, addresses", {}, check_gang},
      {"one token, one gang", {}, check_same_token},
      {"a lost answer", {.lose_first_create = true}, check_lost_answer},
      {"a call that did not arrive", {.refuse_first_create = true}, check_refused_call},
      {"terminate, its answer lost, twice", {.lose_first_terminate = true}, check_terminate},
      {"capacity and quota", {.slots = 4, .quota = 6}, check_refusals},
      {"rivals never get more than there is", {.slots = 7}, check_rivals},
      {"the channel, and its end", {}, check_channel},
      {"offers and price history",
       {.prices = {{Millis{0}, Rate{1}}, {Millis{200}, Rate{2}}, {Millis{90'000}, Rate{1}}}},
       check_prices},
      {"death date", {}, check_expiry},
      {"preemption without notice",
       {.spot_life = Millis{300}},
       [](ContractWorld& w) { check_preemption(w, Millis{300}, Millis{0}); }},
      {"preemption with notice",
       {.spot_life = Millis{600}, .notice = Millis{400}},
       [](ContractWorld& w) { check_preemption(w, Millis{600}, Millis{400}); }},
      {"preemption on request without notice",
       {},
       [](ContractWorld& w) { check_preemption_on_request(w, Millis{0}); }},
      {"preemption on request with notice",
       {},
       [](ContractWorld& w) { check_preemption_on_request(w, Millis{500}); }},
      {"host failure", {}, check_host_failure},
      {"boot time", {.boot = Millis{150}}, check_boot},
      {"the bill equals the ledger's arithmetic",
       {.billing = minute,
        .prices = {{Millis{0}, Rate{98'765'432}},
                   {Millis{40}, Rate{3'141'592'653}},
                   {Millis{170}, Rate{70'000'001}}}},
       [minute](ContractWorld& w) { check_bill(w, minute); }},
  };
}

}  // namespace

TEST_CASE("contract: every provider in the registry has a case") {
  std::vector<std::string> registered;
  std::vector<std::string> tested;
  for (const ProviderEntry& entry : all_providers()) {
    if (entry.name == "local") { registered.push_back(entry.name); }  // the clouds: cloud_contract_test.cpp
  }
  for (const ContractCase& c : contract_cases()) { tested.push_back(c.name); }
  CHECK(registered == tested);
}

TEST_CASE("contract: every provider keeps it") {
  for (const ContractCase& c : contract_cases()) {
    for (const Check& check : checks()) {
      SUBCASE((c.name + ": " + check.name).c_str()) {
        const std::unique_ptr<ContractWorld> world = c.make(check.needs);
        REQUIRE(world->provider().name() == c.name);
        check.run(*world);
      }
    }
  }
}

}  // namespace gpubroker::contract
