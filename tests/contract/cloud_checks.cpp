#include "tests/contract/cloud_checks.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/plan/charging.hpp"
#include "tests/contract/emulated_cloud.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;
constexpr Millis kSoon{10'000};

/// One cloud under test: its emulator, freshly arranged, and an account there.
class Arena {
 public:
  Arena(const CloudCase& c, const json& scenario) : cloud(c), laptop() {
    EmulatedClouds::instance().arrange(scenario);
    provider = open(laptop);
  }
  /// The same account from another laptop, that knows nothing.
  std::unique_ptr<Provider> open(Laptop& from) const { return open_provider(cloud, from, from.parts()); }

  GangRequest gang(const std::string& token, int nodes, const OfferKey& key) {
    const bool spot = key.market == Market::spot;
    return {.token = {token},
            .offer = {.key = key,
                      .gpu = {.model = "H100", .count = 8},
                      .price = spot ? cloud.spot_price : cloud.price,
                      .billing = cloud.billing},
            .nodes = nodes,
            .tags = {.workload = {"w-" + token},
                     .attempt = 1,
                     .key = "build-7",
                     .owner = "ann",
                     .expires = laptop.clock.now() + std::chrono::hours{2}}};
  }
  GangRequest gang(const std::string& token, int nodes) { return gang(token, nodes, cloud.on_demand); }

  std::vector<NodeView> ensure(const GangRequest& request) {
    auto nodes = provider->provisioner().ensure_gang(request);
    REQUIRE_MESSAGE(nodes.ok(), nodes.error().message << " [" << nodes.error().code << "]");
    return nodes.value();
  }
  Error refused(const GangRequest& request) {
    const auto nodes = provider->provisioner().ensure_gang(request);
    REQUIRE_FALSE(nodes.ok());
    return nodes.error();
  }
  std::vector<NodeView> list() {
    auto nodes = provider->provisioner().list();
    REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
    return nodes.value();
  }
  std::vector<NodeView> living() {
    std::vector<NodeView> nodes = list();
    std::erase_if(nodes, [](const NodeView& node) { return node.state == NodeState::ended; });
    return nodes;
  }
  void end(const std::vector<NodeId>& nodes) {
    const Status done = provider->provisioner().terminate(nodes);
    REQUIRE_MESSAGE(done.ok(), done.error().message);
  }
  template <class Done>
  void wait_until(const std::string& what, Done done) {
    const Millis deadline = laptop.clock.monotonic() + kSoon;
    while (!done()) {
      REQUIRE_MESSAGE(laptop.clock.monotonic() < deadline, "in vain for " << what);
      laptop.clock.sleep_until(laptop.clock.now() + Millis{20});
    }
  }
  std::vector<NodeView> wait_running(std::size_t count) {
    std::vector<NodeView> nodes;
    wait_until("all to run", [&] {
      nodes = living();
      return nodes.size() == count && std::all_of(nodes.begin(), nodes.end(), [](const NodeView& node) {
               return node.state == NodeState::running;
             });
    });
    std::sort(nodes.begin(), nodes.end(),
              [](const NodeView& a, const NodeView& b) { return a.index < b.index; });
    return nodes;
  }
  /// What the emulator has of live machines: nothing of it depends on our code.
  std::size_t really_living() {
    const std::vector<EmulatedMachine> all = EmulatedClouds::instance().machines();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](const EmulatedMachine& m) { return m.state != "ended"; }));
  }

  const CloudCase& cloud;
  Laptop laptop;
  std::unique_ptr<Provider> provider;
};

std::vector<NodeId> ids_of(const std::vector<NodeView>& nodes) {
  std::vector<NodeId> out;
  for (const NodeView& node : nodes) { out.push_back(node.id); }
  return out;
}

json fault_at_booking(const CloudCase& c, json fault) {
  fault["host"] = c.host;
  fault["path"] = c.path;
  if (!c.body.empty()) { fault["request"] = c.body; }
  if (!fault.contains("times")) { fault["times"] = 1; }
  return {{"faults", json::array({fault})}};
}

std::string emulated_id(const NodeId& id) {
  return id.value.substr(id.value.rfind('/') + 1);
}

