#pragma once
// What the journal holds: facts in the order in which they became known. The state of a workload is their
// fold.
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/broker/state.hpp"

namespace gpubroker {

struct AcceptedRecord {  // by `launch`: this workload exists
  Task task = {};
  LaunchOptions options = {};
};
struct AskedRecord {  // by a command: the user wants this
  UserRequest request = {};
};
struct PhaseRecord {
  Phase to = Phase::queued;
  std::string reason = {};
  int exit = 0;
};
struct WaitRecord {  // no gang to be had now: look again at `until`
  Instant until = {};
  std::string reason = {};
};
struct IntentRecord {  // recorded and synced before the deed
  int attempt = 0;
  std::string action = {};  // "create", "find", "start/0", "drain/0", "end", "settle/0", "end_surplus", …
  // of "create" only: it opens the attempt
  Offer offer = {};
  bool migration = false;
  Instant expires = {};
};
struct OutcomeRecord {  // what became of an intent
  int attempt = 0;
  std::string action = {};
  std::optional<Error> error = {};
  Millis retry_in{0};                           // with an error: when to try again, as decided then
  bool is_final = true;                         // with an error: this action is not tried again
  std::optional<Refusal> refusal = {};          // with an error of create: what it rules out
  std::vector<NodeView> nodes = {};             // of create
  std::optional<CheckpointId> checkpoint = {};  // of find
  std::int64_t step = -1;                       // of find
  std::vector<ChargeRow> charges = {};          // of settle
};
struct NodeSeenRecord {  // a machine is new or has changed, as its cloud lists it
  int attempt = 0;
  NodeView view = {};
};
struct AgentSeenRecord {  // an agent's report says something new
  int attempt = 0;
  int rank = 0;
  AgentReport report = {};
};
struct AttemptRecord {  // an attempt changed by decision
  enum class What : std::uint8_t {
    ready,    // all nodes are up
    running,  // all agents run the job
    drain,    // asked to save and stop
    over,
    resolved,  // a booking without an answer: nothing of it appeared for long enough
  } what = What::over;
  int attempt = 0;
  AttemptEnd why = AttemptEnd::none;  // of drain and over
  std::string reason = {};
  std::optional<Refusal> refusal = {};  // of over: an offer that is better left alone for a while
};
struct MigrateGivenUpRecord {
  std::string reason = {};
};

using RecordBody =
    std::variant<AcceptedRecord, AskedRecord, PhaseRecord, WaitRecord, IntentRecord, OutcomeRecord,
                 NodeSeenRecord, AgentSeenRecord, AttemptRecord, MigrateGivenUpRecord>;

struct Record {
  Instant at = {};
  WorkloadId workload = {};
  RecordBody body = {};
};

/// The journal's form. Encoding never fails; decoding fails with `internal`, naming the seq.
JournalRow encode_record(const Record& record);
Result<Record> decode_record(const JournalRow& row);

/// Folds one record into the state. Total: what makes no sense in this state changes nothing but `seq`.
void apply(WorkloadState& state, const Record& record, std::int64_t seq);

/// "w-a3": the token of an attempt, and of its actions "w-a3/start/0".
Token attempt_token(const WorkloadId& workload, int attempt);

}  // namespace gpubroker
