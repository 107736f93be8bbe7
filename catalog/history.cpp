#include <algorithm>

#include "catalog/query.hpp"
#include "catalog/scan.hpp"
#include "catalog/schema.hpp"

namespace gpubroker {
namespace {

/// The point in force at `since` and all after it.
Result<std::vector<PriceChange>> read_prices(CatalogDb& db, std::int64_t series, PriceChange first,
                                             Instant since) {
  std::vector<PriceChange> points = {first};
  TRY(const StatementLoan query,
      db.take("SELECT at_ms, price_micros FROM price_change WHERE series_id = ? ORDER BY at_ms"));
  query->bind(series);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return points; }
    PriceChange point{.at = {query->integer(0)}};
    if (!query->is_null(1)) { point.price = Rate{query->integer(1)}; }
    if (point.at <= since) { points.clear(); }
    points.push_back(point);
  }
}

Result<std::vector<AvailabilityChange>> read_availability(CatalogDb& db, std::int64_t series, Instant since) {
  std::vector<AvailabilityChange> points;
  TRY(const StatementLoan query,
      db.take("SELECT at_ms, kind, value FROM availability_change WHERE series_id = ? ORDER BY at_ms"));
  query->bind(series);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return points; }
    const AvailabilityChange point{.at = {query->integer(0)},
                                   .kind = static_cast<AvailabilityKind>(query->integer(1)),
                                   .value = static_cast<int>(query->integer(2))};
    if (point.at <= since) { points.clear(); }
    points.push_back(point);
  }
}

}  // namespace

Result<std::vector<PriceSeries>> read_history(CatalogDb& db, const OfferQuery& query, Instant since) {
  Reader reader(db);
  std::vector<PriceSeries> all;
  TRY(const StatementLoan rows,
      db.take("SELECT id, place_id, instance_type_id, market, model_id, gpu_count, first_at_ms, "
              "first_price_micros FROM series ORDER BY id"));
  while (true) {
    TRY(const bool more, rows->step());
    if (!more) { break; }
    const auto market = static_cast<Market>(rows->integer(3));
    const int count = static_cast<int>(rows->integer(5));
    TRY(const PlaceNames* place, reader.place(rows->integer(1)));
    TRY(const GpuModel* model, reader.model(rows->integer(4)));
    if (!is_wanted_market(query, market) || !is_wanted_gpu(query, model, count) ||
        !is_wanted_place(query, *place)) {
      continue;
    }
    TRY(const std::string* type, reader.name(rows->integer(2)));
    if (!query.instance_types.empty() && std::find(query.instance_types.begin(), query.instance_types.end(),
                                                   *type) == query.instance_types.end()) {
      continue;
    }
    TRY(const std::string* feed, reader.source(source_of(rows->integer(0))));
    PriceSeries series{.key = {place->provider, place->region, place->zone, *type, market},
                       .gpu = model != nullptr ? accelerator_of(*model, count) : Accelerator{.count = count},
                       .feed = *feed};
    const PriceChange first{.at = {rows->integer(6)}, .price = Rate{rows->integer(7)}};
    TRY(series.prices, read_prices(db, rows->integer(0), first, since));
    TRY(series.availability, read_availability(db, rows->integer(0), since));
    all.push_back(std::move(series));
  }
  std::sort(all.begin(), all.end(), [](const PriceSeries& a, const PriceSeries& b) {
    return std::tie(a.key, a.gpu, a.feed) < std::tie(b.key, b.gpu, b.feed);
  });
  if (query.limit != 0 && all.size() > query.limit) { all.resize(query.limit); }
  return all;
}

}  // namespace gpubroker
