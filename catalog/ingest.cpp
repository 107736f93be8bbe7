#include "catalog/ingest.hpp"

#include <algorithm>
#include <memory_resource>
#include <optional>
#include <set>

#include "catalog/gate.hpp"
#include "catalog/schema.hpp"
#include "catalog/shelf.hpp"
#include "core/base/log.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kLast = kRowsPerSource - 1;
constexpr std::int64_t kLossCounts = 10;  // fewer rows may go at once
constexpr std::size_t kRegionsForMedian = 4;
constexpr std::size_t kOffersForMedian = 3;

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

std::optional<Rate> median(std::vector<std::int64_t>& values, std::size_t least) {
  if (values.size() < least) { return std::nullopt; }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return Rate{*middle};
}

/// Medians of a harvest's on-demand prices: of one type over the regions, and of one model per GPU.
class Medians {
 public:
  void add(const Incoming& row) {
    const std::int64_t price = row.listing->offer.price.micros_per_hour;
    if (price <= 0 || !is_comparable(row)) { return; }
    if (const GpuModel* model = row.gpu->model(); model != nullptr && row.key.count > 0) {
      models_[row.key.model].push_back(price / row.key.count);
    }
    types_[group_of(row)].emplace_back(row.region, price);
  }
  void finish() {
    for (auto& group : types_) {
      std::vector<std::pair<std::int64_t, std::int64_t>>& prices = group.second;
      std::sort(prices.begin(), prices.end());  // of a region the cheapest first
      std::vector<std::int64_t> regions;
      for (std::size_t i = 0; i < prices.size(); ++i) {
        if (i == 0 || prices[i].first != prices[i - 1].first) { regions.push_back(prices[i].second); }
      }
      type_medians_[group.first] = median(regions, kRegionsForMedian);
    }
    for (auto& group : models_) { model_medians_[group.first] = median(group.second, kOffersForMedian); }
  }
  void tell(const Incoming& row, GateFacts& facts) const {
    if (is_comparable(row)) {
      const auto type = type_medians_.find(group_of(row));
      if (type != type_medians_.end()) { facts.neighbours = type->second; }
    }
    const auto model = model_medians_.find(row.key.model);
    if (model != model_medians_.end()) { facts.model_per_gpu = model->second; }
  }

 private:
  /// Asks of a market and machines of several sellers differ by whose they are; they say nothing of each
  /// other.
  static bool is_comparable(const Incoming& row) {
    return row.key.market == static_cast<std::int64_t>(Market::on_demand) && row.listing->variant.empty() &&
           row.listing->seller.empty();
  }
  static SeriesKey group_of(const Incoming& row) {
    return {.type = row.key.type, .model = row.key.model, .count = row.key.count};
  }
  std::unordered_map<SeriesKey, std::vector<std::pair<std::int64_t, std::int64_t>>, SeriesHash> types_ = {};
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> models_ = {};
  std::unordered_map<SeriesKey, std::optional<Rate>, SeriesHash> type_medians_ = {};
  std::unordered_map<std::int64_t, std::optional<Rate>> model_medians_ = {};
};

/// What is asked on demand in each region of the cloud, to hold spot prices against.
class OnDemand {
 public:
  void reserve(std::size_t rows) { prices_.reserve(rows); }
  void add(const SeriesKey& key, std::int64_t region, const std::string& variant, Rate price) {
    if (variant.empty()) {
      const auto [at, fresh] = prices_.try_emplace(key_of(key, region), price);
      if (!fresh) { at->second = std::min(at->second, price); }
    } else {
      asks_[key_of(key, region)].insert_or_assign(variant, price);
    }
  }
  [[nodiscard]] std::optional<Rate> find(const Incoming& row) const {
    const SeriesKey key = key_of(row.key, row.region);
    if (row.listing->variant.empty()) {
      const auto at = prices_.find(key);
      return at == prices_.end() ? std::nullopt : std::optional(at->second);
    }
    const auto place = asks_.find(key);
    if (place == asks_.end()) { return std::nullopt; }
    const auto at = place->second.find(row.listing->variant);
    return at == place->second.end() ? std::nullopt : std::optional(at->second);
  }

