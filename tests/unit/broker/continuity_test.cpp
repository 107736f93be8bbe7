#include "core/broker/continuity.hpp"

#include <doctest/doctest.h>

#include "tests/unit/broker/story.hpp"

namespace gpubroker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::make_task;
using testing::Story;

constexpr Instant kBegin{1'800'000'000'000};

/// One life of a job: from `at` on, steps `first` to `last`, with `committed` saved, a step each 100 ms.
Attempt life(int number, Instant at, std::int64_t resumed, std::int64_t first, std::int64_t last,
             std::int64_t committed) {
  Attempt attempt;
  attempt.number = number;
  attempt.ready_at = at;
  attempt.running_at = at;
  attempt.resume_step = resumed;
  attempt.last_step = last;
  attempt.committed_step = committed > 0 ? committed : -1;  // 0: none
  AgentReport& report = attempt.nodes[0].agent;
  report.step = last;
  if (first > 0) {
    report.first_step = first;
    report.first_step_at = at + seconds{1};
    report.step_at = at + seconds{1} + milliseconds{100} * (last - first);
  }
  if (committed > 0) {
    report.committed = "c";
    report.commit_took = milliseconds{30};
  }
  return attempt;
}

void end(Attempt& attempt, Instant at, AttemptEnd why) {
  attempt.over_at = at;
  attempt.end = why;
  attempt.reason = "because";
}

WorkloadState two_lives(Attempt before, const Attempt& after) {
  WorkloadState state;
  state.task.checkpoint.path = "ckpt";
  end(before, kBegin + seconds{10}, AttemptEnd::preempted);
  state.attempts = {before, after};
  return state;
}

TEST_CASE("what one life loses on the way to the next") {
  const WorkloadState state =
      two_lives(life(1, kBegin, -1, 1, 12, 10), life(2, kBegin + seconds{13}, 10, 11, 20, 20));
  const std::vector<Continuity> all = continuities(state);
  REQUIRE(all.size() == 1);
  CHECK(all.front().lost_steps == 2);
  CHECK(all.front().downtime == seconds{3});
  CHECK(all.front().to_first_step == seconds{4});
  const RehearsalVerdict without = judge_rehearsal(state, {});
  CHECK(without.resumes_right());
  CHECK(without.step_time == milliseconds{100});
  CHECK(without.commit_took == milliseconds{30});
  CHECK(without.lost_per_interruption == seconds{4} + milliseconds{200});
  CHECK_FALSE(judge_rehearsal(state, {1}).resumes_right());  // with notice nothing may be lost
}

TEST_CASE("attempts that never ran the job are no lives") {
  WorkloadState state =
      two_lives(life(1, kBegin, -1, 1, 12, 12), life(3, kBegin + seconds{13}, 12, 13, 20, 20));
  Attempt refused;
  refused.number = 2;
  end(refused, kBegin + seconds{11}, AttemptEnd::refused);
  state.attempts.insert(state.attempts.begin() + 1, refused);
  REQUIRE(continuities(state).size() == 1);
  CHECK(continuities(state).front().before->number == 1);
  CHECK(judge_rehearsal(state, {1}).resumes_right());
}

TEST_CASE("a job that does not resume right is told why") {
  struct Case {
    WorkloadState state;
    std::string word;
  };
  WorkloadState forgetful =
      two_lives(life(1, kBegin, -1, 1, 12, 0), life(2, kBegin + seconds{13}, -1, 1, 5, 0));
  WorkloadState no_field = forgetful;
  no_field.task.checkpoint.path.clear();
  WorkloadState failed =
      two_lives(life(1, kBegin, -1, 1, 12, 12), life(2, kBegin + seconds{13}, 12, 0, -1, 0));
  end(failed.attempts.back(), kBegin + seconds{14}, AttemptEnd::job_failed);
  WorkloadState broken =
      two_lives(life(1, kBegin, -1, 1, 12, 12), life(2, kBegin + seconds{13}, 12, 13, 20, 12));
  broken.attempts.back().nodes[0].agent.checkpoint_error = "disk full";
  const std::vector<Case> cases = {
      {two_lives(life(1, kBegin, -1, 1, 12, 12), life(2, kBegin + seconds{13}, 12, 1, 9, 9)),
       "began at step 1"},
      {forgetful, "no checkpoint was committed"},
      {no_field, "no `checkpoint:`"},
      {failed, "the job failed: because"},
      {broken, "disk full"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.word);
    const RehearsalVerdict verdict = judge_rehearsal(one.state, {});
    CHECK_FALSE(verdict.resumes_right());
    CHECK(std::any_of(verdict.problems.begin(), verdict.problems.end(), [&](const std::string& problem) {
      return problem.find(one.word) != std::string::npos;
    }));
  }
  const WorkloadState silent =
      two_lives(life(1, kBegin, -1, 0, -1, 0), life(2, kBegin + seconds{13}, -1, 0, -1, 0));
  CHECK(judge_rehearsal(silent, {}).remarks.size() == 1);
}

TEST_CASE("gangs that are lost without a step forward are paused, then the workload ends") {
  Story story(make_task(1));
  story.book();
  for (int lost = 1;; ++lost) {
    story.start();
    story.end_machine(0, "host failure");
    story.give_back();
    REQUIRE(count_fruitless(story.state) == lost);
    if (lost == kMostFruitless) { break; }
    const Instant since = story.now;
    while (story.state.phase != Phase::provisioning) { story.pass(seconds{1}); }
    CHECK(story.now - since >= pause_after_fruitless(lost) - seconds{2});
    story.book();
  }
  story.pass(seconds{1});
  CHECK(story.state.phase == Phase::failed);
  CHECK(story.state.reason.find("8 gangs in a row") != std::string::npos);
  CHECK(story.state.reason.find("host failure") != std::string::npos);
}

TEST_CASE("a step forward, or a preemption, begins the count anew") {
  WorkloadState state;
  state.attempts = {life(1, kBegin, -1, 1, 3, 0), life(2, kBegin, -1, 1, 3, 0)};
  end(state.attempts[0], kBegin, AttemptEnd::lost);
  end(state.attempts[1], kBegin, AttemptEnd::job_failed);
  CHECK(count_fruitless(state) == 2);
  state.attempts[1].committed_step = 3;
  CHECK(count_fruitless(state) == 0);
  state.attempts[1].committed_step = -1;
  state.attempts[1].end = AttemptEnd::preempted;
  CHECK(count_fruitless(state) == 0);
  CHECK(pause_after_fruitless(1) == Millis{0});
  CHECK(pause_after_fruitless(2) == seconds{5});
  CHECK(pause_after_fruitless(3) == seconds{10});
  CHECK(pause_after_fruitless(20) == std::chrono::minutes{10});
}

}  // namespace
}  // namespace gpubroker
