#include <algorithm>
#include <deque>
#include <mutex>
#include <set>
#include <tuple>

#include "core/base/log.hpp"
#include "core/broker/agenda.hpp"
#include "core/broker/broker.hpp"
#include "core/broker/deeds.hpp"
#include "core/plan/probing.hpp"

namespace gpubroker {
namespace {

using std::chrono::seconds;

constexpr Millis kLeaseLength = seconds{20};
constexpr Millis kLeaseRenew = seconds{8};
constexpr Millis kOffersEvery = seconds{2};
constexpr Millis kOffersAge = seconds{60};  // older ones are not decided by while newer ones can be had
constexpr Millis kIdleListEvery =
    seconds{60};                 // providers with nothing of ours: only machines answered too late
constexpr int kMostRounds = 64;  // a step of one workload; more is a loop in decide
constexpr std::size_t kReadRows = 10'000;

/// Something that finished on another thread, to be taken in by the next step.
using News = std::function<void()>;

/// Outlives the supervisor if a task does; only the supervisor runs what is in it.
struct Inbox {
  std::mutex mutex;
  std::deque<News> news;

  void push(News item) {
    const std::lock_guard<std::mutex> hold(mutex);
    news.push_back(std::move(item));
  }
  std::deque<News> take() {
    const std::lock_guard<std::mutex> hold(mutex);
    return std::exchange(news, {});
  }
  bool empty() {
    const std::lock_guard<std::mutex> hold(mutex);
    return news.empty();
  }
};

/// An agent that is worth looking at.
struct Talker {
  WorkloadId workload = {};
  int attempt = 0;
  int rank = 0;
};

/// What one workload makes the supervisor look at. Worked out when its state changes, not at every step.
struct Interest {
  std::set<std::string> providers = {};
  std::set<std::string> booting = {};  // of those: where machines are waited for
  bool offers = false;
  std::map<NodeId, Talker> talkers = {};
};

/// When something is looked at next, and whether a look is under way.
struct Watch {
  bool in_flight = false;
  Instant asked_at = {};
  Instant next = {};
  int early = 0;  // looks at an agent that came before their time
};

}  // namespace

struct Supervisor::Impl {
  Impl(SupervisorParts all, std::string name)
      : shared(std::make_shared<const SupervisorParts>(with_provider_limits(std::move(all)))),
        parts(*shared),
        holder(std::move(name)) {}

  static SupervisorParts with_provider_limits(SupervisorParts all) {
    for (const auto& [provider_name, provider] : all.providers) {
      const Millis limit = provider->boot_limit();
      if (limit > Millis{0}) { all.limits.slow_boot[provider_name] = limit; }
      if (const Millis lag = provider->list_lag(); lag > Millis{0}) {
        all.limits.list_lag[provider_name] = lag;
      }
    }
    return all;
  }

  // Tasks hold this share, never the supervisor itself: they may outlive it.
  std::shared_ptr<const SupervisorParts> shared;
  const SupervisorParts& parts;
  std::string holder;
  std::optional<Lease> lease;
  std::map<WorkloadId, WorkloadState> states;
  std::int64_t seen_seq = 0;
  World world;
  std::vector<Offer> offers;
  Instant offers_at = {};
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  std::vector<Record> outcomes;  // taken in, not yet in the journal: kept until an append succeeds
  std::set<WorkloadId> dirty;
  Agenda<WorkloadId> due;
  std::map<WorkloadId, Interest> interests;
  std::map<std::string, int> wanted_providers;   // workloads that have, or may have, machines there
  std::map<std::string, int> awaited_providers;  // workloads whose machines boot there
  int wanted_offers = 0;                         // workloads that look for a gang
  std::map<std::string, Watch> list_watch;
  std::map<NodeId, Watch> agent_watch;
  std::map<NodeId, Talker> talkers;
  Agenda<NodeId> looks;  // at talkers that no look is under way at
  Watch offers_watch;
  Instant pruned_at = {};
  Instant stepped_at = {};

  // --- journal ---

  Status renew_lease(Instant now) {
    if (lease && lease->until - now > kLeaseLength - kLeaseRenew && lease->until - now <= kLeaseLength) {
      return Ok{};
    }
    TRY(lease, parts.journal.take_lease(holder, now, kLeaseLength));
    return Ok{};
  }