 private:
  static SeriesKey key_of(const SeriesKey& key, std::int64_t region) {
    return {.place = region, .type = key.type, .model = key.model, .count = key.count};
  }
  std::pmr::monotonic_buffer_resource memory_ = {};
  std::pmr::unordered_map<SeriesKey, Rate, SeriesHash> prices_{&memory_};
  std::unordered_map<SeriesKey, std::map<std::string, Rate>, SeriesHash> asks_ = {};  // by variant
};

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
    TRY([[maybe_unused]] const Ok signals, write_signals());
    TRY([[maybe_unused]] const Ok fetched, write_fetched());
    report_.fresh = counts.fresh;
    report_.changed = counts.changed;
    report_.same = counts.same + counts.kept;
    report_.gone = counts.gone;
    if (counts.first_twice != nullptr) {
      remark("told twice, the cheaper counts", format_offer_key(counts.first_twice->offer.key), counts.twice);
    }
    TRY([[maybe_unused]] const Ok source, write_source(counts.now + counts.kept));
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
    TRY([[maybe_unused]] const Ok source, write_source(report_.same));
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

  /// Signals are few: those of the told regions are written anew where they differ.
  Status write_signals() {
    using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
    using Value =
        std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;  // reclaimed: -1 unknown
    std::map<Key, Value> told;
    for (const Signal& signal : harvest_.signals) {
      TRY(const Place place, intake_.places().find(signal.provider, signal.region, signal.zone));
      TRY(const std::int64_t type, intake_.name(signal.instance_type));
      TRY(const std::int64_t basis, intake_.name(signal.availability.basis));
      const std::int64_t market = signal.market ? static_cast<std::int64_t>(*signal.market) : -1;
      told.insert_or_assign(
          Key{place.id, type, market},
          Value{static_cast<std::int64_t>(signal.availability.kind), signal.availability.value, basis,
                signal.reclaimed_percent_most.value_or(-1)});
    }
    TRY(std::vector<Key> gone, sort_out_signals(told));
    TRY(const StatementLoan drop, db_.take("DELETE FROM signal WHERE place_id = ? AND instance_type_id = ? "
                                           "AND market = ? AND source_id = ?"));
    for (const auto& [place, type, market] : gone) {
      TRY([[maybe_unused]] const Ok done, drop->bind(place).bind(type).bind(market).bind(id_).finish());
      drop->reset();
    }
    TRY(const StatementLoan put, db_.take("INSERT OR REPLACE INTO signal (place_id, instance_type_id, "
                                          "market, source_id, availability_kind, "
                                          "availability_value, availability_basis_id, "
                                          "reclaimed_percent_most) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    for (const auto& [key, value] : told) {
      const auto& [place, type, market] = key;
      const auto& [kind, amount, basis, reclaimed] = value;
      put->bind(place).bind(type).bind(market).bind(id_).bind(kind).bind(amount).bind(basis);
      if (reclaimed < 0) {
        put->bind_null();
      } else {
        put->bind(reclaimed);
      }
      TRY([[maybe_unused]] const Ok done, put->finish());
      put->reset();
    }
    return Ok{};
  }

  /// Takes out of `told` what is there already; returns the keys that are no longer told. Counts them on the
  /// way.
  template <class Key, class Value>
  Result<std::vector<Key>> sort_out_signals(std::map<Key, Value>& told) {
    std::vector<Key> gone;
    signals_ = static_cast<std::int64_t>(told.size());
    TRY(const StatementLoan had, db_.take("SELECT signals FROM source WHERE id = ?"));
    TRY([[maybe_unused]] const bool row, had->bind(id_).step());
    if (had->integer(0) == 0) { return gone; }
    TRY(const StatementLoan query,
        db_.take(
            "SELECT place_id, instance_type_id, market, availability_kind, availability_value, "
            "availability_basis_id, coalesce(reclaimed_percent_most, -1) FROM signal WHERE source_id = ?"));
    query->bind(id_);
    while (true) {
      TRY(const bool more, query->step());
      if (!more) { return gone; }
      const Key key{query->integer(0), query->integer(1), query->integer(2)};
      const auto at = told.find(key);
      const Value value{query->integer(3), query->integer(4), query->integer(5), query->integer(6)};
      TRY(const bool is_told_now, is_told(query->integer(0)));
      if (!is_told_now) {
        ++signals_;
      } else if (at == told.end()) {
        gone.push_back(key);
      } else if (at->second == value) {
        told.erase(at);
      }
    }
  }

  Status write_fetched() {
    std::set<std::string> now_there(harvest_.unchanged.begin(), harvest_.unchanged.end());
    for (const Incoming& row : rows_) { now_there.insert(row.listing->offer.key.region); }
    for (const Signal& signal : harvest_.signals) { now_there.insert(signal.region); }
    TRY(const StatementLoan put,
        db_.take("INSERT OR REPLACE INTO fetched (source_id, region, at_ms) VALUES (?, ?, ?)"));
    for (const std::string& region : now_there) {
      TRY([[maybe_unused]] const Ok done, put->bind(id_).bind(region).bind(now_.ms).finish());
      put->reset();
    }
    TRY(const StatementLoan drop, db_.take("DELETE FROM fetched WHERE source_id = ? AND region = ?"));
    for (const auto& region : fetched_) {
      if (now_there.count(region.first) > 0 || left_.find(region.first) != left_.end()) { continue; }
      TRY([[maybe_unused]] const Ok done, drop->bind(id_).bind(region.first).finish());
      drop->reset();
    }
    return Ok{};
  }

  Status write_source(std::int64_t offers) {
    // All unchanged: remarks, signals and vocabulary stay as they were, too.
    const bool all = !harvest_.all_unchanged;
    TRY(const StatementLoan update, db_.take("UPDATE source SET tried_at_ms = ?1, succeeded_at_ms = ?1, "
                                             "error_kind = NULL, error_message = '', "
                                             "error_hint = '', error_code = '', offers = ?2, quarantined = "
                                             "?3, signals = iif(?4, ?5, signals), "
                                             "vocabulary = iif(?4, ?6, vocabulary) WHERE id = ?7"));
    update->bind(now_.ms)
        .bind(offers)
        .bind(report_.quarantined)
        .bind(std::int64_t{all ? 1 : 0})
        .bind(signals_);
    TRY([[maybe_unused]] const Ok updated, update->bind(std::int64_t{kGpuVocabulary}).bind(id_).finish());
    if (all || !harvest_.validators.empty()) {
      TRY([[maybe_unused]] const Ok validators, write_validators());
    }
    return all ? write_remarks() : Status(Ok{});
  }

  Status write_validators() {
    TRY(const StatementLoan drop, db_.take("DELETE FROM validator WHERE source_id = ?"));
    TRY([[maybe_unused]] const Ok dropped, drop->bind(id_).finish());
    TRY(const StatementLoan put, db_.take("INSERT INTO validator (source_id, name, value) VALUES (?, ?, ?)"));
    for (const auto& [name, value] : harvest_.validators) {
      TRY([[maybe_unused]] const Ok done, put->bind(id_).bind(name).bind(value).finish());
      put->reset();
    }
    return Ok{};
  }

  Status write_remarks() {
    TRY(const StatementLoan drop, db_.take("DELETE FROM remark WHERE source_id = ?"));
    TRY([[maybe_unused]] const Ok dropped, drop->bind(id_).finish());
    TRY(const StatementLoan put,
        db_.take("INSERT OR REPLACE INTO remark (source_id, what, detail, count) VALUES (?, ?, ?, ?)"));
    for (const Remark& one : report_.remarks) {
      TRY([[maybe_unused]] const Ok done,
          put->bind(id_).bind(one.what).bind(one.detail).bind(one.count).finish());
      put->reset();
    }
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
  std::int64_t signals_ = 0;
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
