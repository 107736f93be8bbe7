#include "catalog/query.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "catalog/scan.hpp"
#include "catalog/schema.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 3> kSorts = {"price", "price_per_gpu", "price_per_tflop"};

Status visit_rows(Reader& reader, const std::vector<Candidate>& candidates, Instant now,
                  const std::function<void(const OfferRow&)>& visit) {
  std::vector<std::int64_t> ids;
  ids.reserve(candidates.size());
  for (const Candidate& candidate : candidates) { ids.push_back(candidate.id); }
  return reader.visit_offers(ids, now, visit);
}

Result<std::vector<OfferRow>> read_rows(Reader& reader, const std::vector<Candidate>& candidates,
                                        Instant now) {
  std::vector<OfferRow> rows;
  rows.reserve(candidates.size());
  TRY([[maybe_unused]] const Ok visited,
      visit_rows(reader, candidates, now, [&rows](const OfferRow& row) { rows.push_back(row); }));
  return rows;
}

/// Several statements of one answer see one state of the file.
class Snapshot {
 public:
  static Result<Snapshot> begin(CatalogDb& db) {
    TRY([[maybe_unused]] const Ok begun, execute(db.handle(), "SAVEPOINT answer", db.path()));
    return Snapshot(db);
  }
  Snapshot(Snapshot&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    if (db_ != nullptr) { (void)execute(db_->handle(), "RELEASE answer", db_->path()); }
  }

 private:
  explicit Snapshot(CatalogDb& db) : db_(&db) {}
  CatalogDb* db_;
};

std::string joined(const std::set<std::string>& words, std::size_t most) {
  std::vector<std::string> some;
  for (const std::string& word : words) {
    if (some.size() == most) {
      some.emplace_back("…");
      break;
    }
    some.push_back(word);
  }
  return join(some, ", ");
}

/// A query with one constraint dropped.
struct Relaxed {
  std::string what = {};
  std::string asked = {};
  OfferQuery query = {};
  std::function<std::string(const OfferRow&)> instead = {};
};

std::string of_count(const OfferRow& row) {
  return std::to_string(row.listing.offer.gpu.count);
}

std::vector<Relaxed> relax_places(const OfferQuery& query) {
  std::vector<Relaxed> all;
  if (!query.markets.empty()) {
    std::vector<std::string> names;
    for (const Market market : query.markets) { names.emplace_back(to_string(market)); }
    all.push_back({"market", join(names, ", "), query,
                   [](const OfferRow& row) { return std::string(to_string(row.listing.offer.key.market)); }});
    all.back().query.markets.clear();
  }
  if (!query.providers.empty()) {
    all.push_back({"provider", join(query.providers, ", "), query,
                   [](const OfferRow& row) { return row.listing.offer.key.provider; }});
    all.back().query.providers.clear();
  }
  if (!query.regions.empty()) {
    all.push_back({"region", join(query.regions, ", "), query,
                   [](const OfferRow& row) { return row.listing.offer.key.region; }});
    all.back().query.regions.clear();
  }
  if (!query.instance_types.empty()) {
    all.push_back({"instance_type", join(query.instance_types, ", "), query,
                   [](const OfferRow& row) { return row.listing.offer.key.instance_type; }});
    all.back().query.instance_types.clear();
  }
  if (!query.seller.empty()) {
    all.push_back({"seller", query.seller, query, [](const OfferRow& row) { return row.listing.seller; }});
    all.back().query.seller.clear();
  }
  return all;
}

std::vector<Relaxed> relax_machines(const OfferQuery& query) {
  std::vector<Relaxed> all;
  if (query.max_price) {
    all.push_back({"max_price", format_money({query.max_price->micros_per_hour}), query, {}});
    all.back().query.max_price.reset();
    all.back().query.sort = OfferSort::price;
  }
  if (query.max_price_per_gpu) {
    all.push_back({"max_price_per_gpu", format_money({query.max_price_per_gpu->micros_per_hour}), query, {}});
    all.back().query.max_price_per_gpu.reset();
    all.back().query.sort = OfferSort::price_per_gpu;
  }
  if (!query.fabrics.empty()) {
    std::vector<std::string> names;
    for (const Fabric fabric : query.fabrics) { names.emplace_back(to_string(fabric)); }
    all.push_back({"fabric", join(names, ", "), query,
                   [](const OfferRow& row) { return std::string(to_string(row.listing.fabric)); }});
    all.back().query.fabrics.clear();
  }
  if (query.nvlink) {
    all.push_back({"nvlink", "all GPUs of a machine joined", query, [](const OfferRow& row) {
                     return std::to_string(row.listing.nvlink_domain) + " joined";
                   }});
    all.back().query.nvlink = false;
  }
  if (query.only_available) {
    all.push_back({"available",
                   std::to_string(query.nodes) + (query.nodes == 1 ? " machine now" : " machines now"), query,
                   [](const OfferRow&) { return std::string("nobody says that there are any now"); }});
    all.back().query.only_available = false;
  }
  if (query.learnt_since) {
    all.push_back({"age", "told since " + format_utc(*query.learnt_since), query,
                   [](const OfferRow& row) { return "told " + format_utc(row.listing.offer.learnt_at); }});
    all.back().query.learnt_since.reset();
  }
  if (query.gpu && query.gpu->count > 0 && (query.gpu->count > 1 || query.exact_count)) {
    all.push_back({"count", std::to_string(query.gpu->count), query, of_count});
    all.back().query.gpu->count = 1;
    all.back().query.exact_count = false;
  }
  return all;
}