void check_gang(const CloudCase& c) {
  for (const int size : {1, 3}) {
    Arena arena(c, json::object());
    const std::vector<NodeView> made = arena.ensure(arena.gang("t1", size));
    REQUIRE(made.size() == static_cast<std::size_t>(size));
    const std::vector<NodeView> nodes = arena.wait_running(made.size());
    std::set<std::string> hosts;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      CHECK(nodes[i].id == made[i].id);
      CHECK(nodes[i].index == static_cast<int>(i));
      CHECK(nodes[i].token.value == "t1");
      CHECK(nodes[i].offer == c.on_demand);
      CHECK(nodes[i].tags.workload.value == "w-t1");
      CHECK(nodes[i].tags.key == "build-7");
      CHECK(nodes[i].tags.owner == "ann");
      CHECK(nodes[i].tags.attempt == 1);
      CHECK(nodes[i].tags.expires > arena.laptop.clock.now());
      CHECK(nodes[i].id.value.starts_with(c.name + "/"));
      CHECK_FALSE(nodes[i].address.host.empty());
      CHECK_FALSE(nodes[i].address.user.empty());
      CHECK_FALSE(nodes[i].address.identity.empty());
      CHECK(nodes[i].billed_from.has_value() == c.tells_times);
      hosts.insert(nodes[i].address.host + ":" + std::to_string(nodes[i].address.port));
    }
    CHECK(hosts.size() == nodes.size());
  }
}

void check_same_token(const CloudCase& c) {
  Arena arena(c, json::object());
  const GangRequest request = arena.gang("t1", 2);
  const std::vector<NodeView> first = arena.ensure(request);
  CHECK(ids_of(arena.ensure(request)) == ids_of(first));
  Laptop elsewhere;  // with other keys, too
  const auto again = arena.open(elsewhere)->provisioner().ensure_gang(request);
  REQUIRE_MESSAGE(again.ok(), again.error().message);
  CHECK(ids_of(again.value()) == ids_of(first));
  CHECK(arena.really_living() == 2);
}

void check_lost_answer(const CloudCase& c) {
  Arena arena(c, fault_at_booking(c, {{"lose", true}}));
  const GangRequest request = arena.gang("t1", 2);
  const Error lost = arena.refused(request);
  CHECK(lost.kind == ErrorKind::network);
  CHECK(lost.maybe_applied);
  arena.ensure(request);
  CHECK(arena.wait_running(2).size() == 2);
  CHECK(arena.really_living() == 2);
}

void check_twice_arrived(const CloudCase& c) {
  // The network delivers the booking twice: only a real client token saves us at once; elsewhere the second
  // machine is found by its tags, so that gc ends it.
  Arena arena(c, fault_at_booking(c, {{"duplicate", true}}));
  arena.ensure(arena.gang("t1", 1));
  arena.wait_until("all to be listed", [&] { return arena.living().size() == arena.really_living(); });
  for (const NodeView& node : arena.living()) { CHECK(node.token.value == "t1"); }
}

void check_server_error(const CloudCase& c) {
  Arena arena(c, fault_at_booking(c, {{"status", 503}, {"body", "upstream"}}));
  const GangRequest request = arena.gang("t1", 1);
  const Error error = arena.refused(request);
  CHECK(error.kind == ErrorKind::network);
  CHECK(error.maybe_applied);
  arena.ensure(request);
  CHECK(arena.really_living() == 1);
}

void check_empty_laptop(const CloudCase& c) {
  Arena arena(c, json::object());
  arena.ensure(arena.gang("t1", 2));
  arena.ensure(arena.gang("t2", 1));
  Laptop empty;
  const std::unique_ptr<Provider> provider = arena.open(empty);
  arena.wait_until("all to be found", [&] {
    const auto found = provider->provisioner().list();
    REQUIRE_MESSAGE(found.ok(), found.error().message);
    return found.value().size() == 3;
  });
  const std::vector<NodeView> found = provider->provisioner().list().value();
  const Status ended = provider->provisioner().terminate(ids_of(found));
  REQUIRE_MESSAGE(ended.ok(), ended.error().message);
  arena.wait_until("all to be gone", [&] { return arena.really_living() == 0; });
}

