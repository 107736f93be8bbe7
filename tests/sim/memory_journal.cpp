#include "tests/sim/memory_journal.hpp"

#include <algorithm>

namespace gpubroker::sim {

Result<std::int64_t> MemoryJournal::append(const JournalBatch& given, const std::optional<Lease>& lease) {
  if (on_append) {
    if (Status before = on_append(/*after=*/false); !before.ok()) { return before.error(); }
  }
  if (lease && (!lease_ || lease_->fence != lease->fence || lease_->holder != lease->holder)) {
    return Error{.kind = ErrorKind::conflict, .message = "the lease is lost", .code = "lease"};
  }
  if (given.provided) {
    const Unchanged& since = *given.provided;
    const auto own = of_workload_.find(since.workload);
    const std::int64_t newest = since.workload.value.empty() ? last_
                                : own == of_workload_.end()  ? 0
                                                             : rows_[own->second.back()].seq;
    if (newest > since.seq) {
      return Error{.kind = ErrorKind::conflict, .message = "written since", .code = "moved"};
    }
  }
  for (const WorkloadRow& row : given.workloads) {
    for (const auto& [id, other] : workloads_) {
      if (!row.key.empty() && other.key == row.key && id != row.id) {
        return Error{.kind = ErrorKind::conflict, .message = "the key is taken", .code = "key"};
      }
    }
  }
  JournalBatch batch = given;
  const std::int64_t end = last_ + static_cast<std::int64_t>(given.rows.size());
  for (JournalRow& row : batch.rows) { row.seq = ++last_; }
  if (tamper) { tamper(batch); }
  for (JournalRow& row : batch.rows) {
    of_workload_[row.workload].push_back(rows_.size());
    rows_.push_back(std::move(row));
  }
  last_ = end;
  for (const WorkloadRow& row : batch.workloads) { workloads_[row.id] = row; }
  for (const ChargeRow& charge : batch.charges) {
    const bool known = std::any_of(charges_.begin(), charges_.end(), [&](const ChargeRow& c) {
      return c.node == charge.node && c.from == charge.from;
    });
    if (!known) { charges_.push_back(charge); }
  }
  if (on_append) { (void)on_append(/*after=*/true); }
  return last_;
}

Result<std::vector<JournalRow>> MemoryJournal::read(const WorkloadId& workload, std::int64_t after,
                                                    std::size_t limit) {
  std::vector<JournalRow> found;
  if (workload.value.empty()) {
    const auto from = std::upper_bound(rows_.begin(), rows_.end(), after,
                                       [](std::int64_t seq, const JournalRow& row) { return seq < row.seq; });
    const auto left = static_cast<std::size_t>(rows_.end() - from);
    found.assign(from, from + static_cast<std::ptrdiff_t>(std::min(left, limit)));
    return found;
  }
  const std::vector<std::size_t>& own = of_workload_[workload];
  found.reserve(std::min(own.size(), limit));
  for (const std::size_t at : own) {
    if (rows_[at].seq > after && found.size() < limit) { found.push_back(rows_[at]); }
  }
  return found;
}

Result<std::vector<WorkloadRow>> MemoryJournal::workloads(bool only_live) {
  std::vector<WorkloadRow> all;
  for (const auto& [id, row] : workloads_) {
    if (row.live || !only_live) { all.push_back(row); }
  }
  return all;
}

Result<std::optional<WorkloadRow>> MemoryJournal::find_workload(const std::string& name) {
  const auto at = workloads_.find({name});
  if (at != workloads_.end()) { return std::optional(at->second); }
  for (const auto& [id, row] : workloads_) {
    if (row.key == name || row.name == name) { return std::optional(row); }
  }
  return std::optional<WorkloadRow>{};
}

Status MemoryJournal::replace_projections(const std::vector<WorkloadRow>& workloads,
                                          const std::vector<ChargeRow>& charges) {
  workloads_.clear();
  for (const WorkloadRow& row : workloads) { workloads_[row.id] = row; }
  charges_ = charges;
  return Ok{};
}

Result<Lease> MemoryJournal::take_lease(const std::string& holder, Instant now, Millis length) {
  const bool ours = lease_ && lease_->holder == holder;
  if (lease_ && !ours && lease_->until > now) {
    return Error{
        .kind = ErrorKind::conflict, .message = "supervisor " + lease_->holder + " works", .code = "lease"};
  }
  const std::int64_t fence = lease_ ? lease_->fence + (ours ? 0 : 1) : 1;
  lease_ = Lease{.holder = holder, .fence = fence, .until = now + length};
  return *lease_;
}

Status MemoryJournal::release_lease(const Lease& lease) {
  if (lease_ && lease_->fence == lease.fence) { lease_->until = {}; }
  return Ok{};
}

}  // namespace gpubroker::sim
