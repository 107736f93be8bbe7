#include "tests/unit/broker/story.hpp"

#include <algorithm>

#include <doctest/doctest.h>

namespace gpubroker::testing {

using std::chrono::seconds;

Task make_task(int nodes) {
  Task task;
  task.name = "train";
  task.num_nodes = nodes;
  task.needs[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
  task.run = "train";
  task.checkpoint = {.path = "ckpt", .store = "file:///store", .signal = "SIGUSR1", .grace = seconds{20}};
  return task;
}

Offer make_offer(const std::string& region, std::int64_t micros_per_hour, Market market) {
  Offer offer;
  offer.key = {.provider = "cloud", .region = region, .zone = "", .instance_type = "g8", .market = market};
  offer.gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
  offer.price = {micros_per_hour};
  offer.billing = {seconds{1}, Millis{0}};
  return offer;
}

Story::Story(int nodes) : Story(make_task(nodes)) {}

Story::Story(Task task) {
  offers = {make_offer("east", 2'000'000), make_offer("west", 3'000'000)};
  world.offers_known = true;
  state.id = {"train-abcd"};
  record(AcceptedRecord{.task = std::move(task), .options = {.owner = "me"}});
}

void Story::record(RecordBody body) {
  if (const auto* const phase = std::get_if<PhaseRecord>(&body)) {
    CAPTURE(to_string(state.phase));
    CAPTURE(to_string(phase->to));
    CHECK(may_step(state.phase, phase->to));  // decide makes no step that the table does not know
    phases.push_back(phase->to);
  }
  apply(state, {.at = now, .workload = state.id, .body = std::move(body)}, ++seq_);
}

void Story::settle() {
  constexpr int kMostRounds = 64;
  for (int round = 0; round < kMostRounds; ++round) {
    std::vector<RecordBody> bodies = perceive(state, world, limits, now);
    if (bodies.empty()) {
      Decision decision = decide(state, world, offers, limits, now);
      bodies = std::move(decision.records);
      for (const Action& action : decision.actions) {
        deeds.push_back(std::to_string(action.attempt) + " " + action.name);
      }
    }
    if (bodies.empty()) { return; }
    for (RecordBody& body : bodies) { record(std::move(body)); }
  }
  FAIL("decide does not settle");
}

void Story::pass(Millis length) {
  now = now + length;
  settle();
}

void Story::tell(RecordBody body) {
  record(std::move(body));
  settle();
}

void Story::see() {
  MachineList listing{.known = true, .started_seq = seq_, .at = now, .nodes = {}};
  for (const NodeView& view : machines) { listing.nodes[view.token][view.id] = view; }
  world.listings["cloud"] = std::move(listing);
  settle();
}

bool Story::waits_for(const std::string& action) const {
  return std::any_of(state.attempts.begin(), state.attempts.end(),
                     [&](const Attempt& attempt) { return progress_of(attempt, action).outstanding; });
}

void Story::answer(const std::string& action, OutcomeRecord outcome) {
  for (auto attempt = state.attempts.rbegin(); attempt != state.attempts.rend(); ++attempt) {
    if (!progress_of(*attempt, action).outstanding) { continue; }
    outcome.attempt = attempt->number;
    outcome.action = action;
    tell(std::move(outcome));
    return;
  }
  FAIL("nobody waits for " << action);
}

void Story::fail(const std::string& action, const Error& error) {
  for (auto attempt = state.attempts.rbegin(); attempt != state.attempts.rend(); ++attempt) {
    if (!progress_of(*attempt, action).outstanding) { continue; }
    tell(judge_failure(state, *attempt, action, error, limits, now));
    return;
  }
  FAIL("nobody waits for " << action);
}

void Story::report(int attempt, int rank, const AgentReport& report) {
  for (const Attempt& candidate : state.attempts) {
    if (candidate.number != attempt) { continue; }
    AgentSight& sight = world.agents[candidate.nodes.at(rank).view.id];
    sight = {.report = report, .reachable = true, .changed_at = now, .unusable = {}};
  }
  settle();
}

AgentReport Story::running_report(int attempt, int rank) const {
  AgentReport report;
  report.version = "1";
  report.attempt = attempt;
  report.rank = rank;
  report.phase = AgentPhase::running;
  report.heartbeat_at = now;
  report.started_at = now;
  report.run_started_at = now;
  return report;
}

void Story::book() {
  settle();
  REQUIRE(waits_for("create"));
  OutcomeRecord outcome;
  for (int rank = 0; rank < state.task.num_nodes; ++rank) {
    NodeView view;
    view.id = {"cloud/m" + std::to_string(machines.size())};
    view.token = last().token;
    view.index = rank;
    view.offer = last().offer.key;
    view.tags = {.workload = state.id, .attempt = last().number, .key = {}, .owner = {}, .expires = {}};
    view.state = NodeState::running;
    view.address = {.id = view.id, .host = "10.0.0.1", .root = "/r", .binary = "gpubroker"};
    view.created_at = now;
    view.billed_from = now;
    machines.push_back(view);
    outcome.nodes.push_back(view);
  }
  answer("create", std::move(outcome));
}

void Story::start() {
  answer("find");
  const int number = last().number;
  for (int rank = 0; rank < state.task.num_nodes; ++rank) { answer("start/" + std::to_string(rank)); }
  for (int rank = 0; rank < state.task.num_nodes; ++rank) {
    report(number, rank, running_report(number, rank));
  }
}

void Story::give_back() {
  now = now + seconds{1};
  while (waits_for("end")) { answer("end"); }
  for (NodeView& view : machines) {
    for (const Attempt& attempt : state.attempts) {
      if (attempt.token != view.token || !attempt.is_over() || view.ended_at) { continue; }
      view.state = NodeState::ended;
      view.ended_at = now;
      view.end_reason = "terminated";
    }
  }
  see();
  for (int rank = 0; rank < state.task.num_nodes; ++rank) {
    const std::string settle_name = "settle/" + std::to_string(rank);
    while (waits_for(settle_name)) { answer(settle_name); }
  }
}

void Story::exit_all(int code) {
  const int number = last().number;
  for (int rank = 0; rank < state.task.num_nodes; ++rank) {
    AgentReport report = last().nodes.at(rank).agent;
    report.phase = AgentPhase::exited;
    report.exit_code = code;
    report.ended_at = now;
    report.reason = "run exited with code " + std::to_string(code);
    world.agents[last().nodes.at(rank).view.id] = {
        .report = report, .reachable = true, .changed_at = now, .unusable = {}};
  }
  settle();
  // An error is believed once a list shows that no machine is gone.
  if (!state.attempts.empty() && last().number == number && !last().is_over()) { see(); }
}

void Story::end_machine(int rank, const std::string& why) {
  for (NodeView& view : machines) {
    if (view.token != last().token || view.index != rank) { continue; }
    view.state = NodeState::ended;
    view.ended_at = now;
    view.end_reason = why;
  }
  see();
}

}  // namespace gpubroker::testing