  Status reload(const WorkloadId& id) {
    TRY(WorkloadState state, load_state(parts.journal, id.value));
    if (state.is_live()) {
      keep(id, std::move(state));
    } else {
      drop(id);
    }
    return Ok{};
  }

  void keep(const WorkloadId& id, WorkloadState state) {
    WorkloadState& kept = states[id] = std::move(state);
    if (!due.contains(id)) { due.set(id, Instant{}); }
    follow(id, interest_of(kept));
  }

  void drop(const WorkloadId& id) {
    states.erase(id);
    due.erase(id);
    follow(id, {});
    interests.erase(id);
  }

  /// Rows that other processes have written: launches and wishes.
  Status read_foreign() {
    while (true) {
      TRY(const std::vector<JournalRow> rows, parts.journal.read({}, seen_seq, kReadRows));
      for (const JournalRow& row : rows) {
        const auto state = states.find(row.workload);
        const bool known = state != states.end();
        if (known && row.seq <= state->second.seq) {  // read with the whole workload already
          seen_seq = row.seq;
          continue;
        }
        if (!known && row.kind != "accepted") {  // something new of a workload that was over: `start`, `down`
          TRY([[maybe_unused]] const Ok loaded, reload(row.workload));
        } else {
          TRY(const Record record, decode_record(row));
          apply(states[row.workload], record, row.seq);
        }
        seen_seq = row.seq;
        dirty.insert(row.workload);
      }
      if (rows.size() < kReadRows) { return Ok{}; }
    }
  }

  // --- one workload ---

  /// What one step does to one workload: tried on a copy, true only when it is in the journal.
  struct Turn {
    WorkloadId id;
    std::optional<WorkloadState> state;  // set with the first record
    std::vector<Record> records;
    std::vector<Action> actions;
  };

  [[nodiscard]] const WorkloadState& state_of(const Turn& turn) const {
    return turn.state ? *turn.state : states.at(turn.id);
  }

  void add(Turn& turn, Record record, std::int64_t& seq) const {
    if (!turn.state) { turn.state = states.at(turn.id); }
    apply(*turn.state, record, ++seq);
    turn.records.push_back(std::move(record));
  }

  void reconcile(Turn& turn, Instant now, std::int64_t& seq) const {
    for (int round = 0; round < kMostRounds; ++round) {
      const WorkloadState& state = state_of(turn);
      std::vector<RecordBody> bodies = perceive(state, world, parts.limits, now);
      if (bodies.empty()) {
        Decision decision = decide(state, world, offers, parts.limits, now);
        bodies = std::move(decision.records);
        std::move(decision.actions.begin(), decision.actions.end(), std::back_inserter(turn.actions));
      }
      if (bodies.empty()) { return; }
      for (RecordBody& body : bodies) {
        add(turn, {.at = now, .workload = turn.id, .body = std::move(body)}, seq);
      }
    }
    log_event(LogLevel::error, "broker.decide_does_not_settle", {{"workload", turn.id.value}});
  }

  /// Every workload with news or whose time has come, in order of id. Rows are numbered as the journal will
  /// number them when nobody else writes meanwhile.
  std::vector<Turn> take_turns(Instant now) {
    std::set<WorkloadId> whose = dirty;
    for (WorkloadId& id : due.due(now)) { whose.insert(std::move(id)); }
    std::map<WorkloadId, std::vector<const Record*>> answers;
    for (const Record& outcome : outcomes) { answers[outcome.workload].push_back(&outcome); }
    std::vector<Turn> turns;
    std::int64_t seq = seen_seq;
    for (const WorkloadId& id : whose) {
      if (states.count(id) == 0) { continue; }
      Turn turn{.id = id, .state = {}, .records = {}, .actions = {}};
      for (const Record* const outcome : answers[id]) { add(turn, *outcome, seq); }
      reconcile(turn, now, seq);
      turns.push_back(std::move(turn));
    }
    return turns;
  }

  static JournalBatch batch_of(const std::vector<Turn>& turns) {
    JournalBatch batch;
    for (const Turn& turn : turns) {
      for (const Record& record : turn.records) {
        batch.rows.push_back(encode_record(record));
        if (const auto* const outcome = std::get_if<OutcomeRecord>(&record.body)) {
          batch.charges.insert(batch.charges.end(), outcome->charges.begin(), outcome->charges.end());
        }
      }
      if (turn.state) { batch.workloads.push_back(project(*turn.state)); }
    }
    return batch;
  }

