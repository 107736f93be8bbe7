#include "tests/sim/judge.hpp"

#include <algorithm>
#include <functional>

#include "core/broker/broker.hpp"

namespace gpubroker::sim {
namespace {

using std::chrono::minutes;

/// What a list shows is known after the third one at the latest: one may have been asked for before, one may
/// be older than what is known.
constexpr int kLooks = 3;

/// The moment of the `count`-th look at or after `since`; the end of time if there are fewer.
Instant nth_look(const Sight& sight, const std::string& cloud, Instant since, int count, Instant end) {
  const auto looks = sight.looks.find(cloud);
  if (looks == sight.looks.end()) { return end; }
  auto at = std::lower_bound(looks->second.begin(), looks->second.end(), since);
  for (int i = 1; i < count && at != looks->second.end(); ++i) { ++at; }
  return at == looks->second.end() ? end : *at;
}

/// Whether the cloud's own times of this machine were there to be read.
bool has_told_times(const Machine& machine, const Sight& sight, Instant end) {
  const CloudRules& rules = *machine.rules;
  if (!rules.tells_times) { return false; }
  if (machine.view.end_reason == "preempted" && !rules.tells_when_taken) { return false; }
  if (rules.ended_listed > Millis{0} || machine.lies_there) { return true; }
  // Told only until its deletion is done.
  const Instant ended = *machine.view.ended_at;
  return nth_look(sight, rules.name, ended, kLooks, end) < ended + rules.deletion;
}

}  // namespace

/// The state of every workload, folded here from the journal as any other reader would.
void Judge::follow() {
  const Result<std::vector<JournalRow>> rows = journal_.read({}, followed_, 100'000);
  for (const JournalRow& row : rows.value()) {
    const Result<Record> record = decode_record(row);
    if (!record.ok()) {
      result_.broken = "a journal row cannot be read: " + record.error().message;
      return;
    }
    WorkloadState& state = truth_[row.workload];
    const Phase before = state.phase;
    apply(state, record.value(), row.seq);
    if (const auto* const phase = std::get_if<PhaseRecord>(&record.value().body)) {
      if (!may_step(before, phase->to)) {
        result_.broken = state.id.value + " steps from " + std::string(to_string(before)) + " to " +
                         std::string(to_string(phase->to));
      }
      world_.say(state.id.value + ": " + std::string(to_string(before)) + " -> " +
                 std::string(to_string(phase->to)) + ": " + phase->reason);
    }
    const auto* const seen = std::get_if<NodeSeenRecord>(&record.value().body);
    if (seen != nullptr && seen->view.end_reason == kNoLongerListed) { counted_gone_.insert(seen->view.id); }
    followed_ = row.seq;
    result_.digest = (result_.digest ^ std::hash<std::string_view>{}(row.body)) * 1099511628211ULL;
  }
}

void Judge::check(std::optional<Instant> calm_since) {
  follow();
  if (result_.broken.empty()) { result_.broken = world_.broken; }
  for (const Machine* const machine : world_.alive()) { check_machine(*machine, calm_since); }
}

void Judge::check_machine(const Machine& machine, std::optional<Instant> calm_since) {
  const auto at = truth_.find(machine.view.tags.workload);
  if (at == truth_.end()) {
    result_.broken = "a machine of a workload nobody knows: " + machine.view.id.value;
    return;
  }
  const WorkloadState& state = at->second;
  int open = 0;
  const Attempt* own = nullptr;
  for (const Attempt& attempt : state.attempts) {
    open += attempt.is_over() ? 0 : 1;
    if (attempt.token == machine.view.token) { own = &attempt; }
  }
  if (own == nullptr) {
    result_.broken =
        "a machine without an intent: " + machine.view.id.value + " of " + machine.view.token.value;
  } else if (open > 2 || (open == 2 && state.phase != Phase::migrating && state.phase != Phase::stopping &&
                          state.phase != Phase::recovering && state.phase != Phase::starting)) {
    result_.broken = state.id.value + " has " + std::to_string(open) + " gangs while " +
                     std::string(to_string(state.phase));
  }
  // Within one loop, when there is a loop: in the calm nothing of an attempt that is over lives for long.
  if (own != nullptr && calm_since && own->over_at && world_.now - *own->over_at > minutes{10} &&
      world_.now > world_.began + minutes{25}) {
    result_.broken = "a machine outlives its attempt: " + machine.view.id.value;
  }
  if (machine.rules != nullptr) { check_place(machine, calm_since); }
}

/// In the calm nobody keeps two machines for one place of a gang. What was put off by a clock that went ahead
/// waits until the right one is there.
void Judge::check_place(const Machine& machine, std::optional<Instant> calm_since) {
  const Millis soon = minutes{4} + sight_.largest_skew;
  if (!calm_since || world_.now - *calm_since < soon) { return; }
  for (const Machine& other : world_.gangs.at(machine.view.token).machines) {
    const bool is_twin = is_alive(other) && other.view.index == machine.view.index && &other != &machine;
    const Instant younger = std::max(other.view.created_at, machine.view.created_at);
    if (is_twin && world_.now - younger > soon) {
      result_.broken = "two machines for one place: " + machine.view.id.value + " and " + other.view.id.value;
    }
  }
}

bool Judge::all_over() const {
  return std::all_of(truth_.begin(), truth_.end(), [](const auto& entry) {
    return is_final(entry.second.phase) && !entry.second.is_live();
  });
}

std::string Judge::unfinished() const {
  std::string names;
  for (const auto& [id, state] : truth_) {
    if (!is_final(state.phase) || state.is_live()) {
      names += " " + id.value + " (" + std::string(to_string(state.phase)) + ")";
    }
  }
  return names;
}

void Judge::check_outcome(const WorkloadState& state) {
  const bool done = std::any_of(world_.gangs.begin(), world_.gangs.end(), [&](const auto& entry) {
    return entry.second.done && entry.second.machines.front().view.tags.workload == state.id;
  });
  if (state.phase == Phase::succeeded && !done) {
    result_.broken = state.id.value + " succeeded, but its job is not done";
  }
  if (state.phase == Phase::failed) { result_.broken = state.id.value + " failed: " + state.reason; }
  result_.succeeded += state.phase == Phase::succeeded ? 1 : 0;
}

void Judge::check_end(bool with_projections) {
  for (const Machine* const machine : world_.alive()) {
    result_.broken = "a leaked machine: " + machine->view.id.value + " of " + machine->view.token.value;
  }
  check_ledger();
  for (const auto& [id, state] : truth_) {
    check_outcome(state);
    for (const Attempt& attempt : state.attempts) {
      result_.surplus += static_cast<int>(attempt.surplus.size());
    }
  }
  const std::vector<WorkloadRow> before = journal_.workloads(false).value();
  if (with_projections &&
      (!rebuild_projections(journal_).ok() || journal_.workloads(false).value() != before)) {
    result_.broken = "the rebuilt projections are not the written ones";
  }
}

Money Judge::tolerance(const BillLine& line) const {
  if (line.machine->rules == nullptr) { return {}; }
  // Where a clock jumped while the machine was in no list yet it counted as gone, and was dated by that.
  const bool was_hidden = line.machine->visible_at > line.machine->view.created_at;
  const bool was_missed = was_hidden && counted_gone_.count(line.node) != 0;
  if (!was_missed && has_told_times(*line.machine, sight_, world_.now)) { return {}; }
  // Clocks that jump and lists that were asked for earlier add to it.
  const CloudRules& rules = *line.machine->rules;
  const NodeView& view = line.machine->view;
  const Instant from = std::max(*view.billed_from, line.machine->visible_at);
  Millis off = rules.billing.unit + 2 * sight_.longest_delay + 2 * sight_.largest_skew;
  off += nth_look(sight_, rules.name, from, kLooks, world_.now) - *view.billed_from;
  off += nth_look(sight_, rules.name, *view.ended_at, kLooks, world_.now) - *view.ended_at;
  std::int64_t dearest = 0;
  for (const PricePoint& point : line.machine->prices) {
    dearest = std::max(dearest, point.price.micros_per_hour);
  }
  return cost({dearest}, off).value();
}

void Judge::check_ledger() {
  std::map<NodeId, Money> ledger;
  const std::vector<ChargeRow> charges = journal_.charges().value();
  for (const ChargeRow& charge : charges) { ledger[charge.node].micros += charge.amount.micros; }
  for (const BillLine& line : world_.bill()) {
    const Money ours = ledger[line.node];
    ledger.erase(line.node);
    const std::int64_t off = std::abs(ours.micros - line.amount.micros);
    const Money allowed = tolerance(line);
    ++result_.billed;
    result_.by_sight += allowed.micros > 0 ? 1 : 0;
    if (off > allowed.micros) {
      result_.broken = line.node.value + ": the ledger says " + format_money(ours) + ", the bill " +
                       format_money(line.amount) + ", and may be off by " + format_money(allowed);
    }
  }
  if (!ledger.empty()) {
    result_.broken = "the ledger charges a machine that is not on the bill: " + ledger.begin()->first.value;
  }
}

}  // namespace gpubroker::sim
