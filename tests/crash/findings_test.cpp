// What the crash sweep has shown, each by itself: quick, without a kill.
#include <doctest/doctest.h>

#include "core/agent/checkpointer.hpp"
#include "core/broker/broker.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/store/sqlite_journal.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/system/random.hpp"
#include "tests/contract/local_world.hpp"

namespace gpubroker {
namespace {

using contract::TemporaryHome;

struct Machine {
  TemporaryHome home;
  SystemClock clock;
  SystemRandom random;
  PosixFiles files;
  PosixProcesses processes;

  [[nodiscard]] std::string path(const std::string& name) const { return home.path() + "/" + name; }
  [[nodiscard]] std::string store_url() const { return "file://" + path("store"); }
};

/// Another process writes a row just before each append of the supervisor.
class RacedJournal : public Journal {
 public:
  RacedJournal(Journal& journal, std::function<void()> other) : journal_(journal), other_(std::move(other)) {}

  Result<std::int64_t> append(const JournalBatch& batch, const std::optional<Lease>& lease) override {
    other_();
    return journal_.append(batch, lease);
  }
  Result<std::vector<JournalRow>> read(const WorkloadId& workload, std::int64_t after,
                                       std::size_t limit) override {
    return journal_.read(workload, after, limit);
  }
  Result<std::int64_t> last_seq() override { return journal_.last_seq(); }
  Result<std::vector<WorkloadRow>> workloads(bool only_live) override {
    return journal_.workloads(only_live);
  }
  Result<std::optional<WorkloadRow>> find_workload(const std::string& name) override {
    return journal_.find_workload(name);
  }
  Result<std::vector<ChargeRow>> charges() override { return journal_.charges(); }
  Status replace_projections(const std::vector<WorkloadRow>& workloads,
                             const std::vector<ChargeRow>& charges) override {
    return journal_.replace_projections(workloads, charges);
  }
  Result<Lease> take_lease(const std::string& holder, Instant now, Millis length) override {
    return journal_.take_lease(holder, now, length);
  }
  Status release_lease(const Lease& lease) override { return journal_.release_lease(lease); }
  Result<std::optional<Lease>> current_lease() override { return journal_.current_lease(); }

