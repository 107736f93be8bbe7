#include <algorithm>

#include "core/base/text.hpp"
#include "core/broker/record.hpp"

namespace gpubroker {
namespace {

/// One overload per record: what it changes.
struct Fold {
  WorkloadState& state;
  Instant at;
  std::int64_t seq;

  Attempt* attempt(int number) {
    for (Attempt& candidate : state.attempts) {
      if (candidate.number == number) { return &candidate; }
    }
    return nullptr;
  }

  void remember(const std::optional<Refusal>& refusal) {
    if (!refusal) { return; }
    // What is long over would only make the journal's readers slow.
    constexpr std::size_t kMost = 64;
    if (state.refusals.size() >= kMost) { state.refusals.erase(state.refusals.begin()); }
    state.refusals.push_back(*refusal);
  }

  void operator()(const AcceptedRecord& record) {
    state.task = record.task;
    state.options = record.options;
    state.created_at = at;
    state.phase = Phase::queued;
    state.phase_at = at;
  }

  void operator()(const AskedRecord& record) {
    switch (record.request.verb) {
      case UserVerb::stop:
        if (state.asked_end != UserVerb::down) { state.asked_end = UserVerb::stop; }
        break;
      case UserVerb::down:
        state.asked_end = UserVerb::down;
        break;
      case UserVerb::start:
        if (state.asked_end == UserVerb::stop) { state.asked_end.reset(); }
        break;
      case UserVerb::migrate:
        state.migrate = record.request;
        break;
      case UserVerb::checkpoint:
        ++state.checkpoints_asked;
        break;
    }
  }

  void operator()(const PhaseRecord& record) {
    if (!may_step(state.phase, record.to)) { return; }
    state.phase = record.to;
    state.phase_at = at;
    state.reason = record.reason;
    state.exit = record.exit;
    state.wait_until.reset();
    state.wait_reason.clear();
  }

  void operator()(const WaitRecord& record) {
    state.wait_until = record.until;
    state.wait_reason = record.reason;
  }

  void operator()(const IntentRecord& record) {
    if (record.action == "create" && attempt(record.attempt) == nullptr) {
      Attempt opened;
      opened.number = record.attempt;
      opened.token = attempt_token(state.id, record.attempt);
      opened.offer = record.offer;
      opened.migration = record.migration;
      opened.opened_at = at;
      opened.expires = record.expires;
      state.attempts.push_back(std::move(opened));
    }
    if (Attempt* const of = attempt(record.attempt)) {
      Pending& pending = of->actions[record.action];
      pending.outstanding = true;
      pending.done = false;
    }
  }

  static void fail(Pending& pending, const OutcomeRecord& record, Instant when) {
    ++pending.tries;
    pending.not_before = when + record.retry_in;
    pending.maybe_applied = record.error->maybe_applied;
    pending.done = record.is_final;
    pending.failed = record.is_final;
    pending.kind = record.error->kind;
    pending.message = record.error->message;
  }

  void succeed(Attempt& of, const OutcomeRecord& record) {
    for (const NodeView& view : record.nodes) { see(place_of(of, view), view); }
    if (record.action == "find") {
      of.checkpoint_known = true;
      of.resume = record.checkpoint;
      of.resume_step = record.step;
    }
    const std::size_t slash = record.action.find('/');
    if (slash == std::string::npos) { return; }
    const std::string verb = record.action.substr(0, slash);
    const std::optional<std::int64_t> number = parse_int(record.action.substr(slash + 1));
    if (!number || *number < 0) { return; }
    if (verb == "settle_surplus") {
      const auto which = static_cast<std::size_t>(*number);
      if (which < of.surplus.size()) { settle(of.surplus[which], record); }
      return;
    }
    const auto node = of.nodes.find(static_cast<int>(*number));
    if (node == of.nodes.end()) { return; }
    if (verb == "start") { node->second.agent_started = true; }
    if (verb == "settle") { settle(node->second, record); }
  }

  void settle(NodeRecord& node, const OutcomeRecord& record) const {
    if (node.settled) { return; }
    node.settled = true;
    state.charges.insert(state.charges.end(), record.charges.begin(), record.charges.end());
  }

  void operator()(const OutcomeRecord& record) {
    Attempt* const of = attempt(record.attempt);
    if (of == nullptr) { return; }
    Pending& pending = of->actions[record.action];
    if (!pending.outstanding) {  // an answer told twice; only machines in it may be new
      for (const NodeView& view : record.nodes) { see(place_of(*of, view), view); }
      return;
    }
    pending.outstanding = false;
    pending.seq = seq;
    remember(record.refusal);
    if (record.error) {
      fail(pending, record, at);
      return;
    }
    pending = Pending{.done = true, .seq = seq};
    succeed(*of, record);
  }

