#include "core/broker/decide.hpp"

#include <algorithm>

#include "core/broker/gang.hpp"
#include "core/plan/ranking.hpp"

namespace gpubroker {
namespace {

using std::chrono::seconds;

// Exit codes of a command that waits for the workload (DESIGN.md, command line).
constexpr int kExitJobFailed = 1;
constexpr int kExitLimit = 6;

/// How long a booking whose answer was lost is looked for before it counts as not made.
constexpr Millis kLateAnswer = seconds{60};
/// A machine that is still listed so long after its end was asked for is ended again.
constexpr Millis kEndAgain = seconds{5};

GangNeed need_of(const WorkloadState& state) {
  return {.any_of = state.task.needs, .ordered = state.task.ordered, .nodes = state.task.num_nodes};
}

/// Collects one round of decisions on one workload.
class Planner {
 public:
  Planner(const WorkloadState& state, const World& world, const std::vector<Offer>& offers,
          const Limits& limits, Instant now)
      : state_(state), world_(world), offers_(offers), limits_(limits), now_(now) {}

  Decision take() && { return std::move(decision_); }

  void plan() {
    for (const Attempt& attempt : state_.attempts) {
      if (attempt.is_over()) { release(attempt); }
    }
    if (is_final(state_.phase) || plan_end()) { return; }
    switch (state_.phase) {
      case Phase::queued:
        plan_queued();
        break;
      case Phase::provisioning:
        plan_provisioning();
        break;
      case Phase::starting:
      case Phase::running:
      case Phase::migrating:
        plan_gang();
        break;
      case Phase::recovering:
        plan_recovering();
        break;
      case Phase::stopping:
        plan_stopping();
        break;
      case Phase::stopped:
        if (!state_.asked_end) { step(Phase::queued, "started again"); }
        break;
      case Phase::succeeded:
      case Phase::failed:
      case Phase::cancelled:
      case Phase::expired:
        break;
    }
  }

 private:
  // --- small words ---

  void record(RecordBody body) { decision_.records.push_back(std::move(body)); }

  void step(Phase to, std::string reason, int exit = 0) {
    record(PhaseRecord{.to = to, .reason = std::move(reason), .exit = exit});
  }

  void close(const Attempt& attempt, AttemptEnd why, std::string reason) {
    record(AttemptRecord{.what = AttemptRecord::What::over,
                         .attempt = attempt.number,
                         .why = why,
                         .reason = std::move(reason),
                         .refusal = {}});
  }

  void close_all(const std::string& reason) {
    for (const Attempt& attempt : state_.attempts) {
      if (!attempt.is_over()) { close(attempt, AttemptEnd::ended_by_us, reason); }
    }
  }

  [[nodiscard]] bool is_due(const Attempt& attempt, const std::string& name) const {
    const Pending pending = progress_of(attempt, name);
    return !pending.outstanding && !pending.done && now_ >= pending.not_before;
  }

  void act(const Attempt& attempt, const std::string& name) {
    std::optional<Action> action = build_action(state_, attempt, name);
    if (!action) { return; }
    record(IntentRecord{.attempt = attempt.number, .action = name, .offer = {}, .expires = {}});
    decision_.actions.push_back(std::move(*action));
  }

  void act_if_due(const Attempt& attempt, const std::string& name) {
    if (is_due(attempt, name)) { act(attempt, name); }
  }

  [[nodiscard]] const MachineList* listing_of(const Attempt& attempt) const {
    const auto at = world_.listings.find(attempt.offer.key.provider);
    return at == world_.listings.end() || !at->second.known ? nullptr : &at->second;
  }

  // --- giving back ---

  void release(const Attempt& attempt) {
    if (!needs_release(attempt)) { return; }
    end_machines(attempt);
    for (const auto& [rank, node] : attempt.nodes) {
      // Also what was never billed: what was made for the gang besides machines goes with the settlement.
      if (node.view.state == NodeState::ended && !node.settled) {
        act_if_due(attempt, "settle/" + std::to_string(rank));
      }
    }
    const Pending create = progress_of(attempt, "create");
    const MachineList* const listing = listing_of(attempt);
    if (create.maybe_applied && !create.outstanding && listing != nullptr &&
        listing->started_seq >= create.seq && listing->at >= *attempt.over_at + kLateAnswer) {
      record(AttemptRecord{.what = AttemptRecord::What::resolved, .attempt = attempt.number, .refusal = {}});
    }
  }

