#include "core/store/sqlite_journal.hpp"

#include <cerrno>
#include <mutex>
#include <sys/stat.h>

#include "core/store/migrations.hpp"
#include "core/store/open.hpp"
#include "core/store/sqlite.hpp"

namespace gpubroker {
namespace {

constexpr Instant kReleased{0};  // the `until` of a lease that was given back

constexpr const char* kWorkloadColumns =
    "id, name, key, owner, phase, live, created_at_ms, changed_at_ms, attempts, nodes, place, step, "
    "settled_micros, detail";

WorkloadRow read_workload(const Statement& row) {
  return {.id = {row.text(0)},
          .name = row.text(1),
          .key = row.text(2),
          .owner = row.text(3),
          .phase = row.text(4),
          .live = row.integer(5) != 0,
          .created_at = {row.integer(6)},
          .changed_at = {row.integer(7)},
          .attempts = static_cast<int>(row.integer(8)),
          .nodes = static_cast<int>(row.integer(9)),
          .place = row.text(10),
          .step = row.integer(11),
          .settled = {row.integer(12)},
          .detail = row.text(13)};
}

/// Zero when there is no such file.
ino_t inode_of(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

class SqliteJournal final : public Journal {
 public:
  SqliteJournal(DatabaseHandle database, std::string path)
      : database_(std::move(database)),
        path_(std::move(path)),
        inode_(inode_of(path_)),
        statements_(database_.get(), path_) {}

  Result<std::int64_t> append(const JournalBatch& batch, const std::optional<Lease>& lease) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(Transaction transaction, Transaction::begin(database_.get(), path_));
    if (lease) { TRY([[maybe_unused]] const Ok held, check_lease(*lease)); }
    if (batch.provided) { TRY([[maybe_unused]] const Ok same, check_unchanged(*batch.provided)); }
    TRY([[maybe_unused]] const Ok rows, insert_rows(batch.rows));
    TRY([[maybe_unused]] const Ok workloads, put_workloads(batch.workloads));
    TRY([[maybe_unused]] const Ok charges, insert_charges(batch.charges));
    TRY(const std::int64_t last, query_last_seq());
    TRY([[maybe_unused]] const Ok committed, transaction.commit());
    return last;
  }

  Result<std::vector<JournalRow>> read(const WorkloadId& workload, std::int64_t after,
                                       std::size_t limit) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    const bool all = workload.value.empty();
    TRY(const StatementLoan query,
        statements_.take(all ? "SELECT seq, at_ms, workload, kind, token, body FROM journal WHERE "
                               "seq > ? ORDER BY seq LIMIT ?"
                             : "SELECT seq, at_ms, workload, kind, token, body FROM journal WHERE "
                               "workload = ? AND seq > ? "
                               "ORDER BY seq LIMIT ?"));
    if (!all) { query->bind(workload.value); }
    query->bind(after).bind(static_cast<std::int64_t>(limit));
    std::vector<JournalRow> rows;
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return rows; }
      rows.push_back({.seq = query->integer(0),
                      .at = {query->integer(1)},
                      .workload = {query->text(2)},
                      .kind = query->text(3),
                      .token = query->text(4),
                      .body = query->text(5)});
    }
  }

  Result<std::int64_t> last_seq() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    return query_last_seq();
  }

  Result<std::vector<WorkloadRow>> workloads(bool only_live) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(const StatementLoan query,
        statements_.take("SELECT " + std::string(kWorkloadColumns) + " FROM workload " +
                         (only_live ? "WHERE live = 1 " : "") + "ORDER BY created_at_ms DESC, id"));
    std::vector<WorkloadRow> rows;
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return rows; }
      rows.push_back(read_workload(*query));
    }
  }

  Result<std::optional<WorkloadRow>> find_workload(const std::string& name) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    // The id first, then the key, then the newest of that name.
    for (const char* const where :
         {"id = ?", "key = ? AND key <> ''", "name = ? ORDER BY created_at_ms DESC, id LIMIT 1"}) {
      TRY(const StatementLoan query,
          statements_.take("SELECT " + std::string(kWorkloadColumns) + " FROM workload WHERE " + where));
      query->bind(name);
      TRY(const bool found, query->step());
      if (found) { return std::optional(read_workload(*query)); }
    }
    return std::optional<WorkloadRow>{};
  }

  Result<std::vector<ChargeRow>> charges() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(const StatementLoan query,
        statements_.take(
            "SELECT workload, attempt, node, provider, region, instance_type, market, owner, from_ms, "
            "to_ms, rate_micros_per_hour, amount_micros FROM charge ORDER BY from_ms, node"));
    std::vector<ChargeRow> rows;
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return rows; }
      rows.push_back({.workload = {query->text(0)},
                      .attempt = static_cast<int>(query->integer(1)),
                      .node = {query->text(2)},
                      .provider = query->text(3),
                      .region = query->text(4),
                      .instance_type = query->text(5),
                      .market = query->text(6),
                      .owner = query->text(7),
                      .from = {query->integer(8)},
                      .to = {query->integer(9)},
                      .rate = {query->integer(10)},
                      .amount = {query->integer(11)}});
    }
  }

  Status replace_projections(const std::vector<WorkloadRow>& workloads,
                             const std::vector<ChargeRow>& charges) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(Transaction transaction, Transaction::begin(database_.get(), path_));
    TRY([[maybe_unused]] const Ok cleared,
        execute(database_.get(), "DELETE FROM workload; DELETE FROM charge", path_));
    TRY([[maybe_unused]] const Ok put, put_workloads(workloads));
    TRY([[maybe_unused]] const Ok inserted, insert_charges(charges));
    return transaction.commit();
  }

  Result<Lease> take_lease(const std::string& holder, Instant now, Millis length) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY([[maybe_unused]] const Ok there, check_file());
    TRY(Transaction transaction, Transaction::begin(database_.get(), path_));
    TRY(const std::optional<Lease> old, query_lease());
    const bool ours = old && old->holder == holder;
    if (old && !ours && old->until > now) {
      return Error{
          .kind = ErrorKind::conflict,
          .message = "supervisor " + old->holder + " works on " + path_ + " until " + format_utc(old->until),
          .hint = "it takes care of all workloads; `gpubroker status` shows them",
          .source = path_,
          .code = "lease"};
    }
    const Lease lease{
        .holder = holder, .fence = old ? old->fence + (ours ? 0 : 1) : 1, .until = now + length};
    TRY(const StatementLoan put,
        statements_.take("INSERT OR REPLACE INTO lease (one, holder, fence, until_ms) VALUES (1, ?, ?, ?)"));
    TRY([[maybe_unused]] const Ok done,
        put->bind(lease.holder).bind(lease.fence).bind(lease.until.ms).finish());
    TRY([[maybe_unused]] const Ok committed, transaction.commit());
    return lease;
  }

  Status release_lease(const Lease& lease) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    TRY(const StatementLoan put,
        statements_.take("UPDATE lease SET until_ms = ? WHERE holder = ? AND fence = ?"));
    return put->bind(kReleased.ms).bind(lease.holder).bind(lease.fence).finish();
  }

  Result<std::optional<Lease>> current_lease() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    return query_lease();
  }

 private:
  Result<std::int64_t> query_last_seq() {
    TRY(const StatementLoan query, statements_.take("SELECT coalesce(max(seq), 0) FROM journal"));
    TRY([[maybe_unused]] const bool row, query->step());
    return query->integer(0);
  }

  Result<std::optional<Lease>> query_lease() {
    TRY(const StatementLoan query, statements_.take("SELECT holder, fence, until_ms FROM lease"));
    TRY(const bool row, query->step());
    if (!row) { return std::optional<Lease>{}; }
    return std::optional(
        Lease{.holder = query->text(0), .fence = query->integer(1), .until = {query->integer(2)}});
  }

  /// A supervisor whose journal was removed or replaced under it would act on what nobody will ever read.
  [[nodiscard]] Status check_file() const {
    if (inode_of(path_) == inode_) { return Ok{}; }
    return Error{
        .kind = ErrorKind::internal,
        .message = path_ + " was removed or replaced while it was in use",
        .hint = "`gpubroker status --discover` shows machines that are still there, `gpubroker gc` ends them",
        .source = path_,
        .code = "removed"};
  }

  /// The fence, inside the writer's transaction: one who lost the lease while it slept writes nothing.
  Status check_lease(const Lease& lease) {
    TRY(const std::optional<Lease> held, query_lease());
    const bool ours = held && held->holder == lease.holder && held->fence == lease.fence;
    if (ours && held->until != kReleased) { return Ok{}; }
    return Error{.kind = ErrorKind::conflict,
                 .message = held && !ours ? "the lease is lost to supervisor " + held->holder
                                          : "the lease is not held",
                 .hint = "another supervisor works on this journal, or may",
                 .source = path_,
                 .code = "lease"};
  }

  Status check_unchanged(const Unchanged& since) {
    const bool all = since.workload.value.empty();
    TRY(const StatementLoan query,
        statements_.take(all ? "SELECT coalesce(max(seq), 0) FROM journal"
                             : "SELECT coalesce(max(seq), 0) FROM journal WHERE workload = ?"));
    if (!all) { query->bind(since.workload.value); }
    TRY([[maybe_unused]] const bool row, query->step());
    if (query->integer(0) <= since.seq) { return Ok{}; }
    return Error{.kind = ErrorKind::conflict,
                 .message = "somebody else has written into the journal since it was read",
                 .hint = "try again",
                 .source = path_,
                 .code = "moved"};
  }

  Status insert_rows(const std::vector<JournalRow>& rows) {
    TRY(const StatementLoan insert,
        statements_.take("INSERT INTO journal (at_ms, workload, kind, token, body) VALUES (?, ?, ?, ?, ?)"));
    for (const JournalRow& row : rows) {
      insert->bind(row.at.ms).bind(row.workload.value).bind(row.kind).bind(row.token).bind(row.body);
      TRY([[maybe_unused]] const Ok done, insert->finish());
      insert->reset();
    }
    return Ok{};
  }

  Status put_workloads(const std::vector<WorkloadRow>& rows) {
    if (rows.empty()) { return Ok{}; }
    // Not INSERT OR REPLACE: that would throw out the other workload that has the key.
    TRY(const StatementLoan put,
        statements_.take(
            "INSERT INTO workload (" + std::string(kWorkloadColumns) +
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "name = excluded.name, key = excluded.key, owner = excluded.owner, phase = excluded.phase, "
            "live = excluded.live, created_at_ms = excluded.created_at_ms, "
            "changed_at_ms = excluded.changed_at_ms, attempts = excluded.attempts, "
            "nodes = excluded.nodes, place = excluded.place, step = excluded.step, "
            "settled_micros = excluded.settled_micros, detail = excluded.detail"));
    for (const WorkloadRow& row : rows) {
      put->bind(row.id.value).bind(row.name).bind(row.key).bind(row.owner).bind(row.phase);
      put->bind(std::int64_t{row.live ? 1 : 0}).bind(row.created_at.ms).bind(row.changed_at.ms);
      put->bind(std::int64_t{row.attempts}).bind(std::int64_t{row.nodes}).bind(row.place).bind(row.step);
      put->bind(row.settled.micros).bind(row.detail);
      if (Status done = put->finish(); !done.ok()) {
        const bool taken = sqlite3_extended_errcode(database_.get()) == SQLITE_CONSTRAINT_UNIQUE;
        return taken ? key_taken(row.key) : std::move(done).error();
      }
      put->reset();
    }
    return Ok{};
  }

  Error key_taken(const std::string& key) {
    Error error{.kind = ErrorKind::conflict,
                .message = "the key " + key + " belongs to another workload",
                .hint = "launch with another --key",
                .source = path_,
                .code = "key"};
    Result<StatementLoan> query = statements_.take("SELECT id FROM workload WHERE key = ?");
    if (!query.ok()) { return error; }
    const Result<bool> row = query.value()->bind(key).step();
    if (row.ok() && row.value()) {
      const std::string owner = query.value()->text(0);
      error.message = "the key " + key + " belongs to workload " + owner;
      error.hint = "`gpubroker status " + owner + "` shows it; another workload wants another --key";
    }
    return error;
  }

  Status insert_charges(const std::vector<ChargeRow>& rows) {
    if (rows.empty()) { return Ok{}; }
    TRY(const StatementLoan insert,
        statements_.take(
            "INSERT INTO charge (workload, attempt, node, provider, region, instance_type, "
            "market, owner, from_ms, to_ms, rate_micros_per_hour, amount_micros) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (node, from_ms) DO NOTHING"));
    for (const ChargeRow& row : rows) {
      insert->bind(row.workload.value)
          .bind(std::int64_t{row.attempt})
          .bind(row.node.value)
          .bind(row.provider);
      insert->bind(row.region).bind(row.instance_type).bind(row.market).bind(row.owner).bind(row.from.ms);
      insert->bind(row.to.ms).bind(row.rate.micros_per_hour).bind(row.amount.micros);
      TRY([[maybe_unused]] const Ok done, insert->finish());
      insert->reset();
    }
    return Ok{};
  }

  std::mutex mutex_;  // one connection, several threads
  DatabaseHandle database_;
  std::string path_;
  ino_t inode_;
  Statements statements_;  // after the connection: they end before it
};

}  // namespace

Result<std::unique_ptr<Journal>> open_journal(const std::string& path, OpenMode mode, Millis patience) {
  TRY(DatabaseHandle database,
      open_database(path, mode, patience,
                    {.name = "journal",
                     .schema = &migrations(),
                     .made_by = "`gpubroker launch` makes it",
                     .updated_by = "`gpubroker supervise --until-idle` brings it up to date",
                     .is_synced = true}));
  return std::unique_ptr<Journal>(std::make_unique<SqliteJournal>(std::move(database), path));
}

}  // namespace gpubroker