  /// Where a machine belongs: its place in the gang, unless another one has it.
  static NodeRecord& place_of(Attempt& of, const NodeView& view) {
    NodeRecord& place = of.nodes[view.index];
    if (place.view.id.value.empty() || place.view.id == view.id) { return place; }
    for (NodeRecord& node : of.surplus) {
      if (node.view.id == view.id) { return node; }
    }
    return of.surplus.emplace_back();
  }

  void see(NodeRecord& node, const NodeView& view) const {
    // The end is final: a late or repeated answer does not bring a machine back.
    if (node.view.state == NodeState::ended && !node.view.id.value.empty()) { return; }
    node.view = view;
    node.seen_seq = seq;
    if (node.charged_until && view.billed_from) {
      node.view.billed_from = std::max(*view.billed_from, *node.charged_until);
    }
  }

  /// A list shows a machine that counted as gone because others did not show it. What it has cost until then
  /// may have been settled: the rest is settled anew.
  static void bring_back(Attempt& of, NodeRecord& node) {
    node.view.state = NodeState::starting;
    if (!node.settled) { return; }
    node.settled = false;
    if (node.view.billed_from) { node.charged_until = node.view.ended_at; }
    for (std::size_t i = 0; i < of.surplus.size(); ++i) {
      if (&of.surplus[i] == &node) { of.actions.erase("settle_surplus/" + std::to_string(i)); }
    }
    if (&of.nodes[node.view.index] == &node) {
      of.actions.erase("settle/" + std::to_string(node.view.index));
    }
  }

  void operator()(const NodeSeenRecord& record) {
    Attempt* const of = attempt(record.attempt);
    if (of == nullptr) { return; }
    NodeRecord& node = place_of(*of, record.view);
    const bool lives = record.view.state != NodeState::ended;
    if (lives && node.view.end_reason == kNoLongerListed) { bring_back(*of, node); }
    see(node, record.view);
  }

  void operator()(const AgentSeenRecord& record) {
    Attempt* const of = attempt(record.attempt);
    const auto node = of == nullptr ? std::map<int, NodeRecord>::iterator{} : of->nodes.find(record.rank);
    if (of == nullptr || node == of->nodes.end()) { return; }
    node->second.agent = record.report;
    node->second.agent_seq = seq;
    // Rank 0's step is the gang's: its folder is the checkpoint, so what is lost is counted from it. The
    // furthest rank's stands in for a rank 0 that tells none.
    const auto leader = of->nodes.find(0);
    const bool leads = record.rank == 0 || leader == of->nodes.end() || leader->second.agent.step < 0;
    if (leads) { of->last_step = std::max(of->last_step, record.report.step); }
    of->committed_step = std::max(of->committed_step, record.report.committed_step);
    of->last_step = std::max(of->last_step, of->committed_step);
  }

  void operator()(const AttemptRecord& record) {
    Attempt* const of = attempt(record.attempt);
    if (of == nullptr) { return; }
    switch (record.what) {
      case AttemptRecord::What::ready:
        of->ready_at = at;
        break;
      case AttemptRecord::What::running:
        of->running_at = at;
        break;
      case AttemptRecord::What::drain:
        of->drain_at = at;
        of->drain_why = record.why;
        break;
      case AttemptRecord::What::over:
        close(*of, record);
        break;
      case AttemptRecord::What::resolved:
        of->actions["create"].maybe_applied = false;
        break;
    }
  }

  void close(Attempt& of, const AttemptRecord& record) {
    if (of.is_over()) { return; }
    of.over_at = at;
    of.end = record.why;
    of.reason = record.reason;
    remember(record.refusal);
    if (record.why == AttemptEnd::job_failed) { ++state.job_failures; }
    const Attempt* const next = state.current();
    const bool moves = next != nullptr && next->migration && !next->running_at;
    if (moves) { state.migrate.reset(); }  // done: the target is the gang now
  }

  void operator()(const MigrateGivenUpRecord& /*record*/) { state.migrate.reset(); }
};

}  // namespace

Token attempt_token(const WorkloadId& workload, int attempt) {
  return {workload.value + "-a" + std::to_string(attempt)};
}

void apply(WorkloadState& state, const Record& record, std::int64_t seq) {
  if (state.id.value.empty()) { state.id = record.workload; }
  std::visit(Fold{state, record.at, seq}, record.body);
  state.seq = seq;
}

}  // namespace gpubroker