void check_terminate(const CloudCase& c) {
  Arena arena(c, json::object());
  const std::vector<NodeView> nodes = arena.ensure(arena.gang("t1", 3));
  arena.wait_running(3);
  // One that never was does not keep the others alive.
  NodeId nobody = nodes[0].id;
  nobody.value.replace(nobody.value.size() - 3, 3, "zzz");
  arena.end({nobody, nodes[0].id, nodes[1].id});
  arena.wait_until("two to be gone", [&] { return arena.really_living() == 1; });
  arena.end({nodes[0].id, nodes[1].id});
  arena.end({nobody});
  arena.wait_until("one to be left", [&] { return arena.living().size() == 1; });
  arena.end({nodes[2].id});
  arena.wait_until("all to be gone", [&] { return arena.living().empty(); });
  for (const NodeView& node : arena.list()) {
    CHECK(node.state == NodeState::ended);
    if (c.tells_end) { CHECK(node.ended_at.has_value() == c.tells_times); }
    CHECK(node.end_reason == "terminated");
  }
  CHECK(arena.really_living() == 0);
}

void check_stock(const CloudCase& c) {
  Arena arena(c, {{"machines", {{"stock", {{{"match", c.name + "/*"}, {"count", 2}}}}}}});
  const GangRequest request = arena.gang("t1", 3);
  const Error error = arena.refused(request);
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.scope != ErrorScope::account);
  CHECK_FALSE(error.message.empty());
  arena.wait_until("nothing to be left", [&] { return arena.really_living() == 0; });
  // What was made for a moment is told, so that it is paid for.
  CHECK(error.maybe_applied == !EmulatedClouds::instance().machines().empty());
  if (arena.provider->attachments() != nullptr) { CHECK(EmulatedClouds::instance().leaks(c.name).empty()); }
  arena.ensure(arena.gang("t2", 2));
}

void check_quota(const CloudCase& c) {
  Arena arena(c, {{"machines", {{"quota", {{{"match", c.name + "/*"}, {"count", 1}}}}}}});
  const Error error = arena.refused(arena.gang("t1", 2));
  CHECK(error.kind == ErrorKind::quota);
  CHECK(error.scope >= ErrorScope::region);
  CHECK_FALSE(error.code.empty());
  CHECK(error.message.find_first_of("0123456789") != std::string::npos);  // its numbers
  arena.wait_until("nothing to be left", [&] { return arena.really_living() == 0; });
}

void check_bad_key(const CloudCase& c) {
  Arena arena(c, fault_at_booking(c, {{"status", 401}, {"body", "{}"}, {"times", 2}}));
  const Error refused = arena.refused(arena.gang("t1", 1));
  CHECK(refused.kind == ErrorKind::auth);
  CHECK(arena.really_living() == 0);
  Laptop stranger(/*with_accounts=*/false);
  const std::unique_ptr<Provider> provider = arena.open(stranger);
  CHECK_FALSE(provider->has_account());
  const auto listed = provider->provisioner().list();
  REQUIRE_FALSE(listed.ok());
  CHECK(listed.error().kind == ErrorKind::auth);
  CHECK(listed.error().code == "no_credentials");
}