  /// Writes the turns in one synced append; only then they are true here and the deeds go out.
  Result<bool> commit(std::vector<Turn> turns, Instant now) {
    JournalBatch batch = batch_of(turns);
    if (!batch.rows.empty()) {
      // A wish that has come since the journal was read may change what is decided: the next step reads it
      // first.
      batch.provided = Unchanged{.workload = {}, .seq = seen_seq};
      const Result<std::int64_t> last = parts.journal.append(batch, lease);
      if (!last.ok() && last.error().code == "moved") { return false; }
      if (!last.ok()) { return last.error(); }
      seen_seq = last.value();
    }
    outcomes.clear();
    for (Turn& turn : turns) { take_in(turn, now); }
    return !batch.rows.empty();
  }

  /// Until the offers are read anew with what the catalog makes of it: half a chance after a stock-out, a
  /// quarter after a quota, as there.
  void lower_chance(const OfferKey& key, ErrorKind refused) {
    if (refused != ErrorKind::capacity && refused != ErrorKind::quota) { return; }
    const int divisor = refused == ErrorKind::quota ? 4 : 2;
    for (Offer& offer : offers) {
      if (offer.key == key) { offer.chance_percent = std::max(offer.chance_percent / divisor, 1); }
    }
  }

  /// What a record shows of the offer of its attempt, if anything: booked, refused for good, preempted.
  struct Lesson {
    int attempt = 0;
    SupervisorParts::Met met = {};
  };
  static std::optional<Lesson> lesson_of(const Record& record) {
    SupervisorParts::Met met{.at = record.at};
    if (const auto* const outcome = std::get_if<OutcomeRecord>(&record.body)) {
      const bool is_open = outcome->error && !outcome->is_final;
      if (outcome->action != "create" || is_open) { return std::nullopt; }
      if (outcome->error) { met.refused = outcome->error->kind; }
      return Lesson{outcome->attempt, std::move(met)};
    }
    const auto* const attempt = std::get_if<AttemptRecord>(&record.body);
    met.preempted = attempt != nullptr && attempt->what == AttemptRecord::What::over &&
                    attempt->why == AttemptEnd::preempted;
    if (!met.preempted) { return std::nullopt; }
    return Lesson{attempt->attempt, std::move(met)};
  }

  /// What this turn has shown of offers, kept for later launches.
  void remember(const Turn& turn) {
    if (!parts.remember) { return; }
    const std::vector<Attempt>& attempts = state_of(turn).attempts;
    for (const Record& record : turn.records) {
      std::optional<Lesson> lesson = lesson_of(record);
      if (!lesson) { continue; }
      const auto of = std::find_if(attempts.begin(), attempts.end(),
                                   [&](const Attempt& one) { return one.number == lesson->attempt; });
      if (of == attempts.end()) { continue; }
      lesson->met.key = of->offer.key;
      const auto provider = parts.providers.find(lesson->met.key.provider);
      // This machine's own stock is no news for anybody.
      if (provider == parts.providers.end() || provider->second->shares_machine()) { continue; }
      if (lesson->met.refused) { lower_chance(lesson->met.key, *lesson->met.refused); }
      parts.run_later([with = shared, met = std::move(lesson->met)] { with->remember(met); });
    }
  }

  /// A booking was refused for want of stock: the clouds that come next are asked what they have, all at
  /// once, while the next booking is under way.
  void probe(const Turn& turn, Instant now) {
    const bool was_refused = std::any_of(turn.records.begin(), turn.records.end(), [](const Record& record) {
      const auto* const outcome = std::get_if<OutcomeRecord>(&record.body);
      return outcome != nullptr && outcome->refusal && outcome->refusal->kind == ErrorKind::capacity;
    });
    if (!was_refused) { return; }
    const WorkloadState& state = state_of(turn);
    std::vector<std::string> clouds = clouds_to_ask(offers, need_of(state), state.refusals, now);
    if (clouds.empty()) { return; }
    parts.run_later([with = shared, clouds = std::move(clouds)] {
      if (const Status asked = with->offers.ask_again(clouds); !asked.ok()) {
        log_event(LogLevel::warn, "broker.probe_failed", {{"message", asked.error().message}});
      }
    });
  }

