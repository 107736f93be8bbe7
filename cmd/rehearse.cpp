// Runs the user's job on this machine, takes its machines away as a spot cloud does, and says what that would
// have lost.
#include <algorithm>
#include <iomanip>
#include <iostream>

#include "cmd/submit.hpp"
#include "core/base/text.hpp"
#include "core/broker/continuity.hpp"
#include "core/wire/json.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker {
namespace {

constexpr int kMostNodes = 4;  // of a gang on this machine, unless the user says otherwise
constexpr Millis kPatience =
    std::chrono::seconds{60};  // for a first step, on top of the time between interruptions

struct Plan {
  Millis every{0};
  std::vector<Millis> notices = {};  // one for each interruption; zero: without
  Millis limit{0};
};

Result<Plan> make_plan(const RehearseOptions& options) {
  Plan plan;
  TRY(plan.every, parse_duration(options.preempt_every));
  TRY(plan.limit, parse_duration(options.limit));
  Millis notice{std::chrono::seconds{30}};
  if (!options.notice.empty()) { TRY(notice, parse_duration(options.notice)); }
  if (options.interruptions < 1) {
    return Error{.kind = ErrorKind::invalid, .message = "must be at least 1", .source = "--interruptions"};
  }
  const bool both_kinds = options.notice.empty() && !options.no_notice;
  for (int i = 0; i < options.interruptions; ++i) {
    const bool without = options.no_notice || (both_kinds && i % 2 == 1);
    plan.notices.push_back(without ? Millis{0} : notice);
  }
  return plan;
}

/// The GPUs that each node gets: what the task asks for, as far as this machine has them.
Result<int> gpus_to_lend(const Task& task, Context& context) {
  const int wanted = task.needs.empty() ? 0 : task.needs.front().gpu.count;
  if (wanted == 0) { return 0; }
  TRY(const auto providers, context.providers());
  TRY(const std::vector<Offer> offers, providers.at("local")->prices()->offers());
  int here = 0;
  for (const Offer& offer : offers) { here = std::max(here, offer.gpu.count); }
  if (wanted > here) {
    std::cerr << "the task asks for " << wanted << " GPUs per node and this machine has " << here
              << ": it runs with " << here << '\n';
  }
  return std::min(wanted, here);
}

/// The task as it runs here: any machine will do, and no limit of the real launch may end the rehearsal.
Task scale_down(Task task, const RehearseOptions& options, const Plan& plan) {
  if (options.nodes > 0) {
    task.num_nodes = options.nodes;
  } else if (task.num_nodes > kMostNodes) {
    std::cerr << "scaled down from " << task.num_nodes << " nodes to 2; --nodes says otherwise\n";
    task.num_nodes = 2;
  }
  ResourceNeed need{.provider = "local", .markets = {Market::spot}};
  task.needs = {need};
  task.deadline.reset();
  task.budget.reset();
  task.ttl = plan.limit + std::chrono::minutes{10};
  return task;
}

Status write_scenario(const Task& task, int gpus, Context& inner) {
  local::RehearsalPlan cloud{.nodes = task.num_nodes};
  if (gpus > 0) { cloud.gpu = {.model = "REHEARSAL", .count = gpus}; }
  inner.scenario = inner.home + "/rehearsal.yaml";
  return inner.files.write_atomic(inner.scenario, local::format_scenario(local::make_rehearsal(cloud)), 0600,
                                  /*durable=*/false);
}

/// Watches the job and takes its machines when it is time.
class Rehearsal {
 public:
  Rehearsal(Context& inner, WorkloadId id, Plan plan)
      : inner_(inner), id_(std::move(id)), plan_(std::move(plan)) {}

  /// To the end of the job, of the interruptions, or of the time. The machines are given back when it returns
  /// ok.
  Status run() {
    const Instant until = inner_.clock.now() + plan_.limit;
    TRY(Journal* const journal, inner_.journal());
    while (!was_interrupted()) {
      TRY(state_, load_state(*journal, id_.value));
      tell();
      if (is_final(state_.phase) && !state_.is_live()) { return Ok{}; }
      const bool out_of_time = inner_.clock.now() >= until;
      if (out_of_time) { std::cerr << "the time is over (--limit)\n"; }
      if (out_of_time || has_seen_enough()) { break; }
      TRY([[maybe_unused]] const Ok done, interrupt_if_due());
      inner_.clock.sleep_until(inner_.clock.now() + Millis{50});
    }
    return end(*journal);
  }

  [[nodiscard]] const WorkloadState& state() const { return state_; }
  [[nodiscard]] const std::vector<int>& noticed() const { return noticed_; }
  [[nodiscard]] int interruptions() const { return interruptions_; }

