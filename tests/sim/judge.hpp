#pragma once
#include <map>
#include <set>
#include <string>

#include "tests/sim/memory_journal.hpp"
#include "tests/sim/sim_world.hpp"
#include "tests/sim/simulate.hpp"

namespace gpubroker::sim {

/// How well the supervisors of a run could see: what a ledger that is dated by sight may be off by.
struct Sight {
  std::map<std::string, std::vector<Instant>> looks = {};  // by cloud: lists that somebody took in
  Millis longest_delay{0};                                 // from asking for a list to its call
  Millis largest_skew{0};                                  // of a supervisor's clock
};

/// Holds the world against the invariants, from outside: it reads the journal as any other reader would.
class Judge {
 public:
  Judge(World& world, MemoryJournal& journal, const Sight& sight, SimResult& result)
      : world_(world), journal_(journal), sight_(sight), result_(result) {}

  /// After each turn. `calm_since`: empty while it storms.
  void check(std::optional<Instant> calm_since);
  /// When everything is over.
  void check_end(bool with_projections);

  [[nodiscard]] bool all_over() const;
  [[nodiscard]] std::string unfinished() const;
  [[nodiscard]] const std::map<WorkloadId, WorkloadState>& truth() const { return truth_; }

 private:
  void follow();
  void check_machine(const Machine& machine, std::optional<Instant> calm_since);
  void check_place(const Machine& machine, std::optional<Instant> calm_since);
  void check_ledger();
  /// What the ledger may be off by for this machine.
  [[nodiscard]] Money tolerance(const BillLine& line) const;
  void check_outcome(const WorkloadState& state);

  World& world_;
  MemoryJournal& journal_;
  const Sight& sight_;
  SimResult& result_;
  std::map<WorkloadId, WorkloadState> truth_ = {};
  std::set<NodeId> counted_gone_ = {};  // at some time, because a list did not show them
  std::int64_t followed_ = 0;
};

}  // namespace gpubroker::sim
