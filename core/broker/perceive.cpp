#include <algorithm>

#include "core/broker/decide.hpp"

namespace gpubroker {
namespace {

/// A new machine may be missing in lists for so long: EC2's and Compute Engine's are eventually consistent,
/// and EC2's clients are told to have patience for about two minutes.
constexpr Millis kLateSight = std::chrono::minutes{2};
/// The same for one that nobody wants any more: `down` waits for it, and if it shows up after all it is
/// ended.
constexpr Millis kLateEnd = std::chrono::seconds{20};

const MachineList* find_listing(const World& world, const std::string& provider) {
  const auto at = world.listings.find(provider);
  return at == world.listings.end() || !at->second.known ? nullptr : &at->second;
}

/// The view with the dates that its cloud does not tell: billed from when it was first seen running, until it
/// was first seen ended.
NodeView dated(NodeView view, const NodeRecord* record, Instant seen_at) {
  const NodeView* const known = record != nullptr ? &record->view : nullptr;
  if (view.created_at == Instant{}) { view.created_at = known != nullptr ? known->created_at : seen_at; }
  // Once billed is billed, also where a machine on its way out looks like one on its way in (Azure, whose
  // group is being deleted).
  if (!view.billed_from && known != nullptr) { view.billed_from = known->billed_from; }
  if (!view.billed_from && view.state == NodeState::running) { view.billed_from = seen_at; }
  if (record != nullptr && record->charged_until && view.billed_from) {
    view.billed_from = std::max(*view.billed_from, *record->charged_until);
  }
  if (view.state == NodeState::ended && !view.ended_at) { view.ended_at = seen_at; }
  // Of a machine that is gone its cloud may know no more than the name.
  if (view.state == NodeState::ended && view.offer.instance_type.empty() && known != nullptr) {
    view.offer = known->offer;
    view.tags = known->tags;
  }
  return view;
}

/// Machines that the list shows new or changed, and those that it no longer shows.
void perceive_nodes(const Attempt& attempt, const MachineList& listing, std::vector<RecordBody>& seen) {
  const auto of_token = listing.nodes.find(attempt.token);
  if (of_token != listing.nodes.end()) {
    for (const auto& [id, view] : of_token->second) {
      // A second machine in a place that is taken is new like any other: the fold puts it aside as surplus.
      const NodeRecord* const known = find_node(attempt, view);
      if (known == nullptr) {
        seen.emplace_back(
            NodeSeenRecord{.attempt = attempt.number, .view = dated(view, nullptr, listing.at)});
        continue;
      }
      // A list asked for before we last heard of the machine may be older than what we know.
      const bool stale = listing.started_seq < known->seen_seq;
      const bool is_back = view.state != NodeState::ended && known->view.end_reason == kNoLongerListed;
      if (stale || (known->view.state == NodeState::ended && !is_back)) { continue; }
      NodeView shown = dated(view, known, listing.at);
      // Once ended, a machine keeps the address that it had.
      if (shown.state == NodeState::ended) { shown.address = known->view.address; }
      if (known->view != shown) {
        seen.emplace_back(NodeSeenRecord{.attempt = attempt.number, .view = std::move(shown)});
      }
    }
  }
  const auto look_for = [&](const NodeRecord& node) {
    if (node.view.state == NodeState::ended || listing.started_seq < node.seen_seq) { return; }
    if (of_token != listing.nodes.end() && of_token->second.count(node.view.id) != 0) { return; }
    const Instant made_at = std::max(attempt.opened_at, node.view.created_at);
    const Millis patience = attempt.is_over() ? kLateEnd : kLateSight;
    if (node.view.state == NodeState::starting && listing.at < made_at + patience) { return; }
    NodeView gone = node.view;
    gone.state = NodeState::ended;
    gone.ended_at = listing.at;
    gone.end_reason = kNoLongerListed;
    seen.emplace_back(NodeSeenRecord{.attempt = attempt.number, .view = gone});
  };
  for (const auto& [rank, node] : attempt.nodes) { look_for(node); }
  for (const NodeRecord& node : attempt.surplus) { look_for(node); }
}

/// Whether a report says more than that time has passed and steps were made.
bool is_news(const AgentReport& before, AgentReport after) {
  after.heartbeat_at = before.heartbeat_at;
  after.step = before.step;
  after.step_at = before.step_at;
  after.steps_seen = before.steps_seen;
  after.longest_gap = before.longest_gap;
  after.since_progress = before.since_progress;
  after.output = before.output;
  return after != before;
}

void perceive_agents(const Attempt& attempt, const World& world, const Limits& limits,
                     std::vector<RecordBody>& seen) {
  // When a machine is gone the last steps are written down at once: they are what was lost.
  const bool closing = std::any_of(attempt.nodes.begin(), attempt.nodes.end(),
                                   [](const auto& e) { return e.second.view.state == NodeState::ended; });
  for (const auto& [rank, node] : attempt.nodes) {
    const auto sight = world.agents.find(node.view.id);
    if (!node.agent_started || sight == world.agents.end()) { continue; }
    const AgentReport& report = sight->second.report;
    if (report.version.empty() || report.attempt != attempt.number || report.rank != rank) { continue; }
    const Millis since = report.heartbeat_at - node.agent.heartbeat_at;
    // Below zero: the node's clock was set back.
    const bool steps_due =
        report.step != node.agent.step && (closing || since >= limits.progress_every || since < Millis{0});
    if (steps_due || is_news(node.agent, report)) {
      seen.emplace_back(AgentSeenRecord{.attempt = attempt.number, .rank = rank, .report = report});
    }
  }
}

}  // namespace

std::vector<RecordBody> perceive(const WorkloadState& state, const World& world, const Limits& limits,
                                 Instant /*now*/) {
  std::vector<RecordBody> seen;
  for (const Attempt& attempt : state.attempts) {
    // Also of attempts that are long over: a machine whose booking was answered too late appears there.
    if (const MachineList* const listing = find_listing(world, attempt.offer.key.provider)) {
      perceive_nodes(attempt, *listing, seen);
    }
    if (!attempt.is_over()) { perceive_agents(attempt, world, limits, seen); }
  }
  return seen;
}

}  // namespace gpubroker
