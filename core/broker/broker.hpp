#pragma once
// The broker as the commands see it: accept a workload, ask for something, run the loop.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/broker/decide.hpp"
#include "core/broker/record.hpp"
#include "core/broker/state.hpp"
#include "core/plan/ranking.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/journal.hpp"
#include "core/ports/offer_source.hpp"
#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker {

/// The plan of a launch: every offer judged for this task, candidates first (the table that `launch` shows).
std::vector<Judged> plan_launch(const Task& task, const std::vector<Offer>& offers, Instant now);

/// The cost of one hour of the gang on this offer; saturates.
Money hourly_cost(const Offer& offer, int nodes);

struct Accepted {
  WorkloadId id = {};
  bool already = false;  // the key is known: this is the workload it belongs to
};
/// Writes the workload into the journal; the loop does the rest. The same key again returns the same
/// workload. `prepare` is called with the id before that: what the loop will need of it is there when the
/// workload exists. Its error ends the launch.
Result<Accepted> accept(Journal& journal, Clock& clock, Random& random, const Task& task,
                        const LaunchOptions& options,
                        const std::function<Status(const WorkloadId&)>& prepare = {});

/// Writes what the user asks into the journal. Errors: `not_found` with the nearest name in the hint,
/// `invalid` when the phase does not allow it ("llama-7k2q has succeeded; there is nothing to stop"). Doing
/// what is already so succeeds.
Status ask(Journal& journal, Clock& clock, const std::string& workload, const UserRequest& request);

/// The state of one workload from its journal rows. `not_found` as above.
Result<WorkloadState> load_state(Journal& journal, const std::string& id_name_or_key);
Result<std::map<WorkloadId, WorkloadState>> load_all(Journal& journal, bool only_live);

/// Replays the whole journal and writes the projections anew.
Status rebuild_projections(Journal& journal);

/// JSON text of a workload for `status --json`: everything a script may want (documented in cmd/README.md).
std::string state_json(const WorkloadState& state, Instant now);

/// Machines with our tags, whatever journal they belong to.
struct FoundNode {
  std::string provider = {};
  NodeView view = {};
  bool wanted = false;  // belongs to a live attempt of this journal
  bool known = false;   // its workload is in this journal
};
Result<std::vector<FoundNode>> discover(Journal& journal, const std::map<std::string, Provider*>& providers);

/// What is ours at the clouds besides machines, with why it is there.
struct FoundLeftover {
  std::string provider = {};
  Leftover leftover = {};
  bool wanted = false;  // of a gang that lives or is being booked, or shared while machines of ours are there
};
/// `machines`: what discover() found.
Result<std::vector<FoundLeftover>> discover_leftovers(Journal& journal,
                                                      const std::map<std::string, Provider*>& providers,
                                                      const std::vector<FoundNode>& machines);

/// What the supervisor is made of. Everything is borrowed.
struct SupervisorParts {
  Journal& journal;
  Clock& clock;
  OfferSource& offers;
  std::map<std::string, Provider*> providers = {};
  /// Runs a task soon, on some thread. In simulation: kept, and run when the seed says.
  std::function<void(std::function<void()>)> run_later = {};
  /// The newest whole checkpoint of a workload in its store.
  struct Found {
    CheckpointId id = {};
    std::int64_t step = -1;
  };
  std::function<Result<std::optional<Found>>(const WorkloadId&, const std::string& store)> find_checkpoint =
      {};
  /// Values of the task's secrets, as the text of secrets.json; empty when it has none.
  std::function<Result<std::string>(const WorkloadState&)> secrets = {};
  /// A piece of a node's output for keeping on this machine: whole lines, or how many bytes were lost before
  /// we came.
  struct OutputPiece {
    std::int64_t lost = 0;
    std::string_view bytes = {};
  };
  std::function<void(const WorkloadId&, int attempt, int rank, const OutputPiece&)> keep_output = {};
  /// How many bytes of that output were taken or lost so far.
  std::function<std::int64_t(const WorkloadId&, int attempt, int rank)> kept_output = {};
  /// Told what became of each booking, once: for the launches that come after. `refused` is empty when there
  /// was a gang; `preempted` when it was taken. May be empty.
  struct Met {
    OfferKey key = {};
    std::optional<ErrorKind> refused = {};
    bool preempted = false;
    Instant at = {};
  };
  std::function<void(const Met&)> remember = {};
  Limits limits = {};
};

/// The reconcile loop.
class Supervisor {
 public:
  Supervisor(SupervisorParts parts, std::string holder);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Takes the lease and reads the journal. `conflict` when another supervisor works.
  Status start();

  struct Step {
    bool idle = false;     // no workload is live
    bool changed = false;  // something was recorded
    Instant next = {};  // when to call again at the latest; earlier when the journal grew or a task finished
  };
  /// One turn: observe, decide, record, act. An error of the journal comes out here; nothing has been done
  /// then that is not recorded. `conflict`: the lease is lost, another supervisor works: leave.
  Result<Step> step();

  /// Gives the lease back. Tasks in flight may still run after this; their answers are found again by the
  /// next supervisor.
  void stop();

  [[nodiscard]] const std::map<WorkloadId, WorkloadState>& workloads() const;
  /// Whether a task has finished since the last step: a reason to call step() now.
  [[nodiscard]] bool has_news() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpubroker
