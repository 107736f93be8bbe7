#include "cmd/status_text.hpp"

#include <doctest/doctest.h>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr Instant kStart{1'795'478'400'000};  // 2026-11-24T00:00:00Z
constexpr Instant kNow = kStart + Millis{600'000};

Attempt attempt(int number, Instant opened, AttemptEnd end) {
  Attempt made;
  made.number = number;
  made.offer.key = {.provider = "local", .region = "us", .instance_type = "c2", .market = Market::spot};
  made.offer.price = {800'000};
  made.opened_at = opened;
  made.running_at = opened + Millis{1'000};
  made.end = end;
  if (end != AttemptEnd::none) { made.over_at = opened + Millis{60'000}; }
  return made;
}

WorkloadState preempted_once() {
  WorkloadState state;
  state.id = {"llama-7k2q"};
  state.task.name = "llama";
  state.task.num_nodes = 2;
  state.task.budget = Money{4'000'000'000};
  state.options = {.key = "b1", .owner = "ada"};
  state.created_at = kStart;
  state.phase = Phase::running;
  state.phase_at = kNow - Millis{180'000};
  state.reason = "the job runs on 2 nodes";
  Attempt first = attempt(1, kStart, AttemptEnd::preempted);
  first.reason = "node 1 is gone: preempted";
  first.last_step = 40;
  Pending create{.tries = 1, .kind = ErrorKind::quota, .message = "you have 96 of 192 vCPU"};
  first.actions["create"] = create;
  Attempt second = attempt(2, kStart + Millis{61'000}, AttemptEnd::none);
  second.resume = CheckpointId{"000000000038-a001"};
  second.resume_step = 38;
  second.last_step = 90;
  NodeRecord node;
  node.view = {.id = {"local/n-3"}, .index = 0, .state = NodeState::running};
  node.agent = {.version = "1", .committed = "000000000080-a002", .committed_step = 80};
  second.nodes[0] = node;
  state.attempts = {first, second};
  state.refusals = {{.key = first.offer.key,
                     .scope = ErrorScope::region,
                     .kind = ErrorKind::quota,
                     .code = "VcpuLimitExceeded",
                     .message = "you have 96 of 192 vCPU",
                     .at = kStart,
                     .until = kStart + Millis{600'000}}};
  return state;
}

TEST_CASE("one workload in words, for a terminal") {
  CHECK(workload_text(preempted_once(), kNow, /*every_try=*/false, {.relative = true}) ==
        R"(llama-7k2q  running (3m ago)
  why:        the job runs on 2 nodes
  place:      local/us/c2/spot, 2 nodes, 1.60 USD/h
  progress:   step 90 seen; step 80 is saved as 000000000080-a002
  lost steps: 2 in 1 interruption, down for 2s in all
  cost:       0.00 USD so far, 0.00 of it settled
  limits:     budget 4000.00 USD
  launched:   10m ago for ada, key b1

  ATTEMPT  PLACE             BEGAN    END        STEPS   LOST  DOWN  USD   REASON
  1        local/us/c2/spot  10m ago  preempted  0..40   -     -     0.00  node 1 is gone: preempted
  2        local/us/c2/spot  8m ago   live       38..90  2     2s    0.00  -

  ATTEMPT  NODE  MACHINE    STATE    AGENT  EXIT  WHY
  2        0     local/n-3  running  setup  -     -
)");
}

TEST_CASE("--attempts adds the cloud's words and what was ruled out, in UTC for a pipe") {
  const std::string text = workload_text(preempted_once(), kNow, /*every_try=*/true, {});
  CHECK(text.find("since 2026-11-24T00:07:00Z\n") != std::string::npos);
  CHECK(text.find(R"(
  ATTEMPT  CALL    FAILURES  KIND   WHAT WAS SAID
  1        create  1         quota  you have 96 of 192 vCPU

  RULED OUT         SCOPE   KIND   CODE               WHEN                  UNTIL                 WHAT WAS SAID
  local/us/c2/spot  region  quota  VcpuLimitExceeded  2026-11-24T00:00:00Z  2026-11-24T00:10:00Z  you have 96 of 192 vCPU
)") != std::string::npos);
}

TEST_CASE("colour is around the phase and the ends alone") {
  const std::string text =
      workload_text(preempted_once(), kNow, /*every_try=*/false, {.relative = true, .color = true});
  CHECK(text.find("llama-7k2q  \033[32mrunning\033[0m (3m ago)") == 0);
  CHECK(text.find("\033[33mpreempted  \033[0m") != std::string::npos);
}

TEST_CASE("the list of workloads") {
  const std::vector<WorkloadRow> rows = {{.id = {"a-1"},
                                          .phase = "running",
                                          .created_at = kStart,
                                          .attempts = 2,
                                          .nodes = 4,
                                          .place = "local/us/c2/spot",
                                          .step = 7,
                                          .settled = {1'500'000}},
                                         {.id = {"b-2"}, .phase = "queued", .created_at = kNow}};
  CHECK(workload_table(rows, kNow, {.relative = true}).aligned() ==
        "WORKLOAD  PHASE    ATTEMPTS  NODES  STEP  COST  LAUNCHED  PLACE\n"
        "a-1       running  2         4      7     1.50  10m ago   local/us/c2/spot\n"
        "b-2       queued   0         0      -     0.00  now       -\n");
  CHECK(workload_table(rows, kNow, {}).tabbed() ==
        "a-1\trunning\t2\t4\t7\t1.50\t2026-11-24T00:00:00Z\tlocal/us/c2/spot\n"
        "b-2\tqueued\t0\t0\t-\t0.00\t2026-11-24T00:10:00Z\t-\n");
}

TEST_CASE("machines that were found") {
  FoundNode node{.provider = "local", .view = {.id = {"local/n-1"}}, .known = false};
  node.view.tags = {.workload = {"w-1"}, .attempt = 3, .owner = "ada", .expires = kNow};
  CHECK(machine_table({node}, kNow, {})
            .tabbed()
            .find("\tw-1\t3\tada\t2026-11-24T00:10:00Z\tnot in this journal\n") != std::string::npos);
  const Json json = Json::parse(machines_json({node}, {}));
  CHECK(json.at("machines").at(0).at("workload") == "w-1");
  CHECK(json.at("machines").at(0).at("key").is_null());
}

}  // namespace
}  // namespace gpubroker
