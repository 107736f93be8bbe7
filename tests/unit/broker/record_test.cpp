#include "core/broker/record.hpp"

#include <set>

#include <doctest/doctest.h>

#include "tests/mutation.hpp"
#include "tests/unit/broker/story.hpp"

namespace gpubroker {
namespace {

using testing::make_offer;
using testing::make_task;
using testing::MutableJson;

NodeView full_view() {
  NodeView view;
  view.id = {"cloud/m1"};
  view.token = {"train-abcd-a1"};
  view.index = 3;
  view.offer = make_offer("east", 1, Market::spot).key;
  view.tags = {.workload = {"train-abcd"}, .attempt = 1, .key = "k\"1", .owner = "me", .expires = {99}};
  view.state = NodeState::running;
  view.address = {.id = view.id, .host = "10.0.0.1", .root = "/opt", .binary = "gpubroker"};
  view.env = {{"A", "1"}, {"B\"quoted\"", "2"}, {"NCCL_IB_HCA", "mlx5\n"}};
  view.created_at = {5};
  view.billed_from = Instant{6};
  view.ended_at = Instant{7};
  view.notice_until = Instant{8};
  view.end_reason = "préempté";
  return view;
}

AgentReport full_report() {
  AgentReport report;
  report.version = "1";
  report.attempt = 2;
  report.rank = 1;
  report.pid = 4'000'000'000;
  report.phase = AgentPhase::exited;
  report.heartbeat_at = {10};
  report.started_at = {11};
  report.run_started_at = Instant{12};
  report.ended_at = Instant{13};
  report.exit_code = 1;
  report.exit_signal = 9;
  report.reason = "killed: \"out of memory\"\t\x01";
  report.setup_failed = true;
  report.step = 7;
  report.step_at = Instant{14};
  report.committed = "00000007-a2";
  report.committed_step = 7;
  report.commit_took = Millis{1500};
  report.notice_at = Instant{15};
  report.done_requests = {"drain-0", "save-1"};
  return report;
}

Refusal full_refusal() {
  return {.key = make_offer("west", 1).key,
          .scope = ErrorScope::region,
          .kind = ErrorKind::quota,
          .code = "VcpuLimitExceeded",
          .message = "96 of 192",
          .at = {1},
          .until = {2}};
}

/// One of every kind, with every field set, and the small ones as they are.
std::vector<RecordBody> one_of_each() {
  const Error error{.kind = ErrorKind::network,
                    .message = "response lost",
                    .hint = "try again",
                    .source = "cloud POST",
                    .code = "Timeout",
                    .scope = ErrorScope::zone,
                    .maybe_applied = true};
  const ChargeRow charge{.workload = {"train-abcd"},
                         .attempt = 1,
                         .node = {"cloud/m1"},
                         .provider = "cloud",
                         .region = "east",
                         .instance_type = "g8",
                         .market = "spot",
                         .owner = "me",
                         .from = {6},
                         .to = {7},
                         .rate = {2'000'003},
                         .amount = {42}};
  Task task = make_task(2);
  task.deadline = std::chrono::hours{36};
  return {
      AcceptedRecord{
          .task = task,
          .options = {.key = "k", .owner = "me", .retry_until_up = true, .wait = Millis{5}, .archive = "/a"}},
      AcceptedRecord{.task = task, .options = {}},
      AskedRecord{{.verb = UserVerb::migrate, .provider = "cloud", .region = "west", .number = 2}},
      PhaseRecord{.to = Phase::failed, .reason = "no\nluck", .exit = 5},
      WaitRecord{.until = {77}, .reason = "nothing"},
      IntentRecord{.attempt = 1,
                   .action = "create",
                   .offer = make_offer("east", 9),
                   .migration = true,
                   .expires = {8}},
      IntentRecord{.attempt = 1, .action = "start/0", .offer = {}, .migration = false, .expires = {}},
      OutcomeRecord{.attempt = 1, .action = "create", .error = {}, .nodes = {full_view(), NodeView{}}},
      OutcomeRecord{.attempt = 1,
                    .action = "create",
                    .error = error,
                    .retry_in = Millis{500},
                    .is_final = false,
                    .refusal = full_refusal()},
      OutcomeRecord{.attempt = 1, .action = "find", .checkpoint = CheckpointId{"00000007-a1"}, .step = 7},
      OutcomeRecord{.attempt = 1, .action = "find", .checkpoint = {}, .step = -1},
      OutcomeRecord{.attempt = 1, .action = "settle/0", .charges = {charge}},
      NodeSeenRecord{.attempt = 1, .view = full_view()},
      AgentSeenRecord{.attempt = 2, .rank = 1, .report = full_report()},
      AttemptRecord{.what = AttemptRecord::What::over,
                    .attempt = 1,
                    .why = AttemptEnd::preempted,
                    .reason = "gone",
                    .refusal = full_refusal()},
      AttemptRecord{.what = AttemptRecord::What::ready, .attempt = 1, .reason = {}, .refusal = {}},
      MigrateGivenUpRecord{.reason = "nothing there"}};
}

Record as_record(const RecordBody& body) {
  return {.at = {123}, .workload = {"train-abcd"}, .body = body};
}

TEST_CASE("every record comes back as it was written") {
  std::set<std::string> kinds;
  for (const RecordBody& body : one_of_each()) {
    const JournalRow row = encode_record(as_record(body));
    CAPTURE(row.body);
    const Result<Record> back = decode_record(row);
    REQUIRE(back.ok());
    const JournalRow again = encode_record(back.value());
    CHECK(again == row);
    kinds.insert(row.kind);
  }
  CHECK(kinds.size() == std::variant_size_v<RecordBody>);
}

TEST_CASE("values survive the journal, not only their text") {
  const JournalRow node = encode_record(as_record(NodeSeenRecord{.attempt = 1, .view = full_view()}));
  CHECK(std::get<NodeSeenRecord>(decode_record(node).value().body).view == full_view());
  const JournalRow agent =
      encode_record(as_record(AgentSeenRecord{.attempt = 2, .rank = 1, .report = full_report()}));
  CHECK(std::get<AgentSeenRecord>(decode_record(agent).value().body).report == full_report());
  const JournalRow intent = encode_record(as_record(
      IntentRecord{.attempt = 1, .action = "create", .offer = make_offer("east", 9), .expires = {8}}));
  CHECK(std::get<IntentRecord>(decode_record(intent).value().body).offer == make_offer("east", 9));
}

TEST_CASE("the journal's text is JSON as our other writer spells it") {
  for (const RecordBody& body : one_of_each()) {
    const JournalRow row = encode_record(as_record(body));
    CHECK(MutableJson::parse(row.body).dump(-1, ' ', false) == row.body);
  }
}

TEST_CASE("a damaged row is an error that names it, never a throw") {
  for (const RecordBody& body : one_of_each()) {
    const JournalRow good = encode_record(as_record(body));
    CAPTURE(good.kind);
    testing::check_refuses_mutants(
        MutableJson::parse(good.body),
        [&](const std::string& text) {
          JournalRow bad = good;
          bad.body = text;
          Result<Record> read = decode_record(bad);
          if (read.ok()) {  // what passes is folded without harm as well
            WorkloadState state;
            apply(state, read.value(), 1);
          } else {
            CHECK(read.error().source == "journal row 0");
          }
          return read;
        },
        // The task has its own tests. Fields that only some rows of a kind have may be left out; where an
        // optional stands, null is a value, and where null stands, a value.
        [&](const std::string& node, const MutableJson& value) {
          const MutableJson before = MutableJson::parse(good.body).at(MutableJson::json_pointer(node));
          return node.rfind("/task", 0) == 0 || value.is_discarded() || value.is_null() || before.is_null();
        });
  }
}

TEST_CASE("an unknown kind and broken text are refused") {
  for (const std::string body : {"", "{", "[]", "null", "{\"to\":\"running\"}x", "{\"to\":\"run"}) {
    CHECK_FALSE(decode_record({.workload = {"w"}, .kind = "phase", .body = body}).ok());
  }
  CHECK_FALSE(decode_record({.workload = {"w"}, .kind = "guess", .body = "{}"}).ok());
}

}  // namespace
}  // namespace gpubroker
