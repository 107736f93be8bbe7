#include "providers/local/scenario.hpp"

#include <random>

#include <doctest/doctest.h>

namespace gpubroker::local {
namespace {

constexpr const char* kFull = R"(
name: two regions
billing: {unit: 1s, minimum: 1m}
boot: 200ms
poll_interval: 50ms
shows_stock: true
regions:
  - name: east
    quota: 64
    boot: 1s
    instance_types:
      - name: h8
        vcpus: 8
        memory: 32
        accelerators: "H100-SXM-80GB:8"
        slots: "0s: 4, 30s: 0, 60s: 4"
        boot: 5s
        prices: {on_demand: 2.10, spot: "0s: 0.80, 40s: 1.25"}
        market_slots: {spot: {0s: 2, 20s: 0}}
      - {name: cpu2, vcpus: 2, memory: 512MiB, prices: {on_demand: 0}}
  - name: west
    instance_types:
      - {name: h8, prices: {spot: 1}}
faults:
  - {call: create, region: east, nth: 1, do: lost_answer}
  - {call: list, nth: every, do: {slow: 20ms}}
  - {call: terminate, nth: 2, do: {throttle: 500ms}}
  - {call: offers, do: refuse_quota}
preemptions:
  - {market: spot, region: west, gang: 1, after: 10s, notice: 5s, nodes: 1}
  - {every: 30s}
)";

Error error_of(const std::string& yaml) {
  const auto scenario = parse_scenario(yaml, "s.yaml");
  REQUIRE_FALSE(scenario.ok());
  CHECK(scenario.error().kind == ErrorKind::invalid);
  return scenario.error();
}

Scenario parsed(const std::string& yaml) {
  const auto scenario = parse_scenario(yaml, "s.yaml");
  REQUIRE_MESSAGE(scenario.ok(),
                  (scenario.ok() ? "" : scenario.error().source + " " + scenario.error().message));
  return scenario.value();
}

}  // namespace

