#include "catalog/ingest.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "catalog/gate.hpp"
#include "catalog/price_context.hpp"
#include "catalog/schema.hpp"
#include "catalog/shelf.hpp"
#include "catalog/source_rows.hpp"
#include "core/base/log.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kLast = kRowsPerSource - 1;
constexpr std::int64_t kLossCounts = 10;  // fewer rows may go at once

/// A row that was kept back at the last visit.
struct Doubted {
  std::int64_t since = 0;
  std::string rule = {};
  Rate price = {};
  std::optional<Rate> good_price = {};
  Instant good_at = {};
};
using DoubtedKey = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::string>;

DoubtedKey doubted_key(const Incoming& row) {
  return {row.key.place, row.key.type, row.key.market, row.gpu_text, row.listing->variant};
}

/// One visit's work; a transaction is open around it.
class Ingest {
 public:
  Ingest(CatalogDb& db, std::string source, std::int64_t id, const Harvest& harvest, Instant now,
         Intake intake)
      : db_(db),
        source_(std::move(source)),
        id_(id),
        first_(first_row_of(id)),
        harvest_(harvest),
        now_(now),
        intake_(std::move(intake)) {
    for (const std::string& region : harvest.unchanged) { left_.insert(region); }
    for (const auto& failed : harvest.failed) { left_.insert(failed.first); }
    report_.source = source_;
    report_.remarks = harvest.remarks;
    report_.failed = harvest.failed;
  }

  Result<IngestReport> run(const IngestOptions& options) {
    TRY([[maybe_unused]] const Ok times, load_fetched());
    if (harvest_.all_unchanged) { return leave_all(); }
    TRY(Shelf shelf, Shelf::load(db_, id_, harvest_.listings.size(),
                                 [this](std::int64_t place) { return is_told(place); }));
    TRY([[maybe_unused]] const Ok doubts, load_doubted());
    TRY([[maybe_unused]] const Ok rows, take_rows());
    TRY([[maybe_unused]] const Ok judged, judge_all(shelf));
    const Shelf::Counts counts = shelf.counts();
    if (counts.before >= kLossCounts && counts.now * 2 < counts.before && !options.accept_loss) {
      return refuse_loss(counts);
    }
    TRY([[maybe_unused]] const Ok written, shelf.write(now_));
    TRY([[maybe_unused]] const Ok kept_back, write_quarantine());
    TRY(const std::int64_t signals, write_signals(db_, id_, intake_, harvest_.signals,
                                                  [this](std::int64_t place) { return is_told(place); }));
    TRY([[maybe_unused]] const Ok fetched, write_fetched(db_, id_, told_regions(), fetched_, left_, now_));
    report_.fresh = counts.fresh;
    report_.changed = counts.changed;
    report_.same = counts.same + counts.kept;
    report_.gone = counts.gone;
    if (counts.first_twice != nullptr) {
      remark("told twice, the cheaper counts", format_offer_key(counts.first_twice->offer.key), counts.twice);
    }
    TRY([[maybe_unused]] const Ok source,
        write_source(db_, id_, {.at = now_, .offers = counts.now + counts.kept, .signals = signals}, harvest_,
                     report_));
    return std::move(report_);
  }

 private:
  struct KeptBack {
    std::size_t row = 0;
    Verdict verdict = {};
  };

  Result<bool> is_told(std::int64_t place) {
    if (left_.empty()) { return true; }
    TRY(const std::string_view region, intake_.places().region_name(place));
    return left_.find(region) == left_.end();
  }

  [[nodiscard]] std::set<std::string> told_regions() const {
    std::set<std::string> told(harvest_.unchanged.begin(), harvest_.unchanged.end());
    for (const Incoming& row : rows_) { told.insert(row.listing->offer.key.region); }
    for (const Signal& signal : harvest_.signals) { told.insert(signal.region); }
    return told;
  }

  void remark(const std::string& what, const std::string& detail, std::int64_t count = 1) {
    for (Remark& known : report_.remarks) {
      if (known.what == what) {
        known.count += count;
        return;
      }
    }
    report_.remarks.push_back({.what = what, .detail = detail, .count = count});
  }

