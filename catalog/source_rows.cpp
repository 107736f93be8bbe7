#include "catalog/source_rows.hpp"

#include <tuple>

#include "catalog/gpu_models.hpp"

namespace gpubroker {
namespace {

using IsTold = std::function<Result<bool>(std::int64_t)>;
using SignalKey = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // place, type, market
/// Kind, value, basis, reclaimed (-1: unknown).
using SignalValue = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
using ToldSignals = std::map<SignalKey, SignalValue>;

/// Takes out of `told` what is there already; returns the keys that are no longer told. Counts them on the
/// way.
Result<std::vector<SignalKey>> sort_out_signals(CatalogDb& db, std::int64_t source, ToldSignals& told,
                                                const IsTold& is_told, std::int64_t& count) {
  std::vector<SignalKey> gone;
  count = static_cast<std::int64_t>(told.size());
  TRY(const StatementLoan had, db.take("SELECT signals FROM source WHERE id = ?"));
  TRY([[maybe_unused]] const bool row, had->bind(source).step());
  if (had->integer(0) == 0) { return gone; }
  TRY(const StatementLoan query,
      db.take("SELECT place_id, instance_type_id, market, availability_kind, availability_value, "
              "availability_basis_id, coalesce(reclaimed_percent_most, -1) FROM signal WHERE source_id = ?"));
  query->bind(source);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return gone; }
    const SignalKey key{query->integer(0), query->integer(1), query->integer(2)};
    const auto at = told.find(key);
    const SignalValue value{query->integer(3), query->integer(4), query->integer(5), query->integer(6)};
    TRY(const bool is_told_now, is_told(query->integer(0)));
    if (!is_told_now) {
      ++count;
    } else if (at == told.end()) {
      gone.push_back(key);
    } else if (at->second == value) {
      told.erase(at);
    }
  }
}

Status write_validators(CatalogDb& db, std::int64_t source, const Validators& validators) {
  TRY(const StatementLoan drop, db.take("DELETE FROM validator WHERE source_id = ?"));
  TRY([[maybe_unused]] const Ok dropped, drop->bind(source).finish());
  TRY(const StatementLoan put, db.take("INSERT INTO validator (source_id, name, value) VALUES (?, ?, ?)"));
  for (const auto& [name, value] : validators) {
    TRY([[maybe_unused]] const Ok done, put->bind(source).bind(name).bind(value).finish());
    put->reset();
  }
  return Ok{};
}

Status write_remarks(CatalogDb& db, std::int64_t source, const std::vector<Remark>& remarks) {
  TRY(const StatementLoan drop, db.take("DELETE FROM remark WHERE source_id = ?"));
  TRY([[maybe_unused]] const Ok dropped, drop->bind(source).finish());
  TRY(const StatementLoan put,
      db.take("INSERT OR REPLACE INTO remark (source_id, what, detail, count) VALUES (?, ?, ?, ?)"));
  for (const Remark& one : remarks) {
    TRY([[maybe_unused]] const Ok done,
        put->bind(source).bind(one.what).bind(one.detail).bind(one.count).finish());
    put->reset();
  }
  return Ok{};
}

}  // namespace

Result<std::int64_t> find_or_make_source(CatalogDb& db, const std::string& name) {
  TRY(const StatementLoan query, db.take("SELECT id FROM source WHERE name = ?"));
  TRY(const bool found, query->bind(name).step());
  if (found) { return query->integer(0); }
  TRY(const StatementLoan insert, db.take("INSERT INTO source (name, tried_at_ms, error_message, error_hint, "
                                          "error_code, offers, quarantined, signals, "
                                          "vocabulary) VALUES (?, 0, '', '', '', 0, 0, 0, 0)"));
  TRY([[maybe_unused]] const Ok done, insert->bind(name).finish());
  return static_cast<std::int64_t>(sqlite3_last_insert_rowid(db.handle()));
}