TEST_CASE("a scenario says everything it can") {
  const Scenario scenario = parsed(kFull);
  CHECK(scenario.name == "two regions");
  CHECK(scenario.billing == BillingRule{Millis{1'000}, Millis{60'000}});
  CHECK(scenario.boot == Millis{200});
  CHECK(scenario.poll_interval == Millis{50});
  CHECK(scenario.shows_stock);
  REQUIRE(scenario.regions.size() == 2);
  const InstancePlan& h8 = scenario.regions[0].types[0];
  CHECK(scenario.regions[0].quota_vcpus == 64);
  CHECK(h8.memory_mib == 32 * 1024);
  CHECK(h8.gpu == Accelerator{"H100", "SXM", 80, 8});
  CHECK(h8.boot == Millis{5'000});
  CHECK(h8.slots == Steps{{Millis{0}, 4}, {Millis{30'000}, 0}, {Millis{60'000}, 4}});
  CHECK(h8.markets.at(Market::spot).price == Steps{{Millis{0}, 800'000}, {Millis{40'000}, 1'250'000}});
  CHECK(h8.markets.at(Market::spot).slots == Steps{{Millis{0}, 2}, {Millis{20'000}, 0}});
  CHECK(h8.markets.at(Market::on_demand).price == Steps{{Millis{0}, 2'100'000}});
  CHECK(scenario.regions[0].types[1].memory_mib == 512);
  CHECK(scenario.faults ==
        std::vector<Fault>{{CloudCall::create, "east", 1, FaultDeed::lost_answer, Millis{0}},
                           {CloudCall::list, "", 0, FaultDeed::slow, Millis{20}},
                           {CloudCall::terminate, "", 2, FaultDeed::throttle, Millis{500}},
                           {CloudCall::offers, "", 1, FaultDeed::refuse_quota, Millis{0}}});
  CHECK(scenario.preemptions ==
        std::vector<Preemption>{{Market::spot, "west", 1, Millis{10'000}, Millis{5'000}, 1},
                                {Market::spot, "", 0, Millis{30'000}, Millis{0}, 0}});
}

TEST_CASE("what is written reads back the same") {
  const Scenario scenario = parsed(kFull);
  CHECK(parsed(format_scenario(scenario)) == scenario);
  const RehearsalPlan plan{.nodes = 3,
                           .vcpus = 4,
                           .gpu = {"H100", "", 0, 8},
                           .preempt_every = Millis{30'000},
                           .notice = Millis{5'000},
                           .boot = Millis{250}};
  const Scenario rehearsal = make_rehearsal(plan);
  CHECK(parsed(format_scenario(rehearsal)) == rehearsal);
  CHECK(rehearsal.regions.size() == 2);
  CHECK(value_at(rehearsal.regions[0].types[0].slots, Millis{0}) == 6);
  CHECK(rehearsal.preemptions.size() == 1);
  CHECK(make_rehearsal({}).preemptions.empty());
}

TEST_CASE("a name is quoted safely") {
  Scenario scenario = make_rehearsal({});
  scenario.name = "a \"b\" \\ c\nd: [";
  CHECK(parsed(format_scenario(scenario)) == scenario);
}

TEST_CASE("steps hold until the next one") {
  const Steps steps = {{Millis{0}, 4}, {Millis{30}, 0}};
  CHECK(value_at(steps, Millis{-5}) == 4);
  CHECK(value_at(steps, Millis{29}) == 4);
  CHECK(value_at(steps, Millis{30}) == 0);
  CHECK(value_at({}, Millis{30}) == 0);
}

TEST_CASE("steps of equal value are one step") {
  const Scenario scenario = parsed(
      "name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spot: \"0s: 1, 5s: 1.00, 9s: "
      "2\"}}]}]");
  CHECK(scenario.regions[0].types[0].markets.at(Market::spot).price.size() == 2);
}

TEST_CASE("mistakes are named with their place") {
  struct Row {
    const char* yaml;
    const char* source;
    const char* message;
    const char* hint;
  };
  const std::string type = "name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spot: 1}}]}]\n";
  const std::vector<Row> rows = {
      {"", "s.yaml:1:1", "`scenario` must be a map", ""},
      {"nam: x", "s.yaml:1:1", "`scenario` has no field `nam`", "did you mean `name`?"},
      {"name: x", "s.yaml:1:1", "`scenario` lacks `regions`", ""},
      {"name: x\nname: y", "s.yaml:2:1", "`name` is given twice", ""},
      {"name: [", "s.yaml", "not YAML", ""},
      {"name: x\nregions: []", "s.yaml:2:10", "must not be empty", ""},
      {"name: x\nregions:\n  - {name: a b, instance_types: []}", "s.yaml:3:12", "must be a name", ""},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, slotz: 1, prices: {spot: 1}}]}]",
       "s.yaml:2:48", "has no field `slotz`", "did you mean `slots`?"},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spott: 1}}]}]", "s.yaml:2:57",
       "has no field `spott`", "did you mean `spot`?"},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spot: -1}}]}]", "s.yaml:2:63",
       "is not a price", ""},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spot: \"5s: 1\"}}]}]", "s.yaml:2:63",
       "must say what holds at 0s", ""},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, prices: {spot: \"0s: 1, 9s: 2, 5s: 3\"}}]}]",
       "s.yaml:2:63", "ascending", ""},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, slots: many, prices: {spot: 1}}]}]",
       "s.yaml:2:55", "whole number from 0", ""},
      {"name: x\nregions: [{name: a, instance_types: [{name: t, accelerators: any, prices: {spot: 1}}]}]",
       "s.yaml:2:62", "must name one kind of GPU", ""},
      {"name: x\nboot: soon", "s.yaml:2:7", "is not a duration", ""},
      {"name: x\nbilling: {unit: 0s}", "s.yaml:2:17", "must be longer than 0s", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.yaml);
    const Error error = error_of(row.yaml);
    CHECK_MESSAGE(error.source.starts_with(row.source), error.source);
    CHECK_MESSAGE(error.message.find(row.message) != std::string::npos, error.message);
    CHECK_MESSAGE(error.hint.find(row.hint) != std::string::npos, error.hint);
  }
  CHECK(error_of(type + "faults: [{call: crate, do: network}]").hint == "did you mean `create`?");
  CHECK(error_of(type + "faults: [{call: create, do: slow}]").message.find("{slow: 2s}") !=
        std::string::npos);
  CHECK(error_of(type + "faults: [{call: create, region: b, do: network}]").source == "s.yaml:3:33");
  CHECK(error_of(type + "preemptions: [{gang: 1}]").message.find("either `after` or `every`") !=
        std::string::npos);
  CHECK(error_of(type + "preemptions: [{after: 1s, notice: 2s}]").message.find("notice") !=
        std::string::npos);
}

TEST_CASE("a damaged scenario is refused or read, and never more") {
  std::mt19937 random(7);  // the same damage at each run
  for (int i = 0; i < 1'500; ++i) {
    std::string text = kFull;
    for (int k = 0; k < 3; ++k) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text.erase(at, 1 + random() % 8);
      } else {
        text.insert(at, 1, "{}[]:,-\"'\n \t&*!#0a"[random() % 18]);
      }
    }
    const auto scenario = parse_scenario(text, "s.yaml");
    if (scenario.ok()) { CHECK(parsed(format_scenario(scenario.value())) == scenario.value()); }
  }
}

}  // namespace gpubroker::local