  void take_in(Turn& turn, Instant now) {
    dirty.erase(turn.id);
    remember(turn);
    probe(turn, now);
    const WorkloadState& state = state_of(turn);
    for (const Action& action : turn.actions) { launch(action, state); }
    if (!state.is_live()) {
      drop(turn.id);
      return;
    }
    due.set(turn.id, next_look(state, now, parts.limits.progress_every));
    if (turn.state) {
      keep(turn.id, std::move(*turn.state));
    } else if (interests.count(turn.id) == 0) {
      follow(turn.id, interest_of(state));
    }
  }

  // --- deeds ---

  static DeedContext context_of(const WorkloadState& state, int attempt) {
    return {.workload = state.id,
            .owner = state.options.owner,
            .store = state.task.checkpoint.path.empty() ? std::string{} : state.task.checkpoint.store,
            .archive = state.options.archive,
            .attempt = attempt};
  }

  void launch(const Action& action, const WorkloadState& state) {
    DeedContext context = context_of(state, action.attempt);
    std::optional<Error> refused;
    if (action.kind == Action::Kind::start_agent && !state.task.secrets.empty()) {
      Result<std::string> secrets = parts.secrets(state);
      if (secrets.ok()) {
        context.secrets = std::move(secrets).value();
      } else {
        refused = secrets.error();
      }
    }
    log_event(
        LogLevel::info, "broker.act",
        {{"workload", state.id.value}, {"attempt", std::to_string(action.attempt)}, {"action", action.name}});
    parts.run_later([this, with = shared, box = inbox, action, context, refused] {
      Result<DeedResult> result = refused ? Result<DeedResult>(*refused) : perform(action, context, *with);
      box->push(
          [this, action, context, result = std::move(result)] { take_outcome(action, context, result); });
    });
  }

  void take_outcome(const Action& action, const DeedContext& context, const Result<DeedResult>& result) {
    const auto at = states.find(context.workload);
    if (at == states.end()) { return; }
    dirty.insert(context.workload);
    const Instant now = parts.clock.now();
    OutcomeRecord outcome{.attempt = action.attempt, .action = action.name, .error = {}, .refusal = {}};
    if (result.ok()) {
      const DeedResult& brought = result.value();
      outcome.nodes = brought.nodes;
      outcome.checkpoint = brought.checkpoint;
      outcome.step = brought.step;
      outcome.charges = brought.charges;
      if (action.kind == Action::Kind::start_agent) { world.agents[action.node.id].changed_at = now; }
    } else {
      const Error& error = result.error();
      for (const Attempt& attempt : at->second.attempts) {
        if (attempt.number == action.attempt) {
          outcome = judge_failure(at->second, attempt, action.name, error, parts.limits, now);
        }
      }
      log_event(LogLevel::warn, "broker.failed",
                {{"workload", context.workload.value},
                 {"action", action.name},
                 {"kind", std::string(to_string(error.kind))},
                 {"message", error.message}});
    }
    outcomes.push_back({.at = now, .workload = context.workload, .body = std::move(outcome)});
  }

  /// After a restart nobody is at the deeds whose outcome is missing: they are done again, with the same
  /// token. Of an attempt that is over only what gives back is: no agent is started there any more, and a
  /// gang that nobody wants is not asked for again, but looked for like one whose answer was lost; so is one
  /// at a cloud that would book it again, until its list must show what was booked.
  void resume_outstanding() {
    for (const auto& [id, state] : states) {
      for (const Attempt& attempt : state.attempts) {
        for (const auto& [name, pending] : attempt.actions) {
          if (!pending.outstanding) { continue; }
          const bool may_double = parts.limits.list_lag.count(attempt.offer.key.provider) != 0;
          if (name == "create" && (attempt.is_over() || may_double)) {
            lose_booking(state, attempt);
            continue;
          }
          const std::optional<Action> action = build_action(state, attempt, name);
          const bool gives_back =
              action && (action->kind == Action::Kind::end_nodes || action->kind == Action::Kind::settle);
          if (gives_back || (action && !attempt.is_over())) { launch(*action, state); }
        }
      }
    }
  }

  void lose_booking(const WorkloadState& state, const Attempt& attempt) {
    const Error lost{.kind = ErrorKind::network,
                     .message = "the supervisor ended before the answer came",
                     .maybe_applied = true};
    const Instant now = parts.clock.now();
    outcomes.push_back({.at = now,
                        .workload = state.id,
                        .body = judge_failure(state, attempt, "create", lost, parts.limits, now)});
  }

  // --- looking ---

