#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/ports/journal.hpp"

namespace gpubroker::sim {

/// The journal's promises kept in memory, with hooks where a test lets things go wrong.
class MemoryJournal final : public Journal {
 public:
  /// Called before (false) and after (true) each append; may throw (a crash) or return an error (a full disk)
  /// before.
  std::function<Status(bool after)> on_append = {};
  /// May change a batch: a planted bug.
  std::function<void(JournalBatch&)> tamper = {};

  Result<std::int64_t> append(const JournalBatch& given, const std::optional<Lease>& lease) override;
  Result<std::vector<JournalRow>> read(const WorkloadId& workload, std::int64_t after,
                                       std::size_t limit) override;
  Result<std::int64_t> last_seq() override { return last_; }
  Result<std::vector<WorkloadRow>> workloads(bool only_live) override;
  Result<std::optional<WorkloadRow>> find_workload(const std::string& name) override;
  Result<std::vector<ChargeRow>> charges() override { return charges_; }
  Status replace_projections(const std::vector<WorkloadRow>& workloads,
                             const std::vector<ChargeRow>& charges) override;
  Result<Lease> take_lease(const std::string& holder, Instant now, Millis length) override;
  Status release_lease(const Lease& lease) override;
  Result<std::optional<Lease>> current_lease() override { return lease_; }

 private:
  std::vector<JournalRow> rows_ = {};
  std::map<WorkloadId, std::vector<std::size_t>> of_workload_ = {};
  std::map<WorkloadId, WorkloadRow> workloads_ = {};
  std::vector<ChargeRow> charges_ = {};
  std::optional<Lease> lease_ = {};
  std::int64_t last_ = 0;
};

}  // namespace gpubroker::sim
