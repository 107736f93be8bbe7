#include "core/broker/gang.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

using std::chrono::seconds;

/// EX_TEMPFAIL: the job has saved and wants to be run again.
constexpr int kExitRunAgain = 75;
/// From the end of the grace to the moment a drained gang is ended without the agents' last word.
constexpr Millis kDrainSlack = seconds{10};

std::string node_name(int rank) {
  return "node " + std::to_string(rank);
}

bool has_exited(const NodeRecord& node) {
  return node.agent.phase == AgentPhase::exited && !node.agent.version.empty();
}

/// The first node with an error of its own, or null. One that only asks to be run again comes last.
const NodeRecord* first_failure(const Attempt& attempt) {
  const NodeRecord* asks = nullptr;
  for (const auto& [rank, node] : attempt.nodes) {
    if (!has_exited(node) || node.agent.exit_code == 0) { continue; }
    if (node.agent.exit_code != kExitRunAgain) { return &node; }
    if (asks == nullptr) { asks = &node; }
  }
  return asks;
}

bool have_all_exited(const Attempt& attempt) {
  return !attempt.nodes.empty() && std::all_of(attempt.nodes.begin(), attempt.nodes.end(),
                                               [](const auto& e) { return has_exited(e.second); });
}

GangVerdict judge_machines(const Attempt& attempt, Instant now) {
  for (const auto& [rank, node] : attempt.nodes) {
    if (node.view.state == NodeState::ended) {
      const std::string reason = node_name(rank) + " is gone: " + node.view.end_reason;
      return {.end = attempt.drain_at ? attempt.drain_why : end_of(node.view), .reason = reason};
    }
  }
  if (attempt.drain_at) { return {}; }
  for (const auto& [rank, node] : attempt.nodes) {
    if (node.view.notice_until || (node.agent_started && node.agent.notice_until)) {
      const Instant until = node.view.notice_until ? *node.view.notice_until : *node.agent.notice_until;
      return {.drain = AttemptEnd::preempted,
              .reason = "notice: " + node_name(rank) + " will be taken in " +
                        format_duration(std::max(until - now, Millis{0}))};
    }
  }
  return {};
}

/// An error of a rank: its own, or the echo of a lost machine that the next list will show.
GangVerdict judge_failure(const Attempt& attempt, const NodeRecord& node, const World& world) {
  const auto listing = world.listings.find(attempt.offer.key.provider);
  if (listing == world.listings.end() || listing->second.started_seq < node.agent_seq) { return {}; }
  const AgentReport& report = node.agent;
  const std::string reason = node_name(node.view.index) + ": " + report.reason;
  if (report.expired) { return {.end = AttemptEnd::lost, .reason = reason}; }
  const bool saved = attempt.committed_step > attempt.resume_step;
  if (report.exit_code == kExitRunAgain && saved) {
    return {.end = AttemptEnd::lost, .reason = "the job saved and asked to be run again (exit code 75)"};
  }
  // Somebody asked it to stop: a rank whose notice only its own machine knows, and whose word is on the way.
  if (report.exit_code == kExitRunAgain && !have_all_exited(attempt)) { return {}; }
  return {.end = AttemptEnd::job_failed, .reason = reason};
}

GangVerdict judge_exits(const WorkloadState& state, const Attempt& attempt, const World& world, Instant now) {
  const bool all_exited = have_all_exited(attempt);
  const bool all_well =
      all_exited && std::all_of(attempt.nodes.begin(), attempt.nodes.end(),
                                [](const auto& e) { return e.second.agent.exit_code == 0; });
  if (all_well) { return {.end = AttemptEnd::finished, .reason = "the job exited with 0 on all nodes"}; }
  if (attempt.drain_at) {
    if (all_exited) { return {.end = attempt.drain_why, .reason = "saved and stopped"}; }
    if (now >= *attempt.drain_at + state.task.checkpoint.grace + kDrainSlack) {
      return {.end = attempt.drain_why, .reason = "not all nodes stopped within the grace"};
    }
    return {};
  }
  if (const NodeRecord* const failed = first_failure(attempt)) {
    return judge_failure(attempt, *failed, world);
  }
  return {};
}