  [[nodiscard]] Interest interest_of(const WorkloadState& state) const {
    Interest interest;
    interest.offers = state.phase == Phase::queued || state.migrate.has_value();
    for (const Attempt& attempt : state.attempts) {
      if (!needs_release(attempt)) { continue; }
      interest.providers.insert(attempt.offer.key.provider);
      if (!attempt.is_over() && !attempt.ready_at) { interest.booting.insert(attempt.offer.key.provider); }
      if (attempt.is_over() || parts.providers.count(attempt.offer.key.provider) == 0) { continue; }
      for (const auto& [rank, node] : attempt.nodes) {
        const bool talks = node.agent_started && node.view.state == NodeState::running &&
                           node.agent.phase != AgentPhase::exited;
        if (talks) { interest.talkers[node.view.id] = {state.id, attempt.number, rank}; }
      }
    }
    return interest;
  }

  /// Puts the interest of a workload in the place of its former one.
  void follow(const WorkloadId& id, Interest interest) {
    Interest& former = interests[id];
    wanted_offers += (interest.offers ? 1 : 0) - (former.offers ? 1 : 0);
    for (const std::string& name : former.providers) { --wanted_providers[name]; }
    for (const std::string& name : interest.providers) { ++wanted_providers[name]; }
    for (const std::string& name : former.booting) { --awaited_providers[name]; }
    for (const std::string& name : interest.booting) { ++awaited_providers[name]; }
    for (const auto& [node, talker] : former.talkers) {
      if (interest.talkers.count(node) != 0) { continue; }
      talkers.erase(node);
      looks.erase(node);
    }
    for (const auto& [node, talker] : interest.talkers) {
      if (!talkers.insert_or_assign(node, talker).second) { continue; }
      const Watch& watch = agent_watch[node];
      if (!watch.in_flight) { looks.set(node, watch.next); }
    }
    former = std::move(interest);
  }

  /// In the order of workloads, attempts and ranks: the same run asks the same twice.
  void look_at_agents(Instant now) {
    std::map<std::tuple<WorkloadId, int, int>, NodeId> in_order;
    for (const NodeId& node : looks.due(now)) {
      const Talker& talker = talkers.at(node);
      in_order[{talker.workload, talker.attempt, talker.rank}] = node;
    }
    for (const auto& [who, node] : in_order) {
      const WorkloadState& state = states.at(std::get<0>(who));
      for (const Attempt& attempt : state.attempts) {
        if (attempt.number != std::get<1>(who)) { continue; }
        look_at_agent_soon(state, attempt, attempt.nodes.at(std::get<2>(who)), now);
      }
    }
  }

  void look_at_agent_soon(const WorkloadState& state, const Attempt& attempt, const NodeRecord& node,
                          Instant now) {
    Provider& provider = *parts.providers.at(attempt.offer.key.provider);
    Watch& watch = agent_watch[node.view.id];
    watch.in_flight = true;
    watch.next = now + provider.poll_interval();
    looks.erase(node.view.id);
    NodeChannel* const channel = &provider.channel();
    parts.run_later([this, with = shared, box = inbox, channel, id = node.view.id,
                     address = node.view.address, rank = node.view.index,
                     context = context_of(state, attempt.number)] {
      Result<AgentReport> report = look_at_agent(address, context, rank, *channel, *with);
      box->push([this, id, workload = context.workload, report = std::move(report)]() mutable {
        take_report(id, workload, std::move(report));
      });
    });
  }

  /// An agent that was started a moment ago: its job runs as soon as it has spoken for the first time.
  static bool is_about_to_run(const Result<AgentReport>& report) {
    if (!report.ok()) { return report.error().kind == ErrorKind::not_found; }
    return report.value().phase == AgentPhase::setup || report.value().phase == AgentPhase::restoring;
  }

  /// A person waits for it: after 0.1 s, and 0.2, 0.4, 0.8; a setup that takes longer is looked at as usual.
  void look_early(Watch& watch) const {
    constexpr int kMostEarly = 4;
    constexpr Millis kFirst{100};
    if (watch.early == kMostEarly) { return; }
    watch.next = std::min(watch.next, parts.clock.now() + kFirst * (1 << watch.early));
    ++watch.early;
  }

