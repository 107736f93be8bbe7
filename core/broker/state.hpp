#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/ids.hpp"
#include "core/base/offer.hpp"
#include "core/base/time.hpp"
#include "core/broker/lifecycle.hpp"
#include "core/plan/patience.hpp"
#include "core/ports/journal.hpp"
#include "core/ports/provider.hpp"
#include "core/wire/agent_wire.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// Why an attempt ended.
enum class AttemptEnd : std::uint8_t {
  none,         // it has not
  finished,     // the job exited 0 on all nodes
  job_failed,   // the job exited with an error
  preempted,    // the cloud took a machine, with or without notice
  lost,         // a machine or an agent is gone or silent, or the job hangs
  refused,      // no gang: no machine was kept
  superseded,   // the job moved to another gang
  ended_by_us,  // stop, down, ttl, budget
};

std::string_view to_string(AttemptEnd end);

/// Why a machine ended of which its cloud says nothing any more. It may be wrong: a list that shows it after
/// all brings it back.
inline constexpr std::string_view kNoLongerListed = "no longer listed";

/// A machine of an attempt, as far as it was seen.
struct NodeRecord {
  NodeView view = {};
  std::int64_t seen_seq = 0;  // journal seq at which it was first known
  bool agent_started = false;
  bool settled = false;                       // its charges are final, and what was made for it is given back
  std::optional<Instant> charged_until = {};  // settled once already, before it turned out to live on
  AgentReport agent = {};                     // the last one recorded; `version` empty: none yet
  std::int64_t agent_seq = 0;                 // journal seq of that record
  bool operator==(const NodeRecord&) const = default;
};

/// How far an action got that has a side effect.
struct Pending {
  bool outstanding = false;  // intent recorded, no outcome: in flight, or lost with a former supervisor
  bool done = false;
  int tries = 0;                         // failures so far
  Instant not_before = {};               // back-off
  bool maybe_applied = false;            // the last failure may have done it all the same
  bool failed = false;                   // done, with an error that is not tried again
  ErrorKind kind = ErrorKind::internal;  // of the last failure
  std::string message = {};
  std::int64_t seq = 0;  // of the last outcome
  bool operator==(const Pending&) const = default;
};

/// One life of a workload on one gang.
struct Attempt {
  int number = 0;
  Token token = {};
  Offer offer = {};
  bool migration = false;
  Instant opened_at = {};
  Instant expires = {};
  std::map<int, NodeRecord> nodes = {};  // by rank
  // Machines of this token in a place that is taken: a booking that arrived twice where the cloud knows no
  // token. They are ended and paid for at once; in the order in which they were found.
  std::vector<NodeRecord> surplus = {};
  std::map<std::string, Pending> actions =
      {};                         // by the action's name within the attempt: "create", "find", "start/0", …
  bool checkpoint_known = false;  // find_checkpoint is done
  std::optional<CheckpointId> resume = {};
  std::int64_t resume_step = -1;
  std::optional<Instant> ready_at = {};    // all nodes up
  std::optional<Instant> running_at = {};  // all agents run the job
  std::optional<Instant> drain_at = {};    // asked to save and stop
  AttemptEnd drain_why = AttemptEnd::none;
  std::optional<Instant> over_at = {};
  AttemptEnd end = AttemptEnd::none;
  std::string reason = {};
  std::int64_t last_step = -1;       // highest step seen of rank 0, or of any when rank 0 tells none
  std::int64_t committed_step = -1;  // highest step committed by this attempt
  bool operator==(const Attempt&) const = default;

  [[nodiscard]] bool is_over() const { return end != AttemptEnd::none; }
};

/// What the user asked for after launch.
enum class UserVerb : std::uint8_t { stop, down, start, migrate, checkpoint };
std::string_view to_string(UserVerb verb);
std::optional<UserVerb> user_verb_from(std::string_view name);

struct UserRequest {
  UserVerb verb = UserVerb::stop;
  std::string provider = {};  // migrate: to here; empty: anywhere but where it is
  std::string region = {};
  int number = 0;  // checkpoint: which request of this kind
  bool operator==(const UserRequest&) const = default;
};

/// How long a launch looks for its first gang: nothing = every offer once; zero wait is never forever.
struct LaunchOptions {
  std::string key = {};
  std::string owner = {};
  bool retry_until_up = false;
  std::optional<Millis> wait = {};
  std::string archive = {};  // path of the packed workdir and mounts on this machine; empty: none
  bool operator==(const LaunchOptions&) const = default;
};

/// Everything known of one workload: the fold of its journal rows, nothing else.
struct WorkloadState {
  WorkloadId id = {};
  Task task = {};
  LaunchOptions options = {};
  Instant created_at = {};
  Phase phase = Phase::queued;
  Instant phase_at = {};
  std::string reason = {};  // of the phase
  int exit = 0;  // exit code of a command that waits for it, when final (DESIGN: 0, 1, 4, 5, 6 …)
  std::vector<Attempt> attempts = {};
  std::vector<Refusal> refusals = {};
  std::optional<Instant> wait_until = {};  // back-off of the search for a gang
  std::string wait_reason = {};
  int job_failures = 0;
  std::optional<UserVerb> asked_end = {};   // stop or down
  std::optional<UserRequest> migrate = {};  // asked and not yet done or given up
  int checkpoints_asked = 0;
  std::vector<ChargeRow> charges = {};
  std::int64_t seq = 0;  // last row applied

  bool operator==(const WorkloadState&) const = default;

  /// Whether the supervisor has, or may have, something to do.
  [[nodiscard]] bool is_live() const;
  /// The attempt that runs or should run the job: the newest that is not over and not an unfinished
  /// migration. Null: none.
  [[nodiscard]] const Attempt* current() const;
  [[nodiscard]] const Attempt* migration_target() const;
  [[nodiscard]] Money settled() const;  // saturates instead of failing
  /// Settled charges plus what the live machines have cost up to now at their offers' prices: an estimate,
  /// for budgets.
  [[nodiscard]] Money accrued(Instant now) const;
};

/// The recorded progress of an action; a fresh one when it was never begun.
Pending progress_of(const Attempt& attempt, const std::string& action);

/// How many gangs in a row, up to the last one, were lost or failed and brought the job no further.
/// Preemptions do not count: they are nobody's fault, and the next gang may live longer.
int count_fruitless(const WorkloadState& state);

/// The record of this machine, in its place or surplus; null: it was never seen.
const NodeRecord* find_node(const Attempt& attempt, const NodeView& machine);

/// Whether an attempt still holds machines, may hold some, or has charges that are not final.
bool needs_release(const Attempt& attempt);

/// The row of the projection for this state.
WorkloadRow project(const WorkloadState& state);

}  // namespace gpubroker