 private:
  void tell() {
    if (state_.phase == phase_ && state_.phase_at == phase_at_) { return; }
    phase_ = state_.phase;
    phase_at_ = state_.phase_at;
    std::cerr << format_utc(inner_.clock.now()).substr(11, 8) << "  " << to_string(state_.phase)
              << (state_.reason.empty() ? "" : ": " + state_.reason) << '\n';
  }

  /// All interruptions are made and the job has made a step since the last one.
  [[nodiscard]] bool has_seen_enough() const {
    const Attempt* const attempt = state_.current();
    if (interruptions_ < static_cast<int>(plan_.notices.size()) || attempt == nullptr ||
        !attempt->running_at) {
      return false;
    }
    if (std::find(interrupted_.begin(), interrupted_.end(), attempt->number) != interrupted_.end()) {
      return false;
    }
    return first_step(*attempt).has_value() || inner_.clock.now() - *attempt->running_at >= kPatience;
  }

  Status interrupt_if_due() {
    const Attempt* const attempt = state_.current();
    if (attempt == nullptr || !attempt->running_at || attempt->drain_at || state_.phase != Phase::running) {
      return Ok{};
    }
    if (interruptions_ >= static_cast<int>(plan_.notices.size())) { return Ok{}; }
    if (std::find(interrupted_.begin(), interrupted_.end(), attempt->number) != interrupted_.end()) {
      return Ok{};
    }
    // Counted from the first step: how long a job takes to begin is not what is rehearsed.
    const std::optional<FirstStep> first = first_step(*attempt);
    const Instant now = inner_.clock.now();
    const bool due =
        first ? now - first->at >= plan_.every : now - *attempt->running_at >= plan_.every + kPatience;
    if (!due) { return Ok{}; }
    const Millis notice = plan_.notices[static_cast<std::size_t>(interruptions_)];
    std::cerr << format_utc(inner_.clock.now()).substr(11, 8) << "  taking node " << state_.task.num_nodes - 1
              << " away, "
              << (notice > Millis{0} ? "with " + format_duration(notice) + " of notice" : "without notice")
              << '\n';
    TRY([[maybe_unused]] const int taken, preempt_workload(inner_, id_.value, notice, /*nodes=*/1));
    ++interruptions_;
    interrupted_.push_back(attempt->number);
    if (notice > Millis{0}) { noticed_.push_back(attempt->number); }
    return Ok{};
  }

  Status end(Journal& journal) {
    TRY([[maybe_unused]] const Ok asked, ask(journal, inner_.clock, id_.value, {.verb = UserVerb::down}));
    const Instant until = inner_.clock.now() + std::chrono::seconds{60};
    const WorkloadState seen = state_;
    while (true) {
      TRY(state_, load_state(journal, id_.value));
      if (!state_.is_live()) { return Ok{}; }
      if (inner_.clock.now() >= until) {
        return Error{.kind = ErrorKind::internal,
                     .message = "the rehearsal's machines did not end",
                     .hint = "GPUBROKER_HOME=" + inner_.home + " gpubroker gc --yes"};
      }
      inner_.clock.sleep_until(inner_.clock.now() + Millis{50});
    }
  }

