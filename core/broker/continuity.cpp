#include "core/broker/continuity.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

/// Time per step of an attempt that made at least two.
std::optional<Millis> step_time_of(const Attempt& attempt) {
  const std::optional<FirstStep> first = first_step(attempt);
  for (const auto& [rank, node] : attempt.nodes) {
    const AgentReport& report = node.agent;
    if (first && report.step_at && report.step > first->step) {
      return (*report.step_at - first->at) / (report.step - first->step);
    }
  }
  return std::nullopt;
}

std::string attempt_name(const Attempt& attempt) {
  return "attempt " + std::to_string(attempt.number);
}

void judge_continuity(const Continuity& one, bool with_notice, RehearsalVerdict& verdict) {
  const std::optional<FirstStep> first = first_step(*one.after);
  if (with_notice && one.lost_steps > 0) {
    verdict.problems.push_back(
        attempt_name(*one.before) + " had notice and lost " + std::to_string(one.lost_steps) +
        " steps all the same: it did not save and stop in time (" + one.before->reason + ")");
  }
  if (!with_notice && one.before->last_step > 0 && one.after->resume_step < 0) {
    verdict.problems.push_back(attempt_name(*one.before) + " was at step " +
                               std::to_string(one.before->last_step) +
                               " and no checkpoint was committed: all of it was lost; save more often");
  }
  if (first && one.after->resume_step > 0 && first->step <= one.after->resume_step) {
    verdict.problems.push_back(attempt_name(*one.after) + " was given the checkpoint of step " +
                               std::to_string(one.after->resume_step) + " and began at step " +
                               std::to_string(first->step) +
                               ": does the job read $GPUBROKER_CHECKPOINT_DIR?");
  }
}

}  // namespace

const Attempt* predecessor(const WorkloadState& state, const Attempt& attempt) {
  const Attempt* before = nullptr;
  for (const Attempt& other : state.attempts) {
    if (other.number < attempt.number && other.running_at) { before = &other; }
  }
  return before;
}

std::optional<FirstStep> first_step(const Attempt& attempt) {
  std::optional<FirstStep> first;
  for (const auto& [rank, node] : attempt.nodes) {
    const AgentReport& report = node.agent;
    if (report.first_step_at && (!first || report.first_step < first->step)) {
      first = FirstStep{.step = report.first_step, .at = *report.first_step_at};
    }
  }
  return first;
}

std::vector<Continuity> continuities(const WorkloadState& state) {
  std::vector<Continuity> all;
  for (const Attempt& after : state.attempts) {
    const Attempt* const before = predecessor(state, after);
    if (before == nullptr || !after.running_at) { continue; }
    const Instant stopped = before->over_at.value_or(*after.running_at);
    Continuity one{.before = before, .after = &after};
    one.lost_steps =
        std::max<std::int64_t>(before->last_step - std::max<std::int64_t>(after.resume_step, 0), 0);
    one.downtime = std::max(*after.running_at - stopped, Millis{0});
    if (const std::optional<FirstStep> first = first_step(after)) {
      one.to_first_step = std::max(first->at - stopped, Millis{0});
    }
    all.push_back(one);
  }
  return all;
}

RehearsalVerdict judge_rehearsal(const WorkloadState& state, const std::vector<int>& noticed) {
  RehearsalVerdict verdict;
  bool tells_steps = false;
  for (const Attempt& attempt : state.attempts) {
    tells_steps = tells_steps || attempt.last_step >= 0;
    if (attempt.end == AttemptEnd::job_failed) {
      verdict.problems.push_back(attempt_name(attempt) + ": the job failed: " + attempt.reason);
    }
    if (const std::optional<Millis> time = step_time_of(attempt)) { verdict.step_time = time; }
    for (const auto& [rank, node] : attempt.nodes) {
      if (!node.agent.committed.empty()) {
        verdict.commit_took = std::max(verdict.commit_took.value_or(Millis{0}), node.agent.commit_took);
      }
      if (!node.agent.checkpoint_error.empty()) {
        verdict.problems.push_back(attempt_name(attempt) +
                                   ": a checkpoint failed: " + node.agent.checkpoint_error);
      }
    }
  }
  if (state.task.checkpoint.path.empty()) {
    verdict.problems.emplace_back("the task has no `checkpoint:`: every interruption starts it from nothing");
  }
  if (!tells_steps) {
    verdict.remarks.emplace_back(
        "the job tells no steps, so what an interruption loses cannot be counted: print lines like "
        "{\"step\": 12}, or write the "
        "number into $GPUBROKER_PROGRESS");
  }
  const std::vector<Continuity> all = continuities(state);
  Millis lost{0};
  for (const Continuity& one : all) {
    const bool with_notice = std::find(noticed.begin(), noticed.end(), one.before->number) != noticed.end();
    judge_continuity(one, with_notice, verdict);
    lost += one.to_first_step.value_or(one.downtime) + one.lost_steps * verdict.step_time.value_or(Millis{0});
  }
  if (!all.empty()) { verdict.lost_per_interruption = lost / static_cast<std::int64_t>(all.size()); }
  return verdict;
}

}  // namespace gpubroker
