#pragma once
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/broker/record.hpp"
#include "core/broker/state.hpp"
#include "core/plan/ranking.hpp"

namespace gpubroker {

/// One answer of a provider's list.
struct MachineList {
  bool known = false;            // a list has succeeded at all
  std::int64_t started_seq = 0;  // the journal's last seq when the list was asked for
  Instant at = {};               // when it was asked for
  std::map<Token, std::map<NodeId, NodeView>> nodes =
      {};  // by the gang's token, so that a workload finds its own at once
};

/// The newest report of one agent.
struct AgentSight {
  AgentReport report = {};
  bool reachable = false;     // the last look succeeded
  Instant changed_at = {};    // our time at which the heartbeat last moved, or the agent was started
  std::string unusable = {};  // its reports cannot be used: another version; why
  std::string absent = {};    // the node answers and has no report; what the agent's log says instead
};

/// What was observed, as it stands now.
struct World {
  std::map<std::string, MachineList> listings = {};  // by provider
  std::map<NodeId, AgentSight> agents = {};
  bool offers_known = false;  // offers have been asked for and answered
};

/// A deed with an effect outside of this process. `name` is unique within the attempt and names the intent.
struct Action {
  enum class Kind : std::uint8_t { create_gang, find_checkpoint, start_agent, ask_agent, end_nodes, settle };
  Kind kind = Kind::create_gang;
  int attempt = 0;
  std::string name = {};
  GangRequest request = {};        // create_gang
  std::string provider = {};       // all but find_checkpoint
  NodeView node = {};              // start_agent, ask_agent, settle
  AgentSpec spec = {};             // start_agent
  AgentRequest ask = {};           // ask_agent
  std::vector<NodeId> nodes = {};  // end_nodes
  BillingRule billing = {};        // settle
  Rate booked_price = {};          // settle
  bool sweeps = true;              // settle: what was made for the gang besides machines goes too
};

/// Waits of the broker; a test or a command may set others.
struct Limits {
  Millis boot{std::chrono::minutes{15}};            // from booking to all nodes up
  std::map<std::string, Millis> slow_boot = {};     // the same at providers that take longer
  std::map<std::string, Millis> list_lag = {};      // Provider::list_lag, where there is one
  Millis agent_silent{std::chrono::seconds{30}};    // an agent whose heartbeat stands still is lost
  Millis progress_every{std::chrono::seconds{15}};  // how often mere steps are recorded
  // For tasks that set no `stall`: hung after so long without progress, and after so many times the longest
  // gap between steps so far. Zero: a hang is not looked for.
  Millis stall{std::chrono::minutes{10}};
  int stall_gaps = 10;
  Millis machine_life{std::chrono::hours{24 * 7}};  // death date of machines when there is no ttl
};

/// From booking to all nodes up at most, at this provider.
Millis boot_limit(const Limits& limits, const std::string& provider);

/// What was newly observed of this workload, as records. Pure.
std::vector<RecordBody> perceive(const WorkloadState& state, const World& world, const Limits& limits,
                                 Instant now);

/// What to do next: records of decisions and of intents, and the deeds the intents are for. Pure, total,
/// deterministic. The caller applies the records and decides again until nothing comes: each round makes one
/// step.
struct Decision {
  std::vector<RecordBody> records = {};
  std::vector<Action> actions = {};
};
Decision decide(const WorkloadState& state, const World& world, const std::vector<Offer>& offers,
                const Limits& limits, Instant now);

/// What this workload looks for a gang with.
GangNeed need_of(const WorkloadState& state);

/// The offers for a gang elsewhere, best first: where the user says, or anywhere but where the workload is.
/// The user's word beats the task's own places.
std::vector<Judged> judge_move(const WorkloadState& state, const UserRequest& to,
                               const std::vector<Offer>& offers, Instant now);

/// The deed that `name` stands for in this attempt, as far as it makes sense. Used by decide, and after a
/// restart for the intents without an outcome.
std::optional<Action> build_action(const WorkloadState& state, const Attempt& attempt,
                                   const std::string& name);

/// The record of a deed that failed. Says, from the error's kind and the failures so far, whether and when it
/// is tried again and what it rules out.
OutcomeRecord judge_failure(const WorkloadState& state, const Attempt& attempt, const std::string& name,
                            const Error& error, const Limits& limits, Instant now);

/// The earliest moment after `now` at which deciding again may give something new with no new observation.
Instant next_look(const WorkloadState& state, Instant now, Millis poll);

}  // namespace gpubroker