/// The steps of a gang: those of the ranks that tell any.
struct Pace {
  std::int64_t steps = 0;
  Millis longest_gap{0};
  Millis since{0};  // the last progress of any rank
};

Pace slower(const std::optional<Pace>& pace, const AgentReport& report) {
  if (!pace) { return {report.steps_seen, report.longest_gap, report.since_progress}; }
  return {std::max(pace->steps, report.steps_seen), std::max(pace->longest_gap, report.longest_gap),
          std::min(pace->since, report.since_progress)};
}

/// A gang that has lost nobody may hang all the same. The task's `stall` is the user's word; without it a job
/// is measured by its own pace, once that is known. The nodes' own lengths of time are compared, never their
/// clocks.
GangVerdict judge_pace(const WorkloadState& state, const Pace& pace, const Limits& limits) {
  constexpr std::int64_t kStepsToKnow = 3;
  const bool is_told = state.task.stall.has_value();
  const Millis patience =
      is_told ? *state.task.stall : std::max(limits.stall, pace.longest_gap * limits.stall_gaps);
  const bool is_off = (is_told ? *state.task.stall : limits.stall) == Millis{0};
  if (is_off || (!is_told && pace.steps < kStepsToKnow) || pace.since < patience) { return {}; }
  std::string reason = "no step for " + format_duration(pace.since) + ": the job hangs";
  if (!is_told) {
    reason += " (the longest step before took " + format_duration(pace.longest_gap) +
              "; `stall:` in the task file sets another limit, or off)";
  }
  return {.end = AttemptEnd::lost, .reason = reason};
}

GangVerdict judge_progress(const WorkloadState& state, const Attempt& attempt, const World& world,
                           const Limits& limits, Instant now) {
  std::optional<Pace> pace;
  for (const auto& [rank, node] : attempt.nodes) {
    if (!node.agent_started || has_exited(node)) { continue; }
    const auto at = world.agents.find(node.view.id);
    if (at == world.agents.end()) { continue; }
    const AgentSight& sight = at->second;
    if (!sight.unusable.empty()) {
      return {.end = AttemptEnd::job_failed, .reason = node_name(rank) + ": " + sight.unusable};
    }
    if (now - sight.changed_at >= limits.agent_silent && !sight.absent.empty() &&
        sight.report.version.empty()) {
      // The machine is well and the agent has never said a word: it cannot run there, nor on the next one.
      return {.end = AttemptEnd::job_failed,
              .reason = "the agent of " + node_name(rank) + " never reported: " + sight.absent};
    }
    if (now - sight.changed_at >= limits.agent_silent) {
      return {.end = AttemptEnd::lost,
              .reason = "the agent of " + node_name(rank) + " is silent for " +
                        format_duration(now - sight.changed_at)};
    }
    if (sight.report.steps_seen > 0) { pace = slower(pace, sight.report); }
  }
  return pace ? judge_pace(state, *pace, limits) : GangVerdict{};
}

}  // namespace

AttemptEnd end_of(const NodeView& node) {
  const bool taken = node.end_reason.find("preempt") != std::string::npos || node.notice_until.has_value();
  return taken ? AttemptEnd::preempted : AttemptEnd::lost;
}

GangVerdict judge_gang(const WorkloadState& state, const Attempt& attempt, const World& world,
                       const Limits& limits, Instant now) {
  GangVerdict verdict = judge_exits(state, attempt, world, now);
  if (verdict.end == AttemptEnd::finished) { return verdict; }
  GangVerdict machines = judge_machines(attempt, now);
  if (machines.end != AttemptEnd::none || machines.drain != AttemptEnd::none) { return machines; }
  if (verdict.end != AttemptEnd::none) { return verdict; }
  return attempt.drain_at ? GangVerdict{} : judge_progress(state, attempt, world, limits, now);
}

}  // namespace gpubroker