std::string nearest_value(const Relaxed& relaxed, const std::vector<OfferRow>& rows) {
  if (relaxed.what == "max_price") {
    return format_money({rows.front().listing.offer.price.micros_per_hour});
  }
  if (relaxed.what == "max_price_per_gpu") {
    return format_money({price_per_gpu(rows.front().listing.offer).micros_per_hour});
  }
  std::set<std::string> values;
  for (const OfferRow& row : rows) { values.insert(relaxed.instead(row)); }
  return joined(values, 3);
}

Result<QuarantineRow> read_quarantined(Reader& reader, const Statement& from, const PlaceNames& place,
                                       const GpuModel* model) {
  TRY(const std::string* type, reader.name(from.integer(2)));
  TRY(const std::string* gpu_text, reader.name(from.integer(4)));
  TRY(const std::string* told_by, reader.name(from.integer(11)));
  TRY(const std::string* feed, reader.source(source_of(from.integer(0))));
  QuarantineRow row{.feed = *feed,
                    .rule = from.text(12),
                    .reason = from.text(13),
                    .since = {from.integer(14)},
                    .told_at = {from.integer(15)}};
  const int count = static_cast<int>(from.integer(5));
  Offer& offer = row.listing.offer;
  offer.key = {place.provider, place.region, place.zone, *type, static_cast<Market>(from.integer(3))};
  offer.gpu = model != nullptr ? accelerator_of(*model, count)
                               : Accelerator{.memory_gib = static_cast<int>(from.integer(6)), .count = count};
  offer.price = {from.integer(9)};
  offer.source = *told_by;
  offer.learnt_at = row.told_at;
  row.listing.gpu_text = *gpu_text;
  row.listing.variant = from.text(8);
  row.listing.basis = static_cast<PriceBasis>(from.integer(10));
  return row;
}

}  // namespace

std::string_view to_string(OfferSort sort) {
  return kSorts.at(static_cast<std::size_t>(sort));
}

std::optional<OfferSort> offer_sort_from(std::string_view name) {
  for (std::size_t i = 0; i < kSorts.size(); ++i) {
    if (kSorts.at(i) == name) { return static_cast<OfferSort>(i); }
  }
  return std::nullopt;
}

Rate price_per_gpu(const Offer& offer) {
  const std::int64_t count = std::max(offer.gpu.count, 1);
  const std::int64_t price = offer.price.micros_per_hour;
  return {price / count + (price % count * 2 >= count ? 1 : 0)};
}

std::optional<Rate> price_per_petaflop(const OfferRow& row) {
  const std::int64_t gflops = row.model == nullptr ? 0 : row.model->bf16_gflops;
  const std::int64_t all = gflops * row.listing.offer.gpu.count;
  if (all == 0) { return std::nullopt; }
  constexpr std::int64_t kPeta = 1'000'000;
  __extension__ using Wide = __int128;
  return Rate{
      static_cast<std::int64_t>(static_cast<Wide>(row.listing.offer.price.micros_per_hour) * kPeta / all)};
}

Result<std::vector<OfferRow>> find_offers(CatalogDb& db, const OfferQuery& query, Instant now) {
  TRY(const Snapshot snapshot, Snapshot::begin(db));
  Reader reader(db);
  TRY(const std::vector<Candidate> candidates, scan_offers(db, reader, query, now));
  return read_rows(reader, candidates, now);
}

Result<std::size_t> visit_offers(CatalogDb& db, const OfferQuery& query, Instant now,
                                 const std::function<void(const OfferRow&)>& visit) {
  TRY(const Snapshot snapshot, Snapshot::begin(db));
  Reader reader(db);
  TRY(const std::vector<Candidate> candidates, scan_offers(db, reader, query, now));
  TRY([[maybe_unused]] const Ok visited, visit_rows(reader, candidates, now, visit));
  return candidates.size();
}