  /// Ends what lives, again if a list that is newer than the last answer still shows it.
  void end_machines(const Attempt& attempt) {
    const Pending end = progress_of(attempt, "end");
    const MachineList* const listing = listing_of(attempt);
    const bool wanted = std::any_of(attempt.nodes.begin(), attempt.nodes.end(), [&](const auto& entry) {
      const NodeRecord& node = entry.second;
      if (node.view.state == NodeState::ended) { return false; }
      const bool seen_since = listing != nullptr && listing->started_seq >= end.seq &&
                              now_ - attempt.over_at.value_or(now_) >= kEndAgain;
      return !end.done || node.seen_seq > end.seq || seen_since;
    });
    if (wanted && !end.outstanding && now_ >= end.not_before) { act(attempt, "end"); }
  }

  /// Whether the machines of all over attempts are given back as far as asking goes. A cloud that does not
  /// answer must not keep the job from going on elsewhere: after `tries` failures it counts as asked.
  [[nodiscard]] bool is_released(int tries) const {
    return std::all_of(state_.attempts.begin(), state_.attempts.end(), [tries](const Attempt& attempt) {
      if (!attempt.is_over()) { return true; }
      const bool alive = std::any_of(attempt.nodes.begin(), attempt.nodes.end(), [](const auto& entry) {
        return entry.second.view.state != NodeState::ended;
      });
      const Pending end = progress_of(attempt, "end");
      return !alive || end.done || end.tries >= tries;
    });
  }

  // --- ends that the user or a limit asks for ---

  bool plan_end() {
    if (state_.asked_end == UserVerb::down) {
      close_all("down");
      step(Phase::cancelled, "ended by `down`", kExitJobFailed);
      return true;
    }
    if (state_.task.ttl && now_ >= state_.created_at + *state_.task.ttl) {
      close_all("ttl");
      step(Phase::expired, "its time to live of " + format_duration(*state_.task.ttl) + " is over",
           kExitLimit);
      return true;
    }
    if (state_.phase == Phase::stopping || state_.phase == Phase::stopped) { return false; }
    if (state_.asked_end == UserVerb::stop) {
      step(Phase::stopping, "stop was asked for");
      return true;
    }
    if (state_.task.budget && state_.accrued(now_) >= *state_.task.budget) {
      step(Phase::stopping, "the budget of " + format_money(*state_.task.budget) + " USD is spent");
      return true;
    }
    return false;
  }

  // --- looking for a gang ---

  void open_attempt(const Offer& offer, bool migration) {
    Instant expires = now_ + limits_.machine_life;
    if (state_.task.ttl) { expires = std::min(expires, state_.created_at + *state_.task.ttl); }
    const int number = state_.attempts.empty() ? 1 : state_.attempts.back().number + 1;
    const IntentRecord intent{
        .attempt = number, .action = "create", .offer = offer, .migration = migration, .expires = expires};
    WorkloadState opened;  // only what build_action reads of it
    opened.id = state_.id;
    opened.task.num_nodes = state_.task.num_nodes;
    opened.options = state_.options;
    apply(opened, Record{.at = now_, .workload = state_.id, .body = intent}, 0);
    record(intent);
    decision_.actions.push_back(*build_action(opened, opened.attempts.back(), "create"));
  }

  void plan_queued() {
    if (!world_.offers_known || (state_.wait_until && now_ < *state_.wait_until) || pause_if_fruitless()) {
      return;
    }
    const Candidates candidates =
        find_candidates(offers_, need_of(state_), state_.refusals, now_, /*most=*/1);
    if (candidates.count > 0) {
      open_attempt(*candidates.best.front(), /*migration=*/false);
      step(Phase::provisioning, "booking " + format_offer_key(candidates.best.front()->key));
      return;
    }
    wait_for_capacity(candidates.of);
  }