void check_throttle(const CloudCase& c) {
  Arena arena(c, fault_at_booking(c, {{"status", 429}, {"headers", {{"Retry-After", "7"}}}, {"body", ""}}));
  const GangRequest request = arena.gang("t1", 1);
  const auto answer = arena.provider->provisioner().ensure_gang(request);
  // Told to the broker with its time, unless the call is repeatable and the wait was short.
  if (!answer.ok()) {
    CHECK(answer.error().kind == ErrorKind::throttled);
    CHECK(answer.error().retry_after == Millis{7'000});
    arena.ensure(request);
  }
  CHECK(arena.really_living() == 1);
}

void check_preemption(const CloudCase& c) {
  if (!c.spot) { return; }
  Arena arena(c, json::object());
  arena.ensure(arena.gang("t1", 2, *c.spot));
  const std::vector<NodeView> nodes = arena.wait_running(2);
  CHECK(nodes[0].offer == *c.spot);
  EmulatedClouds::instance().preempt(emulated_id(nodes[1].id), Millis{0});
  arena.wait_until("one to be taken", [&] {
    const std::vector<NodeView> now = arena.living();
    return now.size() == 1 && now[0].id == nodes[0].id;
  });
  if (!c.keeps_ended) { return; }
  for (const NodeView& node : arena.list()) {
    if (node.id == nodes[1].id) { CHECK(node.end_reason == "preempted"); }
  }
}

void check_never_boots(const CloudCase& c) {
  Arena arena(c, {{"machines", {{"boot_faults", {{{"match", "*"}, {"times", 1}, {"what", "never"}}}}}}});
  const std::vector<NodeView> nodes = arena.ensure(arena.gang("t1", 1));
  arena.wait_until("it to be listed", [&] { return !arena.list().empty(); });
  CHECK(arena.list().front().state == NodeState::starting);
  arena.end(ids_of(nodes));
  arena.wait_until("it to be gone", [&] { return arena.really_living() == 0; });
}

void check_dies_at_boot(const CloudCase& c) {
  Arena arena(c, {{"machines",
                   {{"boot_ms", 50}, {"boot_faults", {{{"match", "*"}, {"times", 1}, {"what", "dies"}}}}}}});
  arena.ensure(arena.gang("t1", 2));
  arena.wait_until("one to be left",
                   [&] { return arena.living().size() == 1 && arena.really_living() == 1; });
}

void check_late_sight(const CloudCase& c) {
  Arena arena(c, {{"machines", {{"visible_after_ms", 600}}}});
  const std::vector<NodeView> made = arena.ensure(arena.gang("t1", 2));
  CHECK(ids_of(arena.wait_running(2)) == ids_of(made));
  CHECK(arena.really_living() == 2);
}

void check_death_date(const CloudCase& c) {
  Arena arena(c, json::object());
  GangRequest request = arena.gang("t1", 1);
  CHECK(arena.provider->death_date_gap(c.on_demand).empty() == c.ends_itself);
  request.tags.expires = arena.laptop.clock.now() + Millis{1'500};
  arena.ensure(request);
  if (!c.ends_itself) { return; }  // the node keeps it: seen with real nodes (tests/e2e)
  arena.wait_until("the cloud to end it", [&] { return arena.really_living() == 0; });
}

void check_bill(const CloudCase& c) {
  Arena arena(c, json::object());
  // Dated by what is seen where the cloud tells no times, as the broker does.
  std::map<NodeId, NodeView> seen;
  const auto look = [&] {
    for (NodeView node : arena.list()) {
      NodeView& known = seen[node.id];
      const Instant now = arena.laptop.clock.now();
      if (!node.billed_from && node.state == NodeState::running) {
        node.billed_from = known.billed_from ? *known.billed_from : now;
      }
      if (!node.billed_from) { node.billed_from = known.billed_from; }
      if (node.state == NodeState::ended && !node.ended_at) {
        node.ended_at = known.ended_at ? *known.ended_at : now;
      }
      known = node;
    }
  };
  std::vector<GangRequest> requests = {arena.gang("t1", 2)};
  if (c.spot) { requests.push_back(arena.gang("t2", 1, *c.spot)); }
  std::vector<NodeView> nodes;
  for (const GangRequest& request : requests) {
    for (const NodeView& node : arena.ensure(request)) { nodes.push_back(node); }
  }
  arena.wait_running(nodes.size());
  look();
  arena.laptop.clock.sleep_until(arena.laptop.clock.now() + Millis{1'300});
  arena.end({nodes[0].id});
  look();
  arena.end(ids_of(nodes));
  arena.wait_until("all to be gone", [&] { return arena.really_living() == 0; });
  arena.wait_until("the end to be told", [&] { return arena.living().empty(); });
  look();
  for (auto& [id, node] : seen) {
    if (node.state != NodeState::ended) {  // no longer listed
      node.state = NodeState::ended;
      node.ended_at = arena.laptop.clock.now();
    }
  }
  std::size_t billed = 0;
  for (const EmulatedMachine& machine : EmulatedClouds::instance().machines()) {
    const auto known = std::find_if(seen.begin(), seen.end(),
                                    [&](const auto& e) { return emulated_id(e.first) == machine.id; });
    REQUIRE(known != seen.end());
    const NodeView& node = known->second;
    const bool spot = node.offer.market == Market::spot;
    std::vector<PricePoint> prices = {
        {*node.billed_from, node.price.value_or(spot ? c.spot_price : c.price)}};
    const Instant end = *node.billed_from + billed_length(c.billing, *node.ended_at - *node.billed_from);
    if (PriceSource* const source = arena.provider->prices(); source != nullptr && !node.price) {
      const auto history = source->price_history(node.offer, *node.billed_from, end);
      REQUIRE_MESSAGE(history.ok(), history.error().message);
      if (!history.value().empty()) { prices = history.value(); }
    }
    const auto charges = charge_life(*node.billed_from, *node.ended_at, c.billing, prices);
    REQUIRE_MESSAGE(charges.ok(), charges.error().message);
    std::int64_t sum = 0;
    for (const ChargePeriod& charge : charges.value()) { sum += charge.amount.micros; }
    const bool is_exact = c.tells_times && c.tells_end;
    const std::int64_t slack = is_exact ? 0 : cost(prices.back().price, c.billing.unit).value().micros;
    CHECK_MESSAGE(std::abs(sum - machine.bill_micros) <= slack, sum << " is not " << machine.bill_micros);
    CHECK(machine.bill_micros > 0);
    ++billed;
  }
  CHECK(billed == nodes.size());
}

/// No trace is left of a gang that was made, ran, and was ended.
void check_nothing_left(const CloudCase& c) {
  Arena arena(c, json::object());
  const GangRequest request = arena.gang("t1", 2);
  const std::vector<NodeView> nodes = arena.ensure(request);
  arena.wait_running(2);
  arena.end(ids_of(nodes));
  arena.wait_until("all to be gone", [&] { return arena.really_living() == 0; });
  Attachments* const attachments = arena.provider->attachments();
  if (attachments != nullptr) {
    arena.wait_until("it to be swept",
                     [&] { return attachments->sweep(request.token, request.offer.key).ok(); });
    const auto left = attachments->leftovers();
    REQUIRE_MESSAGE(left.ok(), left.error().message);
    for (const Leftover& one : left.value()) {
      CHECK_MESSAGE((one.token.value.empty() && !one.costs), one.kind << " " << one.id);  // shared and free
    }
    const Status removed = attachments->remove(left.value());
    CHECK_MESSAGE(removed.ok(), removed.error().message);
  }
  arena.wait_until("nothing to be left", [&] { return EmulatedClouds::instance().leaks(c.name).empty(); });
}

}  // namespace

std::unique_ptr<Provider> open_provider(const CloudCase& cloud, Laptop& laptop, const CloudParts& parts) {
  if (laptop.has_accounts) {
    for (const auto& [name, value] : cloud.account) { laptop.home.processes.variables[name] = value; }
  }
  auto make = cloud.make;
  for (const ProviderEntry& entry : all_providers()) {
    if (entry.name == cloud.name) { make = entry.make; }
  }
  const bool is_known = make != nullptr;
  REQUIRE_MESSAGE(is_known, "no provider is called " << cloud.name);
  Result<std::unique_ptr<Provider>> made = make({.clock = laptop.clock,
                                                 .random = laptop.random,
                                                 .files = laptop.home.files,
                                                 .processes = laptop.home.processes,
                                                 .cloud = &parts});
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  return std::move(made).value();
}

const std::vector<std::pair<const char*, CloudCheck>>& cloud_checks() {
  static const std::vector<std::pair<const char*, CloudCheck>> checks = {
      {"one machine, and many", check_gang},
      {"the same token", check_same_token},
      {"a lost answer", check_lost_answer},
      {"a request that arrives twice", check_twice_arrived},
      {"a server that fails", check_server_error},
      {"an empty laptop finds all", check_empty_laptop},
      {"terminate: twice, unknown, some", check_terminate},
      {"stock-out, all or none", check_stock},
      {"quota, with its numbers", check_quota},
      {"a bad key, and none", check_bad_key},
      {"throttled", check_throttle},
      {"spot is taken", check_preemption},
      {"never boots", check_never_boots},
      {"dies at boot", check_dies_at_boot},
      {"not listed at once", check_late_sight},
      {"the death date", check_death_date},
      {"the bill is the ledger's", check_bill},
      {"nothing is left", check_nothing_left},
  };
  return checks;
}

}  // namespace gpubroker::contract