Result<std::int64_t> write_signals(CatalogDb& db, std::int64_t source, Intake& intake,
                                   const std::vector<Signal>& signals, const IsTold& is_told) {
  ToldSignals told;
  std::int64_t count = 0;
  for (const Signal& signal : signals) {
    TRY(const Place place, intake.places().find(signal.provider, signal.region, signal.zone));
    TRY(const std::int64_t type, intake.name(signal.instance_type));
    TRY(const std::int64_t basis, intake.name(signal.availability.basis));
    const std::int64_t market = signal.market ? static_cast<std::int64_t>(*signal.market) : -1;
    told.insert_or_assign(
        SignalKey{place.id, type, market},
        SignalValue{static_cast<std::int64_t>(signal.availability.kind), signal.availability.value, basis,
                    signal.reclaimed_percent_most.value_or(-1)});
  }
  TRY(const std::vector<SignalKey> gone, sort_out_signals(db, source, told, is_told, count));
  TRY(const StatementLoan drop, db.take("DELETE FROM signal WHERE place_id = ? AND instance_type_id = ? "
                                        "AND market = ? AND source_id = ?"));
  for (const auto& [place, type, market] : gone) {
    TRY([[maybe_unused]] const Ok done, drop->bind(place).bind(type).bind(market).bind(source).finish());
    drop->reset();
  }
  TRY(const StatementLoan put, db.take("INSERT OR REPLACE INTO signal (place_id, instance_type_id, "
                                       "market, source_id, availability_kind, "
                                       "availability_value, availability_basis_id, "
                                       "reclaimed_percent_most) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const auto& [key, value] : told) {
    const auto& [place, type, market] = key;
    const auto& [kind, amount, basis, reclaimed] = value;
    put->bind(place).bind(type).bind(market).bind(source).bind(kind).bind(amount).bind(basis);
    if (reclaimed < 0) {
      put->bind_null();
    } else {
      put->bind(reclaimed);
    }
    TRY([[maybe_unused]] const Ok done, put->finish());
    put->reset();
  }
  return count;
}

Status write_fetched(CatalogDb& db, std::int64_t source, const std::set<std::string>& told,
                     const std::map<std::string, std::int64_t>& known,
                     const std::set<std::string, std::less<>>& left, Instant now) {
  TRY(const StatementLoan put,
      db.take("INSERT OR REPLACE INTO fetched (source_id, region, at_ms) VALUES (?, ?, ?)"));
  for (const std::string& region : told) {
    TRY([[maybe_unused]] const Ok done, put->bind(source).bind(region).bind(now.ms).finish());
    put->reset();
  }
  TRY(const StatementLoan drop, db.take("DELETE FROM fetched WHERE source_id = ? AND region = ?"));
  for (const auto& region : known) {
    if (told.count(region.first) > 0 || left.find(region.first) != left.end()) { continue; }
    TRY([[maybe_unused]] const Ok done, drop->bind(source).bind(region.first).finish());
    drop->reset();
  }
  return Ok{};
}

Status write_source(CatalogDb& db, std::int64_t source, const SourceVisit& visit, const Harvest& harvest,
                    const IngestReport& report) {
  // All unchanged: remarks, signals and vocabulary stay as they were, too.
  const bool all = !harvest.all_unchanged;
  TRY(const StatementLoan update, db.take("UPDATE source SET tried_at_ms = ?1, succeeded_at_ms = ?1, "
                                          "error_kind = NULL, error_message = '', "
                                          "error_hint = '', error_code = '', offers = ?2, quarantined = "
                                          "?3, signals = iif(?4, ?5, signals), "
                                          "vocabulary = iif(?4, ?6, vocabulary) WHERE id = ?7"));
  update->bind(visit.at.ms)
      .bind(visit.offers)
      .bind(report.quarantined)
      .bind(std::int64_t{all ? 1 : 0})
      .bind(visit.signals);
  TRY([[maybe_unused]] const Ok updated, update->bind(std::int64_t{kGpuVocabulary}).bind(source).finish());
  if (all || !harvest.validators.empty()) {
    TRY([[maybe_unused]] const Ok validators, write_validators(db, source, harvest.validators));
  }
  return all ? write_remarks(db, source, report.remarks) : Status(Ok{});
}

Status record_failure(CatalogDb& db, const std::string& source, const Error& error, Instant now) {
  TRY(Transaction transaction, Transaction::begin(db.handle(), db.path()));
  TRY(const std::int64_t id, find_or_make_source(db, source));
  TRY(const StatementLoan update, db.take("UPDATE source SET tried_at_ms = ?, error_kind = ?, error_message "
                                          "= ?, error_hint = ?, error_code = ? WHERE "
                                          "id = ?"));
  update->bind(now.ms).bind(to_string(error.kind)).bind(std::string_view(error.message));
  update->bind(std::string_view(error.hint)).bind(std::string_view(error.code));
  TRY([[maybe_unused]] const Ok done, update->bind(id).finish());
  return transaction.commit();
}

}  // namespace gpubroker