  /// Gangs that were lost one after the other without a step forward: the next one waits, and in the end none
  /// follows.
  bool pause_if_fruitless() {
    const int fruitless = count_fruitless(state_);
    if (fruitless < 2) { return false; }
    const auto last = std::find_if(state_.attempts.rbegin(), state_.attempts.rend(),
                                   [](const Attempt& a) { return a.is_over() && a.ready_at; });
    const std::string reason =
        std::to_string(fruitless) +
        " gangs in a row were lost without a step forward; the last one: " + last->reason;
    const Instant until = *last->over_at + pause_after_fruitless(fruitless);
    if (fruitless >= kMostFruitless) {
      step(Phase::failed, reason, kExitJobFailed);
    } else if (now_ < until) {
      record(WaitRecord{.until = until, .reason = reason});
    } else {
      return false;
    }
    return true;
  }

  /// Nothing to be had: the first gang is looked for as long as the user said, a lost one until it is found.
  void wait_for_capacity(std::size_t looked_at) {
    const bool had_gang = std::any_of(state_.attempts.begin(), state_.attempts.end(),
                                      [](const Attempt& a) { return a.ready_at.has_value(); });
    const bool patient = had_gang || state_.options.retry_until_up ||
                         (state_.options.wait && now_ < state_.created_at + *state_.options.wait);
    const auto last = std::max_element(state_.refusals.begin(), state_.refusals.end(),
                                       [](const Refusal& a, const Refusal& b) { return a.at < b.at; });
    std::string reason = "no capacity within the limits: " + std::to_string(looked_at) + " offers looked at";
    if (last != state_.refusals.end()) {
      reason += "; last refusal: " + format_offer_key(last->key) + ": " + last->message;
    }
    // A job that has run keeps its chance to finish, late; one that never began cannot meet its deadline any
    // more.
    if (!had_gang && state_.task.deadline && now_ >= state_.created_at + *state_.task.deadline) {
      step(Phase::failed, "the deadline has passed before a gang was found; " + reason, kExitLimit);
      return;
    }
    if (!patient) {
      const bool all_quota = last != state_.refusals.end() &&
                             std::all_of(state_.refusals.begin(), state_.refusals.end(),
                                         [](const Refusal& r) { return r.kind == ErrorKind::quota; });
      step(Phase::failed, reason, exit_code(all_quota ? ErrorKind::quota : ErrorKind::capacity));
      return;
    }
    Instant until = now_ + seconds{15};
    for (const Refusal& refusal : state_.refusals) {
      if (refusal.until > now_) { until = std::min(until, refusal.until); }
    }
    record(WaitRecord{.until = std::max(until, now_ + seconds{1}), .reason = reason});
  }

  // --- a gang that is asked for or boots ---

  [[nodiscard]] Millis boot_limit(const Attempt& attempt) const {
    const auto own = limits_.boot_at.find(attempt.offer.key.provider);
    return own == limits_.boot_at.end() ? limits_.boot : own->second;
  }

  /// Whether booking is over without a gang; says so in the records.
  bool has_no_gang(const Attempt& attempt) {
    const Pending create = progress_of(attempt, "create");
    if (create.failed) {
      close(attempt, AttemptEnd::refused, std::string(to_string(create.kind)) + ": " + create.message);
      return true;
    }
    if (!create.done) {
      act_if_due(attempt, "create");
      return false;
    }
    for (const auto& [rank, node] : attempt.nodes) {
      if (node.view.state == NodeState::ended) {
        close(attempt, end_of(node.view),
              "node " + std::to_string(rank) + " ended while booting: " + node.view.end_reason);
        return true;
      }
    }
    if (!attempt.ready_at && now_ - attempt.opened_at >= boot_limit(attempt)) {
      const std::string reason = "not all nodes were up after " + format_duration(boot_limit(attempt));
      record(AttemptRecord{.what = AttemptRecord::What::over,
                           .attempt = attempt.number,
                           .why = AttemptEnd::lost,
                           .reason = reason,
                           .refusal = Refusal{.key = attempt.offer.key,
                                              .message = reason,
                                              .at = now_,
                                              .until = now_ + std::chrono::minutes{10}}});
      return true;
    }
    return false;
  }

