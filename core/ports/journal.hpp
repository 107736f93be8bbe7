#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/money.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// One line of the append-only journal. `kind` and `body` (JSON text) belong to core/broker/record.hpp.
struct JournalRow {
  std::int64_t seq = 0;  // given by the journal, ascending from 1
  Instant at = {};
  WorkloadId workload = {};
  std::string kind = {};
  std::string token = {};  // of the intent or outcome, else empty
  std::string body = {};
  bool operator==(const JournalRow&) const = default;
};

/// What commands read about a workload: a projection of the journal, never the truth itself.
struct WorkloadRow {
  WorkloadId id = {};
  std::string name = {};
  std::string key = {};  // unique among workloads when not empty
  std::string owner = {};
  std::string phase = {};
  bool live = true;  // the supervisor has, or may have, something to do
  Instant created_at = {};
  Instant changed_at = {};
  int attempts = 0;
  int nodes = 0;            // live machines
  std::string place = {};   // "local/us-east/cpu2/spot" of the newest attempt
  std::int64_t step = -1;   // last step seen; -1 for none
  Money settled = {};       // charges that are final
  std::string detail = {};  // JSON of everything else
  bool operator==(const WorkloadRow&) const = default;
};

/// A final charge: a period of one machine at one rate.
struct ChargeRow {
  WorkloadId workload = {};
  int attempt = 0;
  NodeId node = {};
  std::string provider = {};
  std::string region = {};
  std::string instance_type = {};
  std::string market = {};
  std::string owner = {};
  Instant from = {};
  Instant to = {};  // billed end: from + billed length
  Rate rate = {};
  Money amount = {};  // cost(rate, to - from), rounded once
  bool operator==(const ChargeRow&) const = default;
};

/// What a write was thought out from: nobody has written (of this workload, unless its id is empty) behind
/// row `seq`.
struct Unchanged {
  WorkloadId workload = {};
  std::int64_t seq = 0;
};

/// What one append brings along: rows and the projections they change, in one transaction.
struct JournalBatch {
  std::vector<JournalRow> rows = {};        // seq is ignored
  std::vector<WorkloadRow> workloads = {};  // inserted or replaced by id
  std::vector<ChargeRow> charges = {};      // inserted; the same (node, from) again is ignored
  std::optional<Unchanged> provided = {};   // looked at in that transaction
};

/// The right to act. Only one supervisor holds it; a write with a lost lease fails with `conflict`.
struct Lease {
  std::string holder = {};
  std::int64_t fence = 0;  // grows with every new holder
  Instant until = {};
};

/// The journal: intents and outcomes, appended and never changed. Errors: `conflict` (lease lost, key taken,
/// busy for too long: says by whom), `capacity` (disk full), `invalid` (read-only, newer version: says what
/// to do), `internal` (corrupt: says which file and how to rescue it). When append returns ok, the rows
/// survive power loss.
class Journal {
 public:
  virtual ~Journal() = default;
  /// Appends all or nothing and syncs. With `lease` the write is refused unless that lease is still held.
  /// When what the batch was `provided` is not so: `conflict`, code "moved"; read again, decide again.
  /// Returns the last seq. A WorkloadRow whose non-empty key belongs to another workload fails with
  /// `conflict`, code "key".
  virtual Result<std::int64_t> append(const JournalBatch& batch, const std::optional<Lease>& lease) = 0;
  /// Rows with seq > `after` (of one workload, unless its id is empty), in order, at most `limit`.
  virtual Result<std::vector<JournalRow>> read(const WorkloadId& workload, std::int64_t after,
                                               std::size_t limit) = 0;
  /// The last seq; cheap, to notice writes by other processes.
  virtual Result<std::int64_t> last_seq() = 0;

  /// Projections. Newest first; `only_live` leaves out what is over.
  virtual Result<std::vector<WorkloadRow>> workloads(bool only_live) = 0;
  virtual Result<std::optional<WorkloadRow>> find_workload(const std::string& id_or_name_or_key) = 0;
  virtual Result<std::vector<ChargeRow>> charges() = 0;  // by from, node
  /// Replaces all projections by these, in one transaction (after a replay of the journal).
  virtual Status replace_projections(const std::vector<WorkloadRow>& workloads,
                                     const std::vector<ChargeRow>& charges) = 0;

  /// Takes the lease when it is free, expired at `now` or ours; else `conflict` naming the holder. Renewing
  /// keeps the fence.
  virtual Result<Lease> take_lease(const std::string& holder, Instant now, Millis length) = 0;
  virtual Status release_lease(const Lease& lease) = 0;
  /// The lease as it stands, held or not; nothing when nobody ever held it.
  virtual Result<std::optional<Lease>> current_lease() = 0;
};

}  // namespace gpubroker