  Context& inner_;
  WorkloadId id_;
  Plan plan_;
  WorkloadState state_ = {};
  int interruptions_ = 0;
  std::vector<int> interrupted_ = {};
  std::vector<int> noticed_ = {};
  Phase phase_ = Phase::queued;
  Instant phase_at_ = {};
};

std::string step_text(std::int64_t step) {
  return step < 0 ? "-" : std::to_string(step);
}

std::string duration_or(const std::optional<Millis>& length) {
  return length ? format_duration(*length) : "-";
}

void show_table(const Rehearsal& rehearsal) {
  std::cout << std::left << std::setw(9) << "ATTEMPT" << std::setw(16) << "TAKEN" << std::setw(9) << "AT STEP"
            << std::setw(9) << "RESUMED" << std::setw(6) << "LOST" << std::setw(10) << "DOWN"
            << "TO NEXT STEP\n";
  for (const Continuity& one : continuities(rehearsal.state())) {
    const std::vector<int>& noticed = rehearsal.noticed();
    const bool with = std::find(noticed.begin(), noticed.end(), one.before->number) != noticed.end();
    std::cout << std::setw(9) << one.before->number << std::setw(16)
              << (with ? "with notice" : "without notice") << std::setw(9) << step_text(one.before->last_step)
              << std::setw(9) << step_text(one.after->resume_step) << std::setw(6) << one.lost_steps
              << std::setw(10) << format_duration(one.downtime) << duration_or(one.to_first_step) << '\n';
  }
}

/// What the losses mean on a cloud: the share of an hour that is work when it interrupts once in it.
std::string useful_share(Millis lost) {
  const std::int64_t hour = std::chrono::milliseconds{std::chrono::hours{1}}.count();
  const std::int64_t per_mille = std::max<std::int64_t>(0, 1000 - (lost.count() * 1000 + hour / 2) / hour);
  return std::to_string(per_mille / 10) + "." + std::to_string(per_mille % 10) + " %";
}

void show_verdict(const Rehearsal& rehearsal, const RehearsalVerdict& verdict) {
  show_table(rehearsal);
  if (verdict.step_time) { std::cout << "a step takes " << format_duration(*verdict.step_time) << '\n'; }
  if (verdict.commit_took) {
    std::cout << "a checkpoint takes " << format_duration(*verdict.commit_took) << " to commit\n";
  }
  std::cout << "an interruption loses " << format_duration(verdict.lost_per_interruption)
            << ": at one per hour " << useful_share(verdict.lost_per_interruption)
            << " of the time is work\n";
  for (const std::string& problem : verdict.problems) { std::cout << "problem: " << problem << '\n'; }
  for (const std::string& remark : verdict.remarks) { std::cout << "remark: " << remark << '\n'; }
  std::cout << (verdict.resumes_right() ? "the job resumes right\n" : "the job does NOT resume right\n");
}

void show_json(const Rehearsal& rehearsal, const RehearsalVerdict& verdict) {
  Json json = {{"schema", 1},
               {"resumes_right", verdict.resumes_right()},
               {"problems", verdict.problems},
               {"remarks", verdict.remarks},
               {"step_ms", verdict.step_time ? Json(verdict.step_time->count()) : Json(nullptr)},
               {"commit_ms", verdict.commit_took ? Json(verdict.commit_took->count()) : Json(nullptr)},
               {"lost_per_interruption_ms", verdict.lost_per_interruption.count()},
               {"interruptions", Json::array()}};
  for (const Continuity& one : continuities(rehearsal.state())) {
    const std::vector<int>& noticed = rehearsal.noticed();
    json["interruptions"].push_back(
        {{"attempt", one.before->number},
         {"with_notice", std::find(noticed.begin(), noticed.end(), one.before->number) != noticed.end()},
         {"at_step", one.before->last_step < 0 ? Json(nullptr) : Json(one.before->last_step)},
         {"resumed_step", one.after->resume_step < 0 ? Json(nullptr) : Json(one.after->resume_step)},
         {"lost_steps", one.lost_steps},
         {"downtime_ms", one.downtime.count()},
         {"to_first_step_ms", one.to_first_step ? Json(one.to_first_step->count()) : Json(nullptr)}});
  }
  std::cout << json.dump() << '\n';
}

void leave_nothing(Context& inner) {
  Status left = wait_for_supervisor(inner, std::chrono::seconds{30});
  if (left.ok()) { left = inner.files.remove_all(inner.home); }
  if (!left.ok()) { std::cerr << "left behind: " << inner.home << ": " << left.error().message << '\n'; }
}

}  // namespace

Result<int> run_rehearse(const RehearseOptions& options, Context& context) {
  watch_interrupts(SecondSignal::leaves_at_once);
  TRY(const Plan plan, make_plan(options));
  Context inner(
      {.home = context.home + "/rehearsals/" + std::to_string(context.random.next() % 1'000'000'000)});
  TRY(Task task, read_task({.file = options.file, .fields = options.fields}, inner));
  TRY(const int gpus, gpus_to_lend(task, context));
  task = scale_down(std::move(task), options, plan);
  TRY([[maybe_unused]] const Ok ready, check_task(task, inner));
  TRY([[maybe_unused]] const Ok scenario, write_scenario(task, gpus, inner));
  std::cerr << "rehearsing " << task.name << " on " << task.num_nodes << " nodes of this machine; "
            << plan.notices.size() << " interruptions, each " << format_duration(plan.every)
            << " after its first step\n";
  TRY(const Accepted accepted, submit(task, {.owner = "rehearsal"}, inner));
  TRY([[maybe_unused]] const Ok supervised, ensure_supervisor(inner));
  Rehearsal rehearsal(inner, accepted.id, plan);
  TRY([[maybe_unused]] const Ok done, rehearsal.run());
  const RehearsalVerdict verdict = judge_rehearsal(rehearsal.state(), rehearsal.noticed());
  const bool right = verdict.resumes_right() && rehearsal.interruptions() > 0;
  if (right || was_interrupted()) {
    leave_nothing(inner);
  } else {
    std::cerr << "the outputs are kept in " << inner.home << "/logs\n";
  }
  if (was_interrupted()) { return 130; }
  if (rehearsal.interruptions() == 0 && verdict.problems.empty()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "the job was over before the first interruption",
                 .hint = "interrupt it earlier: --preempt-every 5s",
                 .source = "--preempt-every"};
  }
  if (options.json) {
    show_json(rehearsal, verdict);
  } else {
    show_verdict(rehearsal, verdict);
  }
  return right ? 0 : 1;
}

}  // namespace gpubroker