  [[nodiscard]] bool all_up(const Attempt& attempt) const {
    return static_cast<int>(attempt.nodes.size()) == state_.task.num_nodes &&
           std::all_of(attempt.nodes.begin(), attempt.nodes.end(),
                       [](const auto& entry) { return entry.second.view.state == NodeState::running; });
  }

  void mark(const Attempt& attempt, AttemptRecord::What what) {
    record(AttemptRecord{.what = what, .attempt = attempt.number, .refusal = {}});
  }

  void plan_provisioning() {
    const Attempt* const attempt = state_.current();
    if (attempt == nullptr) {
      // The gang was refused in the round before. An error that rules out no offer is ours or the user's:
      // stop.
      const Attempt& last = state_.attempts.back();
      const Pending create = progress_of(last, "create");
      if (last.end == AttemptEnd::refused && react({.kind = create.kind}, 1).reaction == Reaction::give_up) {
        step(Phase::failed, last.reason, exit_code(create.kind));
      } else {
        step(Phase::queued, last.reason);
      }
      return;
    }
    if (has_no_gang(*attempt)) { return; }
    if (all_up(*attempt)) {
      if (!attempt->ready_at) { mark(*attempt, AttemptRecord::What::ready); }
      step(Phase::starting, "all " + std::to_string(state_.task.num_nodes) + " nodes are up");
    }
  }

  // --- a gang that is up ---

  void drain(const Attempt& attempt, AttemptEnd why, const std::string& reason) {
    record(AttemptRecord{.what = AttemptRecord::What::drain,
                         .attempt = attempt.number,
                         .why = why,
                         .reason = reason,
                         .refusal = {}});
  }

  void plan_gang() {
    const Attempt* const attempt = state_.current();
    // While migrating the source has run; a current attempt that has not is the target, and the source is
    // over.
    if (attempt == nullptr || (state_.phase == Phase::migrating && !attempt->running_at)) {
      after_gang(attempt);
      return;
    }
    const GangVerdict verdict = judge_gang(state_, *attempt, world_, limits_, now_);
    if (verdict.end != AttemptEnd::none) {
      close(*attempt, verdict.end, verdict.reason);
      return;
    }
    if (verdict.drain != AttemptEnd::none) {
      if (has_agents(*attempt)) {
        drain(*attempt, verdict.drain, verdict.reason);
      } else {
        close(*attempt, verdict.drain, verdict.reason);
      }
      return;
    }
    if (attempt->drain_at) {
      ask_all(*attempt, "drain/");
      if (state_.phase == Phase::starting) { return; }
    }
    if (state_.phase == Phase::starting) {
      plan_starting(*attempt);
      return;
    }
    if (state_.phase == Phase::running && !attempt->drain_at) { save_on_request(*attempt); }
    if (state_.migrate || state_.phase == Phase::migrating) { plan_migration(*attempt); }
  }

  /// Whether an agent runs, or may: its start is asked for and not answered.
  [[nodiscard]] static bool has_agents(const Attempt& attempt) {
    return std::any_of(attempt.nodes.begin(), attempt.nodes.end(), [&](const auto& entry) {
      return entry.second.agent_started ||
             progress_of(attempt, "start/" + std::to_string(entry.first)).outstanding;
    });
  }

  void ask_all(const Attempt& attempt, const std::string& verb) {
    for (const auto& [rank, node] : attempt.nodes) {
      if (node.agent_started && node.view.state == NodeState::running) {
        act_if_due(attempt, verb + std::to_string(rank));
      }
    }
  }

  void save_on_request(const Attempt& attempt) {
    if (state_.checkpoints_asked > 0) {
      act_if_due(attempt, "save/" + std::to_string(state_.checkpoints_asked));
    }
  }

