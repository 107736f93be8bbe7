// The tables that commands read hold nothing that the journal does not: they are built again from it.
#include <algorithm>

#include <doctest/doctest.h>

#include "core/broker/broker.hpp"
#include "core/broker/record.hpp"
#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

struct FixedClock final : Clock {
  Instant at{1'795'521'600'000};
  Instant now() override { return at; }
  Millis monotonic() override { return Millis{at.ms}; }
  void sleep_until(Instant until) override { at = std::max(at, until); }
};

struct CountingRandom final : Random {
  std::uint64_t number = 0;
  std::uint64_t next() override { return ++number; }
};

/// Writes a workload's life as the supervisor does: each record with the projection that follows from it.
class Historian {
 public:
  Historian(Journal& journal, FixedClock& clock, const WorkloadId& id)
      : journal_(journal), clock_(clock), state_(load_state(journal, id.value).value()) {}

  void write(RecordBody body, const std::vector<ChargeRow>& charges = {}) {
    clock_.at = clock_.at + Millis{1'500};
    const Record record{.at = clock_.at, .workload = state_.id, .body = std::move(body)};
    apply(state_, record, state_.seq + 1);
    const auto seq = journal_.append(
        {.rows = {encode_record(record)}, .workloads = {project(state_)}, .charges = charges}, {});
    REQUIRE(seq.ok());
    state_.seq = seq.value();
  }

  /// One attempt: booked, seen, run to `step`, ended and paid for.
  void live_through(int number, const Offer& offer, std::int64_t step, AttemptEnd end) {
    write(IntentRecord{
        .attempt = number, .action = "create", .offer = offer, .expires = clock_.at + Millis{9'000'000}});
    NodeView node{
        .id = {"local/n-" + std::to_string(number)},
        .token = attempt_token(state_.id, number),
        .offer = offer.key,
        .state = NodeState::running,
        .address = {.id = {"local/n-" + std::to_string(number)}, .host = "127.0.0.2", .root = "/srv/n"},
        .created_at = clock_.at,
        .billed_from = clock_.at};
    write(OutcomeRecord{.attempt = number, .action = "create", .nodes = {node}});
    write(AttemptRecord{.what = AttemptRecord::What::ready, .attempt = number});
    AgentReport report;
    report.version = "0.1.0";
    report.step = step;
    report.committed_step = step - 1;
    write(AgentSeenRecord{.attempt = number, .rank = 0, .report = report});
    node.state = NodeState::ended;
    node.ended_at = clock_.at;
    node.end_reason = "preempted";
    write(NodeSeenRecord{.attempt = number, .view = node});
    write(AttemptRecord{
        .what = AttemptRecord::What::over, .attempt = number, .why = end, .reason = "it \"ended\""});
    const ChargeRow charge{.workload = state_.id,
                           .attempt = number,
                           .node = node.id,
                           .provider = offer.key.provider,
                           .region = offer.key.region,
                           .instance_type = offer.key.instance_type,
                           .market = std::string(to_string(offer.key.market)),
                           .owner = state_.options.owner,
                           .from = *node.billed_from,
                           .to = *node.ended_at,
                           .rate = offer.price,
                           .amount = cost(offer.price, *node.ended_at - *node.billed_from).value()};
    const std::string settle = "settle/0";
    write(IntentRecord{.attempt = number, .action = settle});
    write(OutcomeRecord{.attempt = number, .action = settle, .charges = {charge}}, {charge});
  }

 private:
  Journal& journal_;
  FixedClock& clock_;
  WorkloadState state_;
};

Offer offer(const std::string& region, Market market, std::int64_t micros) {
  return {.key = {"local", region, "", "cpu4", market}, .vcpus = 4, .price = {micros}, .source = "a test"};
}

/// Three workloads: one that was preempted twice and succeeded, one that found nothing, one that was asked to
/// stop.
void write_history(Journal& journal) {
  FixedClock clock;
  CountingRandom random;
  const auto begin = [&](const std::string& name, const std::string& key) {
    Task task;
    task.name = name;
    task.run = "train";
    return accept(journal, clock, random, task, {.key = key, .owner = "ann"}).value().id;
  };
  Historian llama(journal, clock, begin("llama", "build-7"));
  Historian nothing(journal, clock, begin("nothing", ""));
  llama.write(PhaseRecord{.to = Phase::provisioning});
  llama.live_through(1, offer("east", Market::spot, 1'234'567), 40, AttemptEnd::preempted);
  nothing.write(PhaseRecord{.to = Phase::provisioning});
  nothing.write(IntentRecord{.attempt = 1, .action = "create", .offer = offer("west", Market::spot, 5)});
  nothing.write(OutcomeRecord{
      .attempt = 1,
      .action = "create",
      .error = Error{.kind = ErrorKind::capacity, .message = "sold out"},
      .refusal = Refusal{
          .key = offer("west", Market::spot, 5).key, .at = clock.at, .until = clock.at + Millis{30'000}}});
  nothing.write(AttemptRecord{.what = AttemptRecord::What::over, .attempt = 1, .why = AttemptEnd::refused});
  nothing.write(WaitRecord{.until = clock.at + Millis{30'000}, .reason = "sold out everywhere"});
  llama.live_through(2, offer("west", Market::spot, 987'654), 80, AttemptEnd::preempted);
  llama.live_through(3, offer("west", Market::on_demand, 3'000'001), 100, AttemptEnd::finished);
  llama.write(PhaseRecord{.to = Phase::starting});
  llama.write(PhaseRecord{.to = Phase::running});
  llama.write(PhaseRecord{.to = Phase::succeeded, .reason = "all ranks exited 0"});
  const WorkloadId stopped = begin("stopped", "build-8");
  REQUIRE(ask(journal, clock, stopped.value, {.verb = UserVerb::stop}).ok());
}

}  // namespace

TEST_CASE("projections that were deleted or spoilt are built again from the journal, the same") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  const std::unique_ptr<Journal> journal = open(path);
  write_history(*journal);
  const std::vector<WorkloadRow> workloads = journal->workloads(false).value();
  const std::vector<ChargeRow> charges = journal->charges().value();
  REQUIRE(workloads.size() == 3);
  REQUIRE(charges.size() == 3);
  CHECK(journal->find_workload("llama").value()->settled.micros > 0);

  for (const char* damage :
       {"DELETE FROM workload; DELETE FROM charge",
        "DELETE FROM charge WHERE attempt = 2; DELETE FROM workload WHERE name = 'nothing'",
        "UPDATE workload SET phase = 'lost', step = 0, settled_micros = 0",
        "UPDATE charge SET amount_micros = 0",
        // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one long statement.
        "INSERT INTO workload SELECT 'ghost', name, '', owner, phase, live, created_at_ms, "
        "changed_at_ms, attempts, nodes, place, step, settled_micros, detail FROM workload LIMIT 1"}) {
    CAPTURE(damage);
    CHECK(RawDatabase(path).run(damage).empty());
    CHECK((journal->workloads(false).value() != workloads || journal->charges().value() != charges));
    REQUIRE(rebuild_projections(*journal).ok());
    CHECK(journal->workloads(false).value() == workloads);
    CHECK(journal->charges().value() == charges);
  }
  CHECK(journal->find_workload("build-7").value()->name == "llama");
}

}  // namespace gpubroker::store_test
