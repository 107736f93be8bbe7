#pragma once
// How one life of a job went on from the one before it, and what that says of the job.
#include <optional>
#include <string>
#include <vector>

#include "core/broker/state.hpp"

namespace gpubroker {

/// From one attempt that ran the job to the next that did.
struct Continuity {
  const Attempt* before = nullptr;
  const Attempt* after = nullptr;
  std::int64_t lost_steps = 0;  // done before and not in the checkpoint that `after` began with
  Millis downtime{0};           // from the end of `before` to all ranks running again
  std::optional<Millis> to_first_step =
      {};  // from the end of `before` to the first step after; absent: none yet
};

/// The attempt that ran the job before this one; null for the first.
const Attempt* predecessor(const WorkloadState& state, const Attempt& attempt);

/// One entry for each attempt that ran the job after another one had, in order.
std::vector<Continuity> continuities(const WorkloadState& state);

/// The first step that the job told in this attempt, on any rank; nothing when it has told none.
struct FirstStep {
  std::int64_t step = 0;
  Instant at = {};
};
std::optional<FirstStep> first_step(const Attempt& attempt);

/// What a rehearsal says of a job: `problems` are what would lose work or money on a spot cloud, `remarks`
/// are worth knowing.
struct RehearsalVerdict {
  std::vector<std::string> problems = {};
  std::vector<std::string> remarks = {};
  std::optional<Millis> step_time = {};    // per step, from the attempts that made at least two
  std::optional<Millis> commit_took = {};  // the longest
  Millis lost_per_interruption{0};         // downtime and lost steps, on average
  [[nodiscard]] bool resumes_right() const { return problems.empty(); }
};

/// Judges what happened; `noticed` are the numbers of the attempts that were interrupted with notice.
RehearsalVerdict judge_rehearsal(const WorkloadState& state, const std::vector<int>& noticed);

}  // namespace gpubroker