  void plan_starting(const Attempt& attempt) {
    // Two gangs must not run the job at once: the old one's end is answered before the new one begins.
    if (!is_released(/*tries=*/8)) { return; }
    if (!attempt.checkpoint_known) {
      const Pending find = progress_of(attempt, "find");
      if (find.failed) {
        close(attempt, AttemptEnd::job_failed, "the checkpoint store cannot be read: " + find.message);
      } else {
        act_if_due(attempt, "find");
      }
      return;
    }
    bool all_run = true;
    for (const auto& [rank, node] : attempt.nodes) {
      const std::string start = "start/" + std::to_string(rank);
      const Pending pending = progress_of(attempt, start);
      if (pending.failed) {
        // A program that is missing or may not run on one machine will not run on the next one either.
        const bool is_ours = pending.kind == ErrorKind::invalid || pending.kind == ErrorKind::not_found;
        close(attempt, is_ours ? AttemptEnd::job_failed : AttemptEnd::lost,
              "the agent of node " + std::to_string(rank) + " did not start: " + pending.message);
        return;
      }
      if (!node.agent_started && pending.tries > 0 &&
          now_ - attempt.ready_at.value_or(now_) >= limits_.boot) {
        close(attempt, AttemptEnd::lost,
              "node " + std::to_string(rank) + " could not be reached for " + format_duration(limits_.boot) +
                  ": " + pending.message);
        return;
      }
      if (!node.agent_started) { act_if_due(attempt, start); }
      all_run = all_run && node.agent.run_started_at.has_value();
    }
    if (all_run) {
      mark(attempt, AttemptRecord::What::running);
      step(Phase::running, "the job runs on " + std::to_string(state_.task.num_nodes) + " nodes");
    }
  }

  /// The gang has ended in the round before: what follows depends on how.
  void after_gang(const Attempt* next) {
    const Attempt* ended = nullptr;
    for (const Attempt& attempt : state_.attempts) {
      if (attempt.is_over() && (ended == nullptr || *attempt.over_at >= *ended->over_at)) {
        ended = &attempt;
      }
    }
    if (ended != nullptr && ended->end == AttemptEnd::finished) {
      close_all("the job has finished");
      step(Phase::succeeded, ended->reason);
      return;
    }
    if (ended != nullptr && ended->end == AttemptEnd::job_failed && !may_restart(*ended)) {
      close_all("the job has failed");
      step(Phase::failed, ended->reason, kExitJobFailed);
      return;
    }
    const std::string reason = ended == nullptr ? "no gang" : ended->reason;
    if (next != nullptr && next->ready_at) {
      step(Phase::starting, reason);
    } else {
      step(Phase::recovering, reason);
    }
  }

  /// The job's own failure is worth another life only when this one brought it further: an error at the first
  /// line is not bought again and again.
  [[nodiscard]] bool may_restart(const Attempt& ended) const {
    return ended.committed_step > ended.resume_step && state_.job_failures <= state_.task.max_restarts;
  }

  void plan_recovering() {
    if (const Attempt* const next = state_.current()) {  // a migration's target is on its way
      step(Phase::provisioning, "going on with attempt " + std::to_string(next->number));
    } else if (is_released(/*tries=*/3)) {
      step(Phase::queued, state_.reason);
    }
  }

  // --- moving: make before break ---

  void plan_migration(const Attempt& source) {
    const Attempt* const target = state_.migration_target();
    if (target == nullptr) {
      if (source.drain_at) { return; }  // it is leaving anyway
      book_target();
      return;
    }
    if (has_no_gang(*target)) { return; }
    if (!all_up(*target)) { return; }
    if (!target->ready_at) { mark(*target, AttemptRecord::What::ready); }
    if (!source.drain_at) {
      drain(source, AttemptEnd::superseded, "moves to " + format_offer_key(target->offer.key));
    }
  }

  void book_target() {
    if (!state_.migrate) {
      if (state_.phase == Phase::migrating) { step(Phase::running, "the migration was given up"); }
      return;
    }
    if (!world_.offers_known) { return; }
    const std::vector<Judged> judged = judge_move(state_, *state_.migrate, offers_, now_);
    if (judged.empty() || !judged.front().why.empty()) {
      const std::string why = judged.empty() ? "nothing is sold there" : judged.front().why;
      record(MigrateGivenUpRecord{.reason = "no gang to move to: " + why});
      return;
    }
    open_attempt(judged.front().offer, /*migration=*/true);
    if (state_.phase != Phase::migrating) {
      step(Phase::migrating, "booking " + format_offer_key(judged.front().offer.key));
    }
  }

