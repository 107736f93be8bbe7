#include <doctest/doctest.h>

#include "core/broker/broker.hpp"
#include "tests/sim/memory_journal.hpp"
#include "tests/sim/sim_world.hpp"
#include "tests/unit/broker/story.hpp"

namespace gpubroker {
namespace {

using testing::make_task;

class FixedClock final : public Clock {
 public:
  Instant now() override { return {1'000}; }
  Millis monotonic() override { return Millis{0}; }
  void sleep_until(Instant /*at*/) override {}
};

struct Desk {
  sim::MemoryJournal journal;
  FixedClock clock;
  sim::Dice dice{1};

  std::string launch(const std::string& key, const Task& task = make_task(1)) {
    return accept(journal, clock, dice, task, {.key = key}).value().id.value;
  }
  void write(const std::string& id, RecordBody body) {
    const Record record{.at = clock.now(), .workload = {id}, .body = std::move(body)};
    WorkloadState state = load_state(journal, id).value();
    apply(state, record, state.seq + 1);
    REQUIRE(
        journal.append({.rows = {encode_record(record)}, .workloads = {project(state)}, .charges = {}}, {})
            .ok());
  }
  /// Leads the workload to a phase by the shortest way of the table.
  void bring_to(const std::string& id, Phase phase) {
    using enum Phase;
    const std::map<Phase, std::vector<Phase>> ways = {
        {queued, {}},
        {provisioning, {provisioning}},
        {starting, {provisioning, starting}},
        {running, {provisioning, starting, running}},
        {migrating, {provisioning, starting, running, migrating}},
        {recovering, {provisioning, starting, running, recovering}},
        {stopping, {stopping}},
        {stopped, {stopping, stopped}},
        {succeeded, {stopping, succeeded}},
        {failed, {failed}},
        {cancelled, {cancelled}},
        {expired, {expired}}};
    for (const Phase step : ways.at(phase)) { write(id, PhaseRecord{.to = step, .reason = "so", .exit = 0}); }
    REQUIRE(load_state(journal, id).value().phase == phase);
  }
};

TEST_CASE("what may be asked in each phase") {
  using enum Phase;
  const auto is_running = [](Phase phase) { return phase == running; };
  for (int i = 0; i <= static_cast<int>(expired); ++i) {
    const auto phase = static_cast<Phase>(i);
    CAPTURE(to_string(phase));
    const bool over = is_final(phase);
    struct Row {
      UserVerb verb;
      bool allowed;
    };
    for (const Row& row :
         {Row{UserVerb::stop, !over}, Row{UserVerb::start, !over}, Row{UserVerb::down, true},
          Row{UserVerb::migrate, is_running(phase)}, Row{UserVerb::checkpoint, is_running(phase)}}) {
      CAPTURE(to_string(row.verb));
      Desk desk;
      const std::string id = desk.launch("k");
      desk.bring_to(id, phase);
      const Status asked = ask(desk.journal, desk.clock, id, {.verb = row.verb});
      CHECK(asked.ok() == row.allowed);
      if (!asked.ok()) {
        CHECK(asked.error().kind == ErrorKind::invalid);
        CHECK(asked.error().message.find(id + " is " + std::string(to_string(phase))) == 0);
        CHECK_FALSE(asked.error().hint.empty());
      }
    }
  }
}

TEST_CASE("what is already so is asked without a new row") {
  Desk desk;
  const std::string id = desk.launch("k");
  desk.bring_to(id, Phase::stopped);
  const std::int64_t before = desk.journal.last_seq().value();
  CHECK(ask(desk.journal, desk.clock, id, {.verb = UserVerb::stop}).ok());
  CHECK(desk.journal.last_seq().value() == before);
}

TEST_CASE("a wish that comes while the workload ends does not bring it back") {
  Desk desk;
  const std::string id = desk.launch("k");
  desk.bring_to(id, Phase::running);
  bool has_ended = false;
  desk.journal.on_append = [&](bool after) -> Status {  // the supervisor is quicker than the command
    if (after || std::exchange(has_ended, true)) { return Ok{}; }
    desk.write(id, PhaseRecord{.to = Phase::stopping, .reason = "so", .exit = 0});
    desk.write(id, PhaseRecord{.to = Phase::succeeded, .reason = "so", .exit = 0});
    return Ok{};
  };
  const Status asked = ask(desk.journal, desk.clock, id, {.verb = UserVerb::stop});
  REQUIRE_FALSE(asked.ok());
  CHECK(asked.error().message.find("succeeded") != std::string::npos);
  const WorkloadRow row = desk.journal.find_workload(id).value().value();
  CHECK(row.phase == "succeeded");
  CHECK_FALSE(row.live);
}

TEST_CASE("a wish is written although the workload goes on meanwhile") {
  Desk desk;
  const std::string id = desk.launch("k");
  desk.bring_to(id, Phase::running);
  int rows = 0;
  desk.journal.on_append = [&](bool after) -> Status {
    if (!after && ++rows < 4) { desk.write(id, WaitRecord{.until = {1}, .reason = "so"}); }
    return Ok{};
  };
  REQUIRE(ask(desk.journal, desk.clock, id, {.verb = UserVerb::stop}).ok());
  const WorkloadState state = load_state(desk.journal, id).value();
  CHECK(state.asked_end == UserVerb::stop);
  CHECK(desk.journal.find_workload(id).value().value() == project(state));
}

TEST_CASE("one key, one workload") {
  Desk desk;
  const std::string id = desk.launch("ci-1");
  const Result<Accepted> again = accept(desk.journal, desk.clock, desk.dice, make_task(4), {.key = "ci-1"});
  REQUIRE(again.ok());
  CHECK(again.value().already);
  CHECK(again.value().id.value == id);
  CHECK(desk.launch("ci-2") != id);
  CHECK(desk.journal.workloads(false).value().size() == 2);
  CHECK(desk.launch("") != desk.launch(""));  // no key: two launches are two workloads
}

TEST_CASE("a name that nobody has is answered with the nearest") {
  Desk desk;
  const std::string id = desk.launch("k");
  const Status asked = ask(desk.journal, desk.clock, "trainn", {.verb = UserVerb::down});
  REQUIRE_FALSE(asked.ok());
  CHECK(asked.error().kind == ErrorKind::not_found);
  CHECK(asked.error().hint.find("train") != std::string::npos);
  CHECK(ask(desk.journal, desk.clock, "train", {.verb = UserVerb::down}).ok());  // by its name
}

TEST_CASE("a deadline is kept and shown, and said to be missed once it is") {
  Task task = make_task(1);
  task.deadline = std::chrono::hours{1};
  Desk desk;
  const std::string id = desk.launch("k", task);
  const WorkloadState state = load_state(desk.journal, id).value();
  CHECK(state.task.deadline == task.deadline);
  const Instant due = state.created_at + *task.deadline;
  CHECK(state_json(state, due).find("\"deadline_missed\":false") != std::string::npos);
  CHECK(state_json(state, due + Millis{1}).find("\"deadline_missed\":true") != std::string::npos);
  WorkloadState in_time = state;  // a job that is over is late only if it ended late
  in_time.phase = Phase::succeeded;
  in_time.phase_at = due;
  CHECK(state_json(in_time, due + std::chrono::hours{9}).find("\"deadline_missed\":false") !=
        std::string::npos);
}

}  // namespace
}  // namespace gpubroker