 private:
  Journal& journal_;
  std::function<void()> other_;
};

class NothingOnSale : public OfferSource {
 public:
  Result<std::vector<Offer>> offers() override { return std::vector<Offer>{}; }
};

void write(Machine& machine, const std::string& name, const std::string& text) {
  REQUIRE(machine.files.write_atomic(machine.path(name), text, 0644, /*durable=*/false).ok());
}

CheckpointId commit(Machine& machine, CheckpointStore& store, std::int64_t step) {
  write(machine, "work/state", std::to_string(step));
  const Manifest header{.id = make_checkpoint_id(step, 1), .attempt = 1, .step = step, .world_size = 1};
  REQUIRE(store.commit(machine.path("work"), header).ok());
  return header.id;
}

TEST_CASE("a row of another process between two of the supervisor's does not end it") {
  Machine machine;
  const std::unique_ptr<Journal> journal =
      open_journal(machine.path("journal.db"), OpenMode::read_write).value();
  const auto launch = [&](const std::string& name) {
    Task task;
    task.name = name;
    REQUIRE(accept(*journal, machine.clock, machine.random, task, {.retry_until_up = true}).ok());
  };
  launch("first");
  int raced = 0;
  RacedJournal between(*journal, [&] {
    if (++raced == 1) { launch("second"); }
  });
  NothingOnSale offers;
  SupervisorParts parts{.journal = between, .clock = machine.clock, .offers = offers};
  parts.run_later = [](const std::function<void()>& task) { task(); };
  Supervisor supervisor(std::move(parts), "test");
  REQUIRE(supervisor.start().ok());
  for (int i = 0; i < 5; ++i) {
    const Result<Supervisor::Step> step = supervisor.step();
    REQUIRE_MESSAGE(step.ok(), (step.ok() ? "" : step.error().message));
  }
  REQUIRE(raced > 0);
  CHECK(supervisor.workloads().size() == 2);
  for (const auto& [id, state] : supervisor.workloads()) {
    CHECK(state == load_state(*journal, id.value).value());
    CHECK(!state.wait_reason.empty());
  }
}

TEST_CASE("a move that was asked for, or is done, may be asked for again") {
  Machine machine;
  const std::unique_ptr<Journal> journal =
      open_journal(machine.path("journal.db"), OpenMode::read_write).value();
  Task task;
  task.name = "moved";
  const WorkloadId id = accept(*journal, machine.clock, machine.random, task, {}).value().id;
  const auto write_down = [&](RecordBody body) {
    const Record record{.at = machine.clock.now(), .workload = id, .body = std::move(body)};
    REQUIRE(journal->append({.rows = {encode_record(record)}}, std::nullopt).ok());
  };
  Offer east;
  east.key = {"local", "east", "", "c2", Market::spot};
  write_down(IntentRecord{.attempt = 1, .action = "create", .offer = east, .expires = {}});
  for (const Phase phase : {Phase::provisioning, Phase::starting, Phase::running}) {
    write_down(PhaseRecord{.to = phase, .reason = ""});
  }
  const auto migrate = [&](const std::string& region) {
    return ask(*journal, machine.clock, id.value,
               {.verb = UserVerb::migrate, .provider = "local", .region = region});
  };
  const std::int64_t before = journal->last_seq().value();
  CHECK(migrate("east").ok());  // it is there
  CHECK(journal->last_seq().value() == before);
  CHECK(migrate("west").ok());
  CHECK(journal->last_seq().value() == before + 1);
  write_down(PhaseRecord{.to = Phase::migrating, .reason = ""});
  CHECK(migrate("west").ok());  // it is on its way
  CHECK(journal->last_seq().value() == before + 2);
  CHECK(!migrate("north").ok());
}

TEST_CASE("the checkpoint that a gang goes on from outlives newer ones") {
  Machine machine;
  const std::unique_ptr<ObjectStore> objects = open_object_store(machine.store_url(), machine.files).value();
  CheckpointStore store(*objects, machine.files, machine.clock, {"w"});
  const CheckpointId resumed = commit(machine, store, 1);
  for (int step = 2; step <= 5; ++step) { commit(machine, store, step); }
  REQUIRE(store.retain(2, /*sweep_all=*/true, resumed).ok());
  CHECK(store.list().value().size() == 3);
  CHECK(store.verify(store.read(resumed).value(), /*deep=*/true).ok());
  REQUIRE(store.retain(2, /*sweep_all=*/true).ok());
  CHECK(store.list().value().size() == 2);
  CHECK(!store.read(resumed).ok());
}

TEST_CASE("an agent's commits keep what the other nodes have yet to restore") {
  Machine machine;
  const std::unique_ptr<ObjectStore> objects = open_object_store(machine.store_url(), machine.files).value();
  CheckpointStore store(*objects, machine.files, machine.clock, {"w"});
  const CheckpointId resumed = commit(machine, store, 1);
  AgentSpec spec{.workload = {"w"}, .attempt = 2, .node_ips = {"127.0.0.1", "127.0.0.2"}, .resume = resumed};
  spec.checkpoint.store = machine.store_url();
  spec.checkpoint.keep = 1;
  Checkpointer checkpointer({machine.clock, machine.files, machine.processes}, spec, machine.path("ckpt"));
  for (int step = 2; step <= 4; ++step) {
    write(machine, "ckpt/state", std::to_string(step));
    write(machine, "ckpt/LATEST.json", "{\"step\": " + std::to_string(step) + ", \"files\": [\"state\"]}");
    checkpointer.finish(step, /*killed=*/false);
  }
  CHECK(store.newest_whole().value()->step == 4);
  CHECK(store.read(resumed).ok());
}

TEST_CASE("what a killed job leaves is a checkpoint only when its LATEST.json says so") {
  for (const bool killed : {false, true}) {
    for (const bool marked : {false, true}) {
      CAPTURE(killed);
      CAPTURE(marked);
      Machine machine;
      const std::unique_ptr<ObjectStore> objects =
          open_object_store(machine.store_url(), machine.files).value();
      CheckpointStore store(*objects, machine.files, machine.clock, {"w"});
      AgentSpec spec{.workload = {"w"}, .attempt = 1, .node_ips = {"127.0.0.1"}};
      spec.checkpoint.store = machine.store_url();
      write(machine, "ckpt/state", "half of a st");
      if (marked) { write(machine, "ckpt/LATEST.json", R"({"step": 7, "files": ["state"]})"); }
      Checkpointer checkpointer({machine.clock, machine.files, machine.processes}, spec,
                                machine.path("ckpt"));
      checkpointer.finish(7, killed);
      CHECK(store.newest_whole().value().has_value() == (marked || !killed));
    }
  }
}

TEST_CASE("the disk of a machine that is gone is removed by the next call, whoever left it") {
  contract::LocalWorld world("");
  REQUIRE(world.provider().prices()->offers().ok());
  const std::string disk = world.folder() + "/nodes/of-a-dead-machine";
  REQUIRE(world.files().write_atomic(disk + "/attempts/1/workdir.tar", "x", 0644, /*durable=*/false).ok());
  REQUIRE(world.provider().provisioner().list().ok());
  CHECK(!world.files().stat(disk).ok());
}

}  // namespace
}  // namespace gpubroker
