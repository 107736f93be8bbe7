#include "providers/local/booking.hpp"

#include <doctest/doctest.h>

namespace gpubroker::local {
namespace {

constexpr Instant kStart{1'790'000'000'000};

Scenario stage() {
  InstancePlan type{
      .name = "t", .vcpus = 4, .slots = {{Millis{0}, 4}, {Millis{30'000}, 0}, {Millis{60'000}, 4}}};
  type.markets[Market::on_demand].price = {{Millis{0}, 100}};
  type.markets[Market::spot] = {{{Millis{0}, 10}, {Millis{40'000}, 20}}, {{Millis{0}, 2}}};
  return {.name = "s",
          .boot = Millis{500},
          .shows_stock = true,
          .regions = {{.name = "a", .types = {type}},
                      {.name = "b", .quota_vcpus = 8, .boot = Millis{2'000}, .types = {type}}}};
}

CloudRecord cloud() {
  return {.id = "abc", .started_at = kStart};
}

GangRequest gang(const std::string& token, int nodes, const std::string& region = "a",
                 Market market = Market::spot) {
  return {.token = {token}, .offer = {.key = {"local", region, "", "t", market}}, .nodes = nodes};
}

Result<std::vector<NodeRecord>> book(const Scenario& scenario, const GangRequest& request,
                                     CloudRecord& record, Millis since = Millis{0}) {
  return book_gang(scenario, request, kStart + since, {}, record);
}

}  // namespace

TEST_CASE("stock is per market, per type and in time") {
  const Scenario scenario = stage();
  CloudRecord record = cloud();
  CHECK(book(scenario, gang("1", 3), record).error().kind == ErrorKind::capacity);  // two spot machines
  CHECK(record == cloud());  // refused: nothing was written
  CHECK(book(scenario, gang("2", 2), record).ok());
  CHECK(book(scenario, gang("3", 3, "a", Market::on_demand), record).error().kind ==
        ErrorKind::capacity);  // four in all
  CHECK(book(scenario, gang("4", 2, "a", Market::on_demand), record).ok());
  CHECK(book(scenario, gang("5", 1, "a", Market::on_demand), record).error().message ==
        "1 x t asked, 0 free in a");
  for (NodeRecord& node : record.nodes) { node.ended_at = kStart; }
  CHECK(book(scenario, gang("6", 1), record, Millis{45'000}).error().kind == ErrorKind::capacity);
  CHECK(book(scenario, gang("7", 1), record, Millis{60'000}).ok());
}

TEST_CASE("a quota error names the quota and what is used of it") {
  CloudRecord record = cloud();
  REQUIRE(book(stage(), gang("1", 1, "b"), record).ok());
  const Error error = book(stage(), gang("2", 2, "b"), record).error();
  CHECK(error.kind == ErrorKind::quota);
  CHECK(error.scope == ErrorScope::region);
  CHECK(error.message == "2 x t need 8 vCPU, the quota of b is 8 with 4 in use");
}

TEST_CASE("live nodes have addresses of their own, gangs have ports of their own") {
  CloudRecord record = cloud();
  REQUIRE(book(stage(), gang("1", 2), record).ok());
  REQUIRE(book(stage(), gang("2", 2, "b"), record).ok());
  std::set<std::string> ips;
  for (const NodeRecord& node : record.nodes) { ips.insert(node.ip); }
  CHECK(ips.size() == 4);
  CHECK(record.nodes[0].master_port == record.nodes[1].master_port);
  CHECK(record.nodes[0].master_port != record.nodes[2].master_port);
  CloudRecord again = cloud();
  const auto other = book_gang(stage(), gang("1", 1), kStart, {record.nodes[0].master_port}, again);
  CHECK(other.value()[0].master_port != record.nodes[0].master_port);
}

TEST_CASE("boot: the type's, else the region's, else the cloud's") {
  Scenario scenario = stage();
  CloudRecord record = cloud();
  CHECK(book(scenario, gang("1", 1), record).value()[0].ready_at == kStart + Millis{500});
  CHECK(book(scenario, gang("2", 1, "b"), record).value()[0].ready_at == kStart + Millis{2'000});
  scenario.regions[0].types[0].boot = Millis{7};
  CHECK(book(scenario, gang("3", 1), record).value()[0].ready_at == kStart + Millis{7});
}

TEST_CASE("preemptions strike the gangs and nodes they name, the earliest wins") {
  Scenario scenario = stage();
  scenario.preemptions = {{.region = "a", .gang = 2, .after = Millis{100}, .notice = Millis{50}, .nodes = 1},
                          {.after = Millis{1'000}}};
  CloudRecord record = cloud();
  const auto first = book(scenario, gang("1", 1), record).value();
  CHECK(first[0].preempt_at == first[0].ready_at + Millis{1'000});
  record.nodes[0].ended_at = kStart;
  CHECK(book(scenario, gang("b", 1, "b"), record).value()[0].notice ==
        Millis{0});  // another region is not counted
  CHECK_FALSE(book(scenario, gang("d", 1, "a", Market::on_demand), record).value()[0].preempt_at.has_value());
  const auto second = book(scenario, gang("2", 2), record).value();
  CHECK(second[0].preempt_at == second[0].ready_at + Millis{1'000});
  CHECK(second[1].preempt_at == second[1].ready_at + Millis{100});
  CHECK(second[1].notice == Millis{50});
}

TEST_CASE("faults strike the n-th matching call") {
  Scenario scenario = stage();
  scenario.faults = {{CloudCall::create, "a", 2, FaultDeed::throttle, Millis{70}},
                     {CloudCall::create, "", 0, FaultDeed::slow, Millis{5}},
                     {CloudCall::list, "b", 1, FaultDeed::lost_answer, Millis{0}},
                     {CloudCall::create, "b", 1, FaultDeed::refuse_quota, Millis{0}}};
  CloudRecord record = cloud();
  Trouble trouble = meet_faults(scenario, CloudCall::create, {"a"}, record);
  CHECK_FALSE(trouble.refusal.has_value());
  CHECK(trouble.delay == Millis{5});
  trouble = meet_faults(scenario, CloudCall::create, {"b"}, record);
  CHECK(trouble.refusal->kind == ErrorKind::quota);
  trouble = meet_faults(scenario, CloudCall::create, {"a"}, record);
  CHECK(trouble.refusal->kind == ErrorKind::throttled);
  CHECK(trouble.refusal->retry_after == Millis{70});
  CHECK_FALSE(meet_faults(scenario, CloudCall::create, {"a"}, record).refusal.has_value());
  CHECK(meet_faults(scenario, CloudCall::list, {}, record).answer_lost);
  CHECK_FALSE(meet_faults(scenario, CloudCall::list, {}, record).answer_lost);
}

TEST_CASE("published prices keep the past") {
  const Scenario scenario = stage();
  CloudRecord record = cloud();
  publish_prices(scenario, kStart, record);
  const OfferKey key{"local", "a", "", "t", Market::spot};
  using Points = std::vector<PricePoint>;
  CHECK(prices_between(record, key, kStart, kStart + Millis{1}).value() == Points{{kStart, {10}}});
  CHECK(prices_between(record, key, kStart + Millis{5}, kStart + Millis{40'000}).value() ==
        Points{{kStart, {10}}, {kStart + Millis{40'000}, {20}}});
  CHECK(prices_between(record, key, kStart + Millis{50'000}, kStart + Millis{50'000}).value() ==
        Points{{kStart + Millis{40'000}, {20}}});
  CHECK(prices_between(record, key, kStart - Millis{9}, kStart).value().front().at == kStart - Millis{9});
  // Another scenario, a minute later and dearer.
  Scenario later = scenario;
  later.regions[0].types[0].markets[Market::spot].price = {{Millis{0}, 30}};
  record.started_at = kStart + Millis{60'000};
  publish_prices(later, record.started_at, record);
  CHECK(prices_between(record, key, kStart, kStart + Millis{90'000}).value() ==
        Points{{kStart, {10}}, {kStart + Millis{40'000}, {20}}, {kStart + Millis{60'000}, {30}}});
  const CloudRecord before = record;
  publish_prices(later, kStart + Millis{70'000}, record);
  CHECK(record == before);  // saying the same again changes nothing
}

TEST_CASE("the view of a machine follows the clock") {
  NodeRecord node{.id = {"local/abc-1"},
                  .name = "abc-1",
                  .ip = "127.77.1.1",
                  .created_at = kStart,
                  .ready_at = kStart + Millis{100},
                  .preempt_at = kStart + Millis{1'000},
                  .notice = Millis{300}};
  const auto at = [&node](int ms) { return view_node(node, kStart + Millis{ms}, "/n", "/bin/gpubroker"); };
  CHECK(at(99).state == NodeState::starting);
  CHECK(at(99).address.host.empty());
  CHECK_FALSE(at(99).billed_from.has_value());
  CHECK(at(100).state == NodeState::running);
  CHECK(at(100).address ==
        NodeAddress{
            .id = {"local/abc-1"}, .host = "127.77.1.1", .root = "/n/abc-1", .binary = "/bin/gpubroker"});
  CHECK(at(100).billed_from == node.ready_at);
  CHECK_FALSE(at(699).notice_until.has_value());
  CHECK(at(700).notice_until == node.preempt_at);
  node.ended_at = kStart + Millis{50};
  CHECK(at(700).state == NodeState::ended);
  CHECK_FALSE(at(700).billed_from.has_value());
}

TEST_CASE("records read back the same, and damaged ones are refused") {
  CloudRecord record = cloud();
  Scenario scenario = stage();
  scenario.preemptions = {{.after = Millis{100}}};
  publish_prices(scenario, kStart, record);
  REQUIRE(book(scenario, gang("1", 2), record).ok());
  record.nodes[0].ended_at = kStart + Millis{7};
  record.nodes[0].end_reason = "preempted";
  record.nodes[1].gpus = {"GPU-1"};
  record.fault_calls = {1, 2};
  const std::string text = encode_cloud(record);
  CHECK(parse_cloud(text, "cloud.json").value() == record);
  for (std::size_t cut = 0; cut < text.size(); cut += 7) {
    CHECK(parse_cloud(text.substr(0, cut), "cloud.json").error().kind == ErrorKind::internal);
  }
}

TEST_CASE("ports in use, as /proc/net/tcp tells them") {
  const char* text =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
      "  10: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0\n"
      "garbage: 12\n";
  CHECK(parse_used_ports(text) == std::set<int>{20'000, 22});
}

}  // namespace gpubroker::local