  void take_report(const NodeId& id, const WorkloadId& workload, Result<AgentReport> report) {
    const auto watch = agent_watch.find(id);
    if (watch != agent_watch.end()) {
      watch->second.in_flight = false;
      if (is_about_to_run(report)) { look_early(watch->second); }
      if (talkers.count(id) != 0) { looks.set(id, watch->second.next); }
    }
    const auto [entry, first_look] = world.agents.try_emplace(id);
    AgentSight& sight = entry->second;
    if (first_look) {
      sight.changed_at = parts.clock.now();
    }  // silence is counted from here, also after a restart
    sight.reachable = report.ok();
    if (!report.ok()) {
      const bool answers = report.error().kind == ErrorKind::not_found;
      sight.absent = answers ? report.error().message : std::string{};
      if (report.error().kind == ErrorKind::invalid) {
        sight.unusable = report.error().message;
        dirty.insert(workload);
      }
      return;
    }
    if (report.value() == sight.report) { return; }
    sight.report = std::move(report).value();
    sight.changed_at = parts.clock.now();
    dirty.insert(workload);
  }

  void list_soon(const std::string& name, Provider& provider, Instant now, bool wanted) {
    Watch& watch = list_watch[name];
    // What was not wanted at the last look may be wanted by now: its long pause does not hold any more.
    // A machine that boots is waited for by a person: it is looked for twice as often.
    const Millis often =
        awaited_providers[name] > 0 ? provider.poll_interval() / 2 : provider.poll_interval();
    if (wanted) { watch.next = std::min(watch.next, watch.asked_at + often); }
    if (watch.in_flight || watch.next > now) { return; }
    watch.in_flight = true;
    watch.asked_at = now;
    watch.next = now + (wanted ? often : kIdleListEvery);
    parts.run_later([this, box = inbox, name, &provider, seq = seen_seq, now] {
      Result<std::vector<NodeView>> nodes = provider.provisioner().list();
      box->push([this, name, seq, now, nodes = std::move(nodes)]() mutable {
        take_list(name, seq, now, std::move(nodes));
      });
    });
  }

  void take_list(const std::string& name, std::int64_t seq, Instant asked_at,
                 Result<std::vector<NodeView>> nodes) {
    list_watch[name].in_flight = false;
    if (!nodes.ok()) {
      log_event(LogLevel::warn, "broker.list_failed",
                {{"provider", name}, {"message", nodes.error().message}});
      return;
    }
    MachineList listing{.known = true, .started_seq = seq, .at = asked_at};
    adopt_late(nodes.value());
    for (NodeView& view : nodes.value()) {
      NodeView& listed = listing.nodes[view.token][view.id];
      listed = std::move(view);
    }
    const MachineList& before = world.listings[name];
    for (const auto& [id, state] : states) {
      for (const Attempt& attempt : state.attempts) {
        if (attempt.offer.key.provider == name && needs_release(attempt) &&
            is_news(attempt, listing, before)) {
          dirty.insert(id);
        }
      }
    }
    world.listings[name] = std::move(listing);
  }

  /// Whether the list says of this attempt's machines anything that the last one did not, or is waited for.
  static bool is_news(const Attempt& attempt, const MachineList& listing, const MachineList& before) {
    if (attempt.is_over() || !before.known || before.started_seq < listing.started_seq) { return true; }
    const auto now = listing.nodes.find(attempt.token);
    const auto then = before.nodes.find(attempt.token);
    const bool there = now != listing.nodes.end();
    return there != (then != before.nodes.end()) || (there && now->second != then->second);
  }

  /// A machine of a workload that was over: its booking was answered too late. Reading the workload again
  /// makes it known, and what is not wanted is ended and paid for.
  void adopt_late(const std::vector<NodeView>& nodes) {
    for (const NodeView& view : nodes) {
      const WorkloadId& id = view.tags.workload;
      if (view.state == NodeState::ended || states.count(id) != 0) { continue; }
      const Result<std::optional<WorkloadRow>> row = parts.journal.find_workload(id.value);
      if (!row.ok() || !row.value() || row.value()->id != id) { continue; }  // another journal's: gc's affair
      Result<WorkloadState> state = load_state(parts.journal, id.value);
      if (!state.ok()) { continue; }
      keep(id, std::move(state).value());
      dirty.insert(id);
    }
  }

  void ask_offers(Instant now) {
    if (offers_watch.in_flight || offers_watch.next > now) { return; }
    offers_watch.in_flight = true;
    offers_watch.next = now + kOffersEvery;
    parts.run_later([this, with = shared, box = inbox] {
      Result<std::vector<Offer>> answer = with->offers.offers();
      box->push([this, answer = std::move(answer)] { take_offers(answer); });
    });
  }