  // --- stopping ---

  void plan_stopping() {
    if (const Attempt* const target = state_.migration_target()) {
      close(*target, AttemptEnd::ended_by_us, state_.reason);
      return;
    }
    const Attempt* const attempt = state_.current();
    if (attempt == nullptr) {
      finish_stopping();
      return;
    }
    if (!has_agents(*attempt)) {
      close(*attempt, AttemptEnd::ended_by_us, state_.reason);
      return;
    }
    if (!attempt->drain_at) {
      drain(*attempt, AttemptEnd::ended_by_us, state_.reason);
      return;
    }
    const GangVerdict verdict = judge_gang(state_, *attempt, world_, limits_, now_);
    if (verdict.end != AttemptEnd::none) {
      close(*attempt, verdict.end, verdict.reason);
      return;
    }
    ask_all(*attempt, "drain/");
  }

  void finish_stopping() {
    const bool finished = std::any_of(state_.attempts.begin(), state_.attempts.end(),
                                      [](const Attempt& a) { return a.end == AttemptEnd::finished; });
    if (finished) {
      step(Phase::succeeded, "the job finished before it was stopped");
    } else if (state_.asked_end == UserVerb::stop) {
      step(Phase::stopped, "stopped; `gpubroker start` goes on from the last checkpoint");
    } else if (!state_.asked_end && state_.task.budget && state_.accrued(now_) >= *state_.task.budget) {
      step(Phase::failed, state_.reason, kExitLimit);
    } else {
      step(Phase::stopped, state_.reason);
    }
  }

  const WorkloadState& state_;
  const World& world_;
  const std::vector<Offer>& offers_;
  const Limits& limits_;
  Instant now_;
  Decision decision_;
};

}  // namespace

std::vector<Judged> judge_move(const WorkloadState& state, const UserRequest& to,
                               const std::vector<Offer>& offers, Instant now) {
  const Attempt* const source = state.current();
  const bool named = !to.provider.empty() || !to.region.empty();
  std::vector<Offer> elsewhere;
  for (const Offer& offer : offers) {
    const OfferKey& key = offer.key;
    const bool is_there = (to.provider.empty() || to.provider == key.provider) &&
                          (to.region.empty() || to.region == key.region);
    const bool is_here = source != nullptr && key.provider == source->offer.key.provider &&
                         key.region == source->offer.key.region;
    if (named ? is_there : !is_here) { elsewhere.push_back(offer); }
  }
  GangNeed need = need_of(state);
  for (ResourceNeed& one : need.any_of) {  // the user's word beats the file's
    if (!to.region.empty()) {
      one.regions.clear();
      one.zone.clear();
    }
    if (!to.provider.empty()) { one.provider.clear(); }
  }
  return rank_offers(elsewhere, need, state.refusals, now);
}

Decision decide(const WorkloadState& state, const World& world, const std::vector<Offer>& offers,
                const Limits& limits, Instant now) {
  Planner planner(state, world, offers, limits, now);
  planner.plan();
  return std::move(planner).take();
}

Instant next_look(const WorkloadState& state, Instant now, Millis poll) {
  Instant next = now + poll;
  if (state.phase == Phase::queued && state.wait_until && *state.wait_until > now) {
    next = std::min(std::max(next, *state.wait_until), now + seconds{15});
  }
  // What failed and is to be tried again is tried when its pause is over, not when progress is next looked
  // at.
  for (const Attempt& attempt : state.attempts) {
    if (!needs_release(attempt)) { continue; }
    for (const auto& [name, pending] : attempt.actions) {
      const bool waits = pending.tries > 0 && !pending.done && !pending.outstanding;
      if (waits && pending.not_before > now) { next = std::min(next, pending.not_before); }
    }
  }
  return next;
}

}  // namespace gpubroker