Result<NearMiss> explain_nothing(CatalogDb& db, const OfferQuery& query, Instant now) {
  constexpr std::size_t kLooked = 200;  // rows whose values are named
  constexpr std::size_t kShown = 3;     // alternatives per constraint
  TRY(const Snapshot snapshot, Snapshot::begin(db));
  Reader reader(db);
  NearMiss miss;
  OfferQuery only_gpu{.gpu = query.gpu, .sort = query.sort};
  TRY(const std::vector<Candidate> of_gpu, scan_offers(db, reader, only_gpu, now));
  miss.of_that_gpu = static_cast<std::int64_t>(of_gpu.size());
  std::vector<Relaxed> relaxed = relax_places(query);
  for (Relaxed& one : relax_machines(query)) { relaxed.push_back(std::move(one)); }
  std::vector<Candidate> near;
  for (Relaxed& one : relaxed) {
    one.query.limit = 0;
    TRY(std::vector<Candidate> found, scan_offers(db, reader, one.query, now));
    Constraint constraint{
        .what = one.what, .asked = one.asked, .left_without = static_cast<std::int64_t>(found.size())};
    if (!found.empty()) {
      near.insert(near.end(), found.begin(),
                  found.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, found.size())));
      found.resize(std::min(kLooked, found.size()));
      TRY(const std::vector<OfferRow> rows, read_rows(reader, found, now));
      constraint.best = nearest_value(one, rows);
    }
    miss.constraints.push_back(std::move(constraint));
  }
  if (near.empty()) {
    near.assign(of_gpu.begin(),
                of_gpu.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, of_gpu.size())));
  }
  std::sort(near.begin(), near.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.rank, a.id) < std::tie(b.rank, b.id);
  });
  near.erase(std::unique(near.begin(), near.end(),
                         [](const Candidate& a, const Candidate& b) { return a.id == b.id; }),
             near.end());
  TRY(miss.alternatives, read_rows(reader, near, now));
  OfferQuery doubted = query;
  doubted.limit = 0;
  TRY(const std::vector<QuarantineRow> kept_back, find_quarantined(db, doubted));
  miss.quarantined = static_cast<std::int64_t>(kept_back.size());
  return miss;
}

Result<std::vector<QuarantineRow>> find_quarantined(CatalogDb& db, const OfferQuery& query) {
  Reader reader(db);
  std::vector<QuarantineRow> rows;
  TRY(const StatementLoan all,
      db.take(
          "SELECT id, place_id, instance_type_id, market, gpu_text_id, gpu_count, gpu_memory_gib, model_id, "
          "variant, "
          "price_micros, basis, told_by_id, rule, reason, since_ms, told_at_ms FROM quarantine ORDER BY id"));
  while (query.limit == 0 || rows.size() < query.limit) {
    TRY(const bool more, all->step());
    if (!more) { break; }
    TRY(const PlaceNames* place, reader.place(all->integer(1)));
    TRY(const GpuModel* model, reader.model(all->integer(7)));
    if (!is_wanted_place(query, *place) || !is_wanted_market(query, static_cast<Market>(all->integer(3)))) {
      continue;
    }
    if (model != nullptr && !is_wanted_gpu(query, model, static_cast<int>(all->integer(5)))) { continue; }
    TRY(QuarantineRow row, read_quarantined(reader, *all, *place, model));
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [](const QuarantineRow& a, const QuarantineRow& b) {
    return std::tie(a.feed, a.listing.offer.key, a.listing.variant) <
           std::tie(b.feed, b.listing.offer.key, b.listing.variant);
  });
  return rows;
}

Result<std::vector<ModelSummary>> summarize_models(CatalogDb& db) {
  struct Summary {
    ModelSummary row = {};
    std::set<std::int64_t> places = {};
  };
  Reader reader(db);
  std::map<std::int64_t, Summary> by_model;
  TRY(const StatementLoan all,
      db.take("SELECT model_id, gpu_count, price_micros, market, place_id, id FROM offer INDEXED BY "
              "offer_by_gpu WHERE model_id > 0"));
  TableRows tables(db, reader);
  while (true) {
    TRY(const bool more, all->step());
    if (!more) { break; }
    TRY(const bool superseded, tables.is_superseded(all->integer(5), all->integer(4), all->integer(3)));
    if (superseded) { continue; }
    Summary& summary = by_model[all->integer(0)];
    ++summary.row.offers;
    summary.places.insert(all->integer(4));
    const std::int64_t count = std::max<std::int64_t>(all->integer(1), 1);
    const Rate per_gpu{(all->integer(2) + count / 2) / count};
    const auto market = static_cast<Market>(all->integer(3));
    std::optional<Rate>* const cheapest = market == Market::on_demand ? &summary.row.cheapest_on_demand
                                          : market == Market::spot    ? &summary.row.cheapest_spot
                                                                      : nullptr;
    if (cheapest != nullptr && per_gpu.micros_per_hour > 0 && (!*cheapest || per_gpu < **cheapest)) {
      *cheapest = per_gpu;
    }
  }
  std::vector<ModelSummary> rows;
  for (auto& [id, summary] : by_model) {
    TRY(summary.row.model, reader.model(id));
    if (summary.row.model == nullptr) { continue; }  // of another vocabulary
    std::set<std::string> providers;
    for (const std::int64_t place : summary.places) {
      TRY(const PlaceNames* names, reader.place(place));
      providers.insert(names->provider);
    }
    summary.row.providers.assign(providers.begin(), providers.end());
    rows.push_back(std::move(summary.row));
  }
  // The table is one array: its order is that of the addresses in it.
  std::sort(rows.begin(), rows.end(),
            [](const ModelSummary& a, const ModelSummary& b) { return std::less<>()(a.model, b.model); });
  return rows;
}

}  // namespace gpubroker
