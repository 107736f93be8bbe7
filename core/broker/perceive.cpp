#include <algorithm>

#include "core/broker/decide.hpp"

namespace gpubroker {
namespace {

/// So long after its booking a machine may be missing from its cloud's list without having gone: lists lag.
/// One that was taken for gone too early would run on and be nobody's.
constexpr Millis kLateSight = std::chrono::seconds{20};

const MachineList* find_listing(const World& world, const std::string& provider) {
  const auto at = world.listings.find(provider);
  return at == world.listings.end() || !at->second.known ? nullptr : &at->second;
}

/// The view with the dates that its cloud does not tell: billed from when it was first seen running, until it
/// was first seen ended.
NodeView dated(NodeView view, const NodeView* known, Instant seen_at) {
  if (view.created_at == Instant{}) { view.created_at = known != nullptr ? known->created_at : seen_at; }
  // Once billed is billed, also where a machine on its way out looks like one on its way in (Azure, whose
  // group is being deleted).
  if (!view.billed_from && known != nullptr) { view.billed_from = known->billed_from; }
  if (!view.billed_from && view.state == NodeState::running) { view.billed_from = seen_at; }
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
      const auto known = attempt.nodes.find(view.index);
      if (known == attempt.nodes.end()) {
        seen.emplace_back(
            NodeSeenRecord{.attempt = attempt.number, .view = dated(view, nullptr, listing.at)});
        continue;
      }
      const NodeRecord& node = known->second;
      if (node.view.id != id) {
        continue;
      }  // one token, one gang: a second machine in its place is gc's affair
      // A list asked for before we last heard of the machine may be older than what we know.
      const bool stale = listing.started_seq < node.seen_seq;
      if (stale || node.view.state == NodeState::ended) { continue; }
      NodeView shown = dated(view, &node.view, listing.at);
      // Once ended, a machine keeps the address that it had.
      if (shown.state == NodeState::ended) { shown.address = node.view.address; }
      if (node.view != shown) {
        seen.emplace_back(NodeSeenRecord{.attempt = attempt.number, .view = std::move(shown)});
      }
    }
  }
  for (const auto& [rank, node] : attempt.nodes) {
    if (node.view.state == NodeState::ended || listing.started_seq < node.seen_seq) { continue; }
    if (of_token != listing.nodes.end() && of_token->second.count(node.view.id) != 0) { continue; }
    const bool may_be_late = node.view.state == NodeState::starting && !node.view.billed_from &&
                             listing.at < std::max(node.view.created_at, attempt.opened_at) + kLateSight;
    if (may_be_late) { continue; }
    NodeView gone = node.view;
    gone.state = NodeState::ended;
    gone.ended_at = listing.at;
    gone.end_reason = "no longer listed";
    seen.emplace_back(NodeSeenRecord{.attempt = attempt.number, .view = gone});
  }
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