  Status load_fetched() {
    TRY(const StatementLoan query, db_.take("SELECT region, at_ms FROM fetched WHERE source_id = ?"));
    query->bind(id_);
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return Ok{}; }
      fetched_.emplace(query->text(0), query->integer(1));
    }
  }

  Status load_doubted() {
    TRY(const StatementLoan query,
        db_.take(
            "SELECT place_id, instance_type_id, market, gpu_text_id, variant, since_ms, rule, price_micros, "
            "good_price_micros, good_at_ms FROM quarantine WHERE id BETWEEN ? AND ?"));
    query->bind(first_).bind(first_ + kLast);
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return Ok{}; }
      Doubted row{.since = query->integer(5),
                  .rule = query->text(6),
                  .price = {query->integer(7)},
                  .good_at = {query->integer(9)}};
      if (query->integer(8) > 0) { row.good_price = Rate{query->integer(8)}; }
      doubted_.insert_or_assign(DoubtedKey{query->integer(0), query->integer(1), query->integer(2),
                                           query->integer(3), query->text(4)},
                                std::move(row));
    }
  }

  Status take_rows() {
    rows_.reserve(harvest_.listings.size());
    for (const Listing& listing : harvest_.listings) {
      if (!left_.empty() && left_.find(listing.offer.key.region) != left_.end()) {
        remark("row of a region that was said to be unchanged or failed",
               format_offer_key(listing.offer.key));
        continue;
      }
      TRY(Incoming row, intake_.take(listing));
      medians_.add(row);
      if (listing.offer.key.market == Market::spot) { has_spot_ = true; }
      rows_.push_back(row);
    }
    medians_.finish();
    return Ok{};
  }

  /// On demand first: spot is held against it.
  Status judge_all(Shelf& shelf) {
    if (has_spot_) {
      on_demand_.reserve(rows_.size());
      TRY([[maybe_unused]] const Ok others, load_on_demand());
      const auto add = [this](const SeriesKey& key, const std::string& variant, Rate price) -> Status {
        TRY(const std::int64_t region, intake_.places().region_of(key.place));
        on_demand_.add(key, region, variant, price);
        return Ok{};
      };
      TRY([[maybe_unused]] const Ok kept, shelf.each_kept_on_demand(add));
    }
    for (const bool spot : {false, true}) {
      if (spot && !has_spot_) { break; }
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        if ((rows_[i].listing->offer.key.market == Market::spot) == spot) { judge_row(i, shelf); }
      }
    }
    return Ok{};
  }

  void judge_row(std::size_t index, Shelf& shelf) {
    const Incoming& row = rows_[index];
    const Listing& listing = *row.listing;
    GateFacts facts;
    medians_.tell(row, facts);
    const Shelf::Spot spot = shelf.find(row);
    facts.good_price = shelf.price_before(spot);
    if (facts.good_price) { facts.good_at = last_fetched(listing.offer.key.region); }
    const bool is_spot = listing.offer.key.market == Market::spot;
    if (is_spot) { facts.on_demand = on_demand_.find(row); }
    if (!doubted_.empty()) {
      const auto was = doubted_.find(doubted_key(row));
      if (was != doubted_.end()) {
        if (!facts.good_price) {
          facts.good_price = was->second.good_price;
          facts.good_at = was->second.good_at;
        }
        if (was->second.rule == to_string(GateRule::far_from_history)) {
          facts.doubted_price = was->second.price;
        }
      }
    }
    std::optional<Verdict> verdict = judge_listing(listing, *row.gpu, facts, now_);
    if (!verdict) {
      if (facts.doubted_price) {
        // Believed because it was told twice, or because it is what it was before?
        facts.doubted_price.reset();
        if (judge_listing(listing, *row.gpu, facts, now_)) { ++report_.released; }
      }
      const bool is_asked_at_once = listing.offer.key.market == Market::on_demand && has_spot_;
      if (is_asked_at_once && listing.offer.price.micros_per_hour > 0) {
        on_demand_.add(row.key, row.region, listing.variant, listing.offer.price);
      }
      shelf.put(row, spot, now_);
      return;
    }
    shelf.doubt(spot);
    good_[index] = {facts.good_price.value_or(Rate{}), facts.good_at};
    kept_back_.push_back({.row = index, .verdict = std::move(*verdict)});
  }

  [[nodiscard]] Instant last_fetched(const std::string& region) const {
    const auto at = fetched_.find(region);
    return at == fetched_.end() ? Instant{} : Instant{at->second};
  }

  /// From the cloud's other feeds: its price list, where this is its spot market.
  Status load_on_demand() {
    std::vector<std::int64_t> others;
    const std::string cloud = cloud_of(source_);
    {
      TRY(const StatementLoan query, db_.take("SELECT id, name FROM source WHERE id <> ?"));
      query->bind(id_);
      while (true) {
        TRY(const bool more, query->step());
        if (!more) { break; }
        if (cloud_of(query->text(1)) == cloud) { others.push_back(query->integer(0)); }
      }
    }
    for (const std::int64_t other : others) {
      TRY(const StatementLoan query, db_.take("SELECT offer.place_id, instance_type_id, offer.model_id, "
                                              "offer.gpu_count, variant, price_micros FROM "
                                              "offer JOIN machine ON machine.id = machine_id WHERE offer.id "
                                              "BETWEEN ? AND ? AND market = 0 AND "
                                              "price_micros > 0"));
      query->bind(first_row_of(other)).bind(first_row_of(other) + kLast);
      while (true) {
        TRY(const bool more, query->step());
        if (!more) { break; }
        TRY(const std::int64_t region, intake_.places().region_of(query->integer(0)));
        on_demand_.add({.type = query->integer(1), .model = query->integer(2), .count = query->integer(3)},
                       region, query->text(4), {query->integer(5)});
      }
    }
    return Ok{};
  }

  Error refuse_loss(const Shelf::Counts& counts) const {
    std::string message = source_;
    message += " told " + std::to_string(counts.now) + " good rows where there were " +
               std::to_string(counts.before);
    if (!kept_back_.empty()) { message += " (" + std::to_string(kept_back_.size()) + " kept back)"; }
    message += "; nothing was taken";
    return {.kind = ErrorKind::internal,
            .message = message,
            .hint = "`gpubroker refresh --accept-loss` takes it when it is right",
            .source = source_,
            .code = "lost_rows"};
  }

  Result<IngestReport> leave_all() {
    TRY(const StatementLoan count, db_.take("SELECT (SELECT count(*) FROM offer WHERE id BETWEEN ?1 AND ?2), "
                                            "(SELECT count(*) FROM quarantine WHERE "
                                            "id BETWEEN ?1 AND ?2)"));
    TRY([[maybe_unused]] const bool row, count->bind(first_).bind(first_ + kLast).step());
    report_.same = count->integer(0);
    report_.quarantined = count->integer(1);
    TRY(const StatementLoan update, db_.take("UPDATE fetched SET at_ms = ? WHERE source_id = ?"));
    TRY([[maybe_unused]] const Ok fetched, update->bind(now_.ms).bind(id_).finish());
    TRY([[maybe_unused]] const Ok source,
        write_source(db_, id_, {.at = now_, .offers = report_.same}, harvest_, report_));
    return std::move(report_);
  }

  Status write_quarantine() {
    std::int64_t next = first_;
    {
      TRY(const StatementLoan query,
          db_.take("SELECT id, place_id FROM quarantine WHERE id BETWEEN ? AND ?"));
      query->bind(first_).bind(first_ + kLast);
      std::vector<std::int64_t> told;
      while (true) {
        TRY(const bool more, query->step());
        if (!more) { break; }
        next = query->integer(0) + 1;
        TRY(const bool is_told_now, is_told(query->integer(1)));
        if (is_told_now) {
          told.push_back(query->integer(0));
        } else {
          ++report_.quarantined;
        }
      }
      TRY(const StatementLoan drop, db_.take("DELETE FROM quarantine WHERE id = ?"));
      for (const std::int64_t id : told) {
        TRY([[maybe_unused]] const Ok done, drop->bind(id).finish());
        drop->reset();
      }
    }
    for (const KeptBack& kept : kept_back_) { TRY([[maybe_unused]] const Ok done, keep_back(kept, next++)); }
    return Ok{};
  }

  Status keep_back(const KeptBack& kept, std::int64_t id) {
    const Incoming& row = rows_[kept.row];
    const Listing& listing = *row.listing;
    const std::string rule(to_string(kept.verdict.rule));
    const auto was = doubted_.find(doubted_key(row));
    const std::int64_t since =
        was != doubted_.end() && was->second.rule == rule ? was->second.since : now_.ms;
    TRY(const StatementLoan insert,
        db_.take(
            "INSERT INTO quarantine (id, place_id, instance_type_id, market, gpu_text_id, gpu_count, "
            "gpu_memory_gib, "
            "model_id, variant, price_micros, basis, told_by_id, rule, reason, since_ms, told_at_ms, "
            "good_price_micros, good_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    insert->bind(id).bind(row.key.place).bind(row.key.type).bind(row.key.market).bind(row.gpu_text);
    insert->bind(row.key.count).bind(std::int64_t{listing.offer.gpu.memory_gib}).bind(row.key.model);
    insert->bind(std::string_view(listing.variant)).bind(listing.offer.price.micros_per_hour);
    insert->bind(static_cast<std::int64_t>(listing.basis)).bind(row.told_by).bind(std::string_view(rule));
    insert->bind(std::string_view(kept.verdict.reason)).bind(since).bind(now_.ms);
    const auto& [good_price, good_at] = good_[kept.row];
    TRY([[maybe_unused]] const Ok done, insert->bind(good_price.micros_per_hour).bind(good_at.ms).finish());
    ++report_.quarantined;
    ++report_.quarantined_by_rule[rule];
    remark("kept back: " + rule, format_offer_key(listing.offer.key) + ": " + kept.verdict.reason);
    return Ok{};
  }

  CatalogDb& db_;
  std::string source_;
  std::int64_t id_;
  std::int64_t first_;
  const Harvest& harvest_;
  Instant now_;
  Intake intake_;
  std::set<std::string, std::less<>> left_ = {};  // regions that the harvest leaves as they are
  std::map<std::string, std::int64_t> fetched_ = {};
  std::map<DoubtedKey, Doubted> doubted_ = {};
  std::vector<Incoming> rows_ = {};
  Medians medians_ = {};
  OnDemand on_demand_ = {};
  bool has_spot_ = false;
  std::vector<KeptBack> kept_back_ = {};
  std::unordered_map<std::size_t, std::pair<Rate, Instant>> good_ = {};  // by row: what was believed before
  IngestReport report_ = {};
};

Result<IngestReport> ingest_whole(CatalogDb& db, const std::string& source, const Harvest& harvest,
                                  Instant now, const IngestOptions& options) {
  TRY(Transaction transaction, Transaction::begin(db.handle(), db.path()));
  TRY(const std::int64_t id, find_or_make_source(db, source));
  TRY(Intake intake, Intake::load(db));
  Ingest work(db, source, id, harvest, now, std::move(intake));
  TRY(IngestReport report, work.run(options));
  TRY([[maybe_unused]] const Ok committed, transaction.commit());
  return report;
}

}  // namespace

Result<IngestReport> ingest(CatalogDb& db, const std::string& source, const Harvest& harvest, Instant now,
                            const IngestOptions& options) {
  Result<IngestReport> report = ingest_whole(db, source, harvest, now, options);
  if (!report.ok()) {
    log_event(LogLevel::warn, "catalog.ingest_failed",
              {{"source", source}, {"kind", std::string(to_string(report.error().kind))}});
    // A file that cannot be written cannot be told so either; the caller has the error.
    if (report.error().code == "lost_rows") {
      TRY([[maybe_unused]] const Ok noted, record_failure(db, source, report.error(), now));
    }
  }
  return report;
}

}  // namespace gpubroker
