#include "core/broker/state.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 8> kEnds = {"none", "finished", "job_failed", "preempted",
                                                   "lost", "refused",  "superseded", "ended_by_us"};
constexpr std::array<std::string_view, 5> kVerbs = {"stop", "down", "start", "migrate", "checkpoint"};

/// Sums for showing and for budgets: at the edge of int64 a budget is long spent.
Money saturating_add(Money a, Money b) {
  const Result<Money> sum = add(a, b);
  return sum.ok() ? sum.value() : Money{std::numeric_limits<std::int64_t>::max()};
}

}  // namespace

std::string_view to_string(AttemptEnd end) {
  return kEnds.at(static_cast<std::size_t>(end));
}
std::string_view to_string(UserVerb verb) {
  return kVerbs.at(static_cast<std::size_t>(verb));
}

std::optional<UserVerb> user_verb_from(std::string_view name) {
  const auto* const at = std::find(kVerbs.begin(), kVerbs.end(), name);
  if (at == kVerbs.end()) { return std::nullopt; }
  return static_cast<UserVerb>(at - kVerbs.begin());
}

Pending progress_of(const Attempt& attempt, const std::string& action) {
  const auto at = attempt.actions.find(action);
  return at == attempt.actions.end() ? Pending{} : at->second;
}

int count_fruitless(const WorkloadState& state) {
  int fruitless = 0;
  for (const Attempt& attempt : state.attempts) {
    if (!attempt.is_over() || !attempt.ready_at) { continue; }  // a refusal cost nothing
    const bool failed = attempt.end == AttemptEnd::lost || attempt.end == AttemptEnd::job_failed;
    const bool further = attempt.committed_step > attempt.resume_step;
    fruitless = failed && !further ? fruitless + 1 : 0;
  }
  return fruitless;
}

bool needs_release(const Attempt& attempt) {
  if (!attempt.is_over()) { return true; }
  const Pending create = progress_of(attempt, "create");
  if (create.outstanding || create.maybe_applied) { return true; }
  const auto is_open = [](const NodeRecord& node) {
    return node.view.state != NodeState::ended || !node.settled;
  };
  return std::any_of(attempt.surplus.begin(), attempt.surplus.end(), is_open) ||
         std::any_of(attempt.nodes.begin(), attempt.nodes.end(),
                     [&](const auto& entry) { return is_open(entry.second); });
}

const NodeRecord* find_node(const Attempt& attempt, const NodeView& machine) {
  const auto place = attempt.nodes.find(machine.index);
  if (place != attempt.nodes.end() && place->second.view.id == machine.id) { return &place->second; }
  for (const NodeRecord& node : attempt.surplus) {
    if (node.view.id == machine.id) { return &node; }
  }
  return nullptr;
}

bool WorkloadState::is_live() const {
  if (!is_final(phase) && phase != Phase::stopped) { return true; }
  if (phase == Phase::stopped && asked_end != UserVerb::stop) { return true; }  // start or down is asked
  return std::any_of(attempts.begin(), attempts.end(), needs_release);
}

const Attempt* WorkloadState::current() const {
  for (const Attempt& attempt : attempts) {
    if (!attempt.is_over()) { return &attempt; }
  }
  return nullptr;
}

const Attempt* WorkloadState::migration_target() const {
  const Attempt* const source = current();
  for (const Attempt& attempt : attempts) {
    if (!attempt.is_over() && &attempt != source) { return &attempt; }
  }
  return nullptr;
}

Money WorkloadState::settled() const {
  Money sum;
  for (const ChargeRow& charge : charges) { sum = saturating_add(sum, charge.amount); }
  return sum;
}

Money WorkloadState::accrued(Instant now) const {
  Money sum = settled();
  const auto add_open = [&](const Offer& offer, const NodeRecord& node) {
    if (node.settled || !node.view.billed_from) { return; }
    const Instant end = node.view.ended_at.value_or(now);
    const Result<Money> part = cost(offer.price, billed_length(offer.billing, end - *node.view.billed_from));
    sum = saturating_add(sum, part.ok() ? part.value() : Money{std::numeric_limits<std::int64_t>::max()});
  };
  for (const Attempt& attempt : attempts) {
    for (const auto& [rank, node] : attempt.nodes) { add_open(attempt.offer, node); }
    for (const NodeRecord& node : attempt.surplus) { add_open(attempt.offer, node); }
  }
  return sum;
}

}  // namespace gpubroker