  void take_offers(const Result<std::vector<Offer>>& answer) {
    offers_watch.in_flight = false;
    if (!answer.ok()) {
      log_event(LogLevel::warn, "broker.offers_failed", {{"message", answer.error().message}});
      return;
    }
    offers = answer.value();
    offers_at = parts.clock.now();
    world.offers_known = true;
    for (const auto& [id, state] : states) {
      if (state.phase == Phase::queued || state.migrate) { dirty.insert(id); }
    }
  }

  void observe(Instant now) {
    look_at_agents(now);
    if (wanted_offers > 0) {
      ask_offers(now);
    } else if (now - offers_at >= kOffersAge) {
      world.offers_known = false;  // whoever looks next looks at what is on sale then
    }
    for (const auto& [name, provider] : parts.providers) {
      list_soon(name, *provider, now, wanted_providers[name] > 0);
    }
  }

  [[nodiscard]] Instant next_wake(Instant now) const {
    Instant next = now + kLeaseRenew;
    const auto consider = [&](const Watch& watch) {
      if (!watch.in_flight) { next = std::min(next, watch.next); }
    };
    for (const auto& [name, watch] : list_watch) { consider(watch); }
    for (const std::optional<Instant>& first : {due.first(), looks.first()}) {
      if (first) { next = std::min(next, *first); }
    }
    return std::max(next, now + Millis{1});
  }

  /// The clock was set back: what was to be looked at in a minute is not to wait for the hours in between.
  void heed_clock(Instant now) {
    if (now < stepped_at) {
      const auto bring_forward = [now](Watch& watch) {
        watch.asked_at = std::min(watch.asked_at, now);
        watch.next = std::min(watch.next, now);
      };
      bring_forward(offers_watch);
      for (auto& [name, watch] : list_watch) { bring_forward(watch); }
      for (auto& [node, watch] : agent_watch) {
        bring_forward(watch);
        if (!watch.in_flight && talkers.count(node) != 0) { looks.set(node, watch.next); }
      }
      for (const auto& [id, state] : states) { due.set(id, now); }
    }
    stepped_at = now;
  }

  /// Forgets what was seen of machines that are no longer looked at.
  void prune(Instant now) {
    constexpr Millis kEvery = std::chrono::minutes{1};
    if (now - pruned_at < kEvery && pruned_at <= now) { return; }
    pruned_at = now;
    for (auto watch = agent_watch.begin(); watch != agent_watch.end();) {
      const bool stale = !watch->second.in_flight && talkers.count(watch->first) == 0 &&
                         watch->second.next + std::chrono::minutes{5} < now;
      if (stale) { world.agents.erase(watch->first); }
      watch = stale ? agent_watch.erase(watch) : std::next(watch);
    }
  }
};

Supervisor::Supervisor(SupervisorParts parts, std::string holder)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(holder))) {}

Supervisor::~Supervisor() = default;

Status Supervisor::start() {
  Impl& self = *impl_;
  TRY([[maybe_unused]] const Ok lease, self.renew_lease(self.parts.clock.now()));
  TRY(self.seen_seq, self.parts.journal.last_seq());
  TRY(auto states, load_all(self.parts.journal, /*only_live=*/true));
  for (auto& [id, state] : states) {
    self.keep(id, std::move(state));
    self.dirty.insert(id);
  }
  self.resume_outstanding();
  return Ok{};
}

Result<Supervisor::Step> Supervisor::step() {
  Impl& self = *impl_;
  const Instant now = self.parts.clock.now();
  self.heed_clock(now);
  TRY([[maybe_unused]] const Ok lease, self.renew_lease(now));
  TRY([[maybe_unused]] const Ok read, self.read_foreign());
  for (const News& news : self.inbox->take()) { news(); }
  TRY(const bool changed, self.commit(self.take_turns(now), now));
  self.observe(now);
  self.prune(now);
  const bool news_left = !self.dirty.empty() || !self.inbox->empty();
  return Step{.idle = self.states.empty(), .changed = changed, .next = news_left ? now : self.next_wake(now)};
}

void Supervisor::stop() {
  if (impl_->lease) { (void)impl_->parts.journal.release_lease(*impl_->lease); }
  impl_->lease.reset();
}

const std::map<WorkloadId, WorkloadState>& Supervisor::workloads() const {
  return impl_->states;
}

bool Supervisor::has_news() const {
  return !impl_->inbox->empty();
}

}  // namespace gpubroker
