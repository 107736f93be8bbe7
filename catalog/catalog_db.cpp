#include "catalog/catalog_db.hpp"

#include "catalog/gpu_models.hpp"
#include "catalog/schema.hpp"

namespace gpubroker {
namespace {

Result<std::vector<Remark>> read_remarks(CatalogDb& db, std::int64_t source) {
  TRY(const StatementLoan query,
      db.take("SELECT what, detail, count FROM remark WHERE source_id = ? ORDER BY what"));
  query->bind(source);
  std::vector<Remark> remarks;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return remarks; }
    remarks.push_back({.what = query->text(0), .detail = query->text(1), .count = query->integer(2)});
  }
}

SourceRow read_source(const Statement& row) {
  SourceRow source{.name = row.text(1),
                   .tried_at = {row.integer(2)},
                   .offers = row.integer(8),
                   .quarantined = row.integer(9)};
  if (!row.is_null(3)) { source.succeeded_at = Instant{row.integer(3)}; }
  if (!row.is_null(4)) {
    source.error = Error{.kind = error_kind_from(row.text(4)).value_or(ErrorKind::internal),
                         .message = row.text(5),
                         .hint = row.text(6),
                         .source = source.name,
                         .code = row.text(7)};
  }
  return source;
}

}  // namespace

Result<std::unique_ptr<CatalogDb>> CatalogDb::open(const std::string& path, OpenMode mode, Millis patience) {
  TRY(DatabaseHandle database, open_database(path, mode, patience, catalog_kind()));
  // The file is not mapped: a disk that fails would end the process instead of giving an error.
  if (mode == OpenMode::read_write) {
    TRY([[maybe_unused]] const Ok tuned,
        execute(database.get(), "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384", path));
  }
  return std::make_unique<CatalogDb>(std::move(database), path);
}

Result<std::vector<SourceRow>> read_sources(CatalogDb& db) {
  TRY(const StatementLoan query, db.take("SELECT id, name, tried_at_ms, succeeded_at_ms, error_kind, "
                                         "error_message, error_hint, error_code, offers, "
                                         "quarantined FROM source ORDER BY name"));
  std::vector<SourceRow> sources;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return sources; }
    sources.push_back(read_source(*query));
    TRY(std::vector<Remark> remarks, read_remarks(db, query->integer(0)));
    sources.back().remarks = std::move(remarks);
  }
}

Result<Validators> read_validators(CatalogDb& db, const std::string& source) {
  TRY(const StatementLoan query,
      db.take("SELECT validator.name, value FROM validator JOIN source ON source.id = source_id "
              "WHERE source.name = ? AND vocabulary = ?"));
  query->bind(source).bind(std::int64_t{kGpuVocabulary});
  Validators validators;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return validators; }
    validators.emplace(query->text(0), query->text(1));
  }
}

Status tidy(CatalogDb& db, Instant keep_since) {
  TRY(Transaction transaction, Transaction::begin(db.handle(), db.path()));
  TRY([[maybe_unused]] const Ok machines,
      execute(db.handle(), "DELETE FROM machine WHERE id NOT IN (SELECT machine_id FROM offer)", db.path()));
  for (const char* table : {"price_change", "availability_change"}) {
    // What was in force at keep_since stays: the newest change before it.
    const std::string of = table;
    TRY(const StatementLoan drop,
        db.take("DELETE FROM " + of + " WHERE at_ms < ?1 AND at_ms < (SELECT max(at_ms) FROM " + of +
                " AS newer WHERE newer.series_id = " + of + ".series_id AND newer.at_ms <= ?1)"));
    TRY([[maybe_unused]] const Ok dropped, drop->bind(keep_since.ms).finish());
  }
  return transaction.commit();
}

}  // namespace gpubroker
