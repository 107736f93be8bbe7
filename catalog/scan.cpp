#include "catalog/scan.hpp"

#include <algorithm>
#include <limits>

#include "catalog/regions.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kLastRank = std::numeric_limits<std::int64_t>::max();
constexpr int kManyGpus = 1'000'000;

/// The rows of one model and one number of GPUs: within them every order is that of the price.
struct Stream {
  std::int64_t model_id = 0;
  const GpuModel* model = nullptr;
  int count = 0;
};

bool asks_for_gpu(const OfferQuery& query) {
  return query.gpu && query.gpu->count > 0;
}

/// Conditions that the index cannot tell: the row is read for them.
bool needs_row(const OfferQuery& query) {
  return !query.fabrics.empty() || query.nvlink || query.only_available || !query.seller.empty() ||
         !query.instance_types.empty() || query.learnt_since.has_value();
}

bool is_wanted_row(const OfferQuery& query, const OfferRow& row) {
  const Listing& listing = row.listing;
  const auto has = [](const auto& list, const auto& one) {
    return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
  };
  if (!has(query.fabrics, listing.fabric) || !has(query.instance_types, listing.offer.key.instance_type)) {
    return false;
  }
  if (query.nvlink && (listing.nvlink_domain < listing.offer.gpu.count || listing.nvlink_domain < 2)) {
    return false;
  }
  if (!query.seller.empty() && query.seller != listing.seller) { return false; }
  if (query.learnt_since && listing.offer.learnt_at < *query.learnt_since) { return false; }
  if (!query.only_available || says_available(listing.availability, query.nodes)) { return true; }
  return std::any_of(row.signals.begin(), row.signals.end(),
                     [&query](const Availability& signal) { return says_available(signal, query.nodes); }) ||
         std::any_of(row.zones.begin(), row.zones.end(), [&query](const ZoneSignal& signal) {
           return says_available(signal.availability, query.nodes);
         });
}

std::int64_t rank_of(OfferSort sort, const Stream& stream, std::int64_t price) {
  constexpr std::int64_t kFine = 5'040;  // divided by every count up to ten
  if (price == 0) { return kLastRank; }
  if (sort == OfferSort::price) { return price; }
  __extension__ using Wide = __int128;
  Wide rank = static_cast<Wide>(price) * kFine / std::max(stream.count, 1);
  if (sort == OfferSort::price_per_tflop) {
    const int gflops = stream.model == nullptr ? 0 : stream.model->bf16_gflops;
    if (gflops == 0) { return kLastRank - 1; }
    rank = rank * 1'000'000 / gflops;
  }
  return rank < kLastRank - 2 ? static_cast<std::int64_t>(rank) : kLastRank - 2;
}

class Scan {
 public:
  Scan(CatalogDb& db, Reader& reader, const OfferQuery& query, Instant now)
      : db_(db),
        reader_(reader),
        query_(query),
        now_(now),
        needs_row_(needs_row(query)),
        tables_(db, reader) {}

  Result<std::vector<Candidate>> run() {
    TRY(const std::vector<Stream> streams, find_streams());
    for (const Stream& stream : streams) {
      TRY([[maybe_unused]] const Ok done, follow(stream, /*quotes=*/false));
    }
    if (query_.with_quotes && (query_.limit == 0 || found_.size() < query_.limit)) {
      for (const Stream& stream : streams) {
        TRY([[maybe_unused]] const Ok done, follow(stream, /*quotes=*/true));
      }
    }
    TRY([[maybe_unused]] const Ok sorted, sort());
    if (query_.limit != 0 && found_.size() > query_.limit) { found_.resize(query_.limit); }
    return std::move(found_);
  }

 private:
  Result<std::vector<Stream>> find_streams() {
    std::vector<Stream> streams;
    if (!asks_for_gpu(query_)) {
      TRY(const StatementLoan models, db_.take("SELECT id, name FROM gpu_model"));
      while (true) {
        TRY(const bool more, models->step());
        if (!more) { return streams; }
        const GpuModel* const model = find_gpu_model(models->view(1));
        TRY([[maybe_unused]] const Ok done, add_counts(streams, models->integer(0), model, 0));
      }
    }
    for (const GpuModel* model : models_of(*query_.gpu)) {
      TRY(const StatementLoan id, db_.take("SELECT id FROM gpu_model WHERE name = ?"));
      TRY(const bool found, id->bind(model->name).step());
      if (!found) { continue; }
      TRY([[maybe_unused]] const Ok done, add_counts(streams, id->integer(0), model, query_.gpu->count));
    }
    return streams;
  }

  /// One step per number of GPUs that is sold, not per row.
  Status add_counts(std::vector<Stream>& streams, std::int64_t model_id, const GpuModel* model, int least) {
    for (std::int64_t from = least;;) {
      TRY(const StatementLoan next,
          db_.take("SELECT min(gpu_count) FROM offer WHERE model_id = ? AND gpu_count >= ?"));
      TRY([[maybe_unused]] const bool row, next->bind(model_id).bind(from).step());
      if (next->is_null(0) || (query_.exact_count && asks_for_gpu(query_) && next->integer(0) != least)) {
        return Ok{};
      }
      from = next->integer(0) + 1;
      streams.push_back({.model_id = model_id,
                         .model = model,
                         .count = static_cast<int>(std::min<std::int64_t>(from - 1, kManyGpus))});
    }
  }

  [[nodiscard]] std::int64_t most_for(const Stream& stream) const {
    std::int64_t most = kLastRank;
    if (query_.max_price) { most = query_.max_price->micros_per_hour; }
    if (query_.max_price_per_gpu) {
      const std::int64_t per_gpu = query_.max_price_per_gpu->micros_per_hour;
      const std::int64_t count = std::max(stream.count, 1);
      most = std::min(most, per_gpu > kLastRank / count ? kLastRank : per_gpu * count);
    }
    return most;
  }

  Status follow(const Stream& stream, bool quotes) {
    TRY(const StatementLoan rows,
        db_.take("SELECT id, price_micros, market, place_id FROM offer INDEXED BY offer_by_gpu WHERE "
                 "model_id = ? AND "
                 "gpu_count = ? AND price_micros BETWEEN ? AND ? ORDER BY price_micros"));
    rows->bind(stream.model_id).bind(std::int64_t{stream.count});
    rows->bind(std::int64_t{quotes ? 0 : 1}).bind(quotes ? 0 : most_for(stream));
    std::size_t taken = 0;
    std::int64_t last_price = 0;
    while (true) {
      TRY(const bool more, rows->step());
      if (!more) { return Ok{}; }
      const std::int64_t price = rows->integer(1);
      // All of one price are looked at, so that ties are broken by name and not by the index.
      if (query_.limit != 0 && taken >= query_.limit && price != last_price) { return Ok{}; }
      const Candidate candidate{.id = rows->integer(0),
                                .rank = rank_of(query_.sort, stream, price),
                                .place = rows->integer(3),
                                .market = rows->integer(2)};
      if (!is_wanted_market(query_, static_cast<Market>(candidate.market))) { continue; }
      TRY(const bool wanted, is_wanted(candidate));
      if (!wanted) { continue; }
      found_.push_back(candidate);
      last_price = price;
      ++taken;
    }
  }

  Result<bool> is_wanted(const Candidate& candidate) {
    auto place = places_.find(candidate.place);
    if (place == places_.end()) {
      TRY(const PlaceNames* names, reader_.place(candidate.place));
      place = places_.emplace(candidate.place, is_wanted_place(query_, *names)).first;
    }
    if (!place->second) { return false; }
    TRY(const bool superseded, tables_.is_superseded(candidate.id, candidate.place, candidate.market));
    if (superseded) { return false; }
    if (!needs_row_) { return true; }
    OfferRow row;
    TRY([[maybe_unused]] const Ok read, reader_.read_offer(candidate.id, now_, row));
    return is_wanted_row(query_, row);
  }

  /// By rank, then by the names of the place, then in the order in which the rows came.
  Status sort() {
    std::vector<std::pair<const PlaceNames*, std::int64_t>> places;
    for (const auto& place : places_) {
      TRY(const PlaceNames* names, reader_.place(place.first));
      places.emplace_back(names, place.first);
    }
    std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first->provider, a.first->region, a.first->zone) <
             std::tie(b.first->provider, b.first->region, b.first->zone);
    });
    std::unordered_map<std::int64_t, std::size_t> order;
    for (std::size_t i = 0; i < places.size(); ++i) { order.emplace(places[i].second, i); }
    std::vector<std::pair<std::size_t, Candidate>> keyed;
    keyed.reserve(found_.size());
    for (const Candidate& candidate : found_) { keyed.emplace_back(order.at(candidate.place), candidate); }
    std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
      return std::tie(a.second.rank, a.first, a.second.market, a.second.id) <
             std::tie(b.second.rank, b.first, b.second.market, b.second.id);
    });
    for (std::size_t i = 0; i < keyed.size(); ++i) { found_[i] = keyed[i].second; }
    return Ok{};
  }

  CatalogDb& db_;
  Reader& reader_;
  const OfferQuery& query_;
  Instant now_;
  bool needs_row_;
  TableRows tables_;
  std::unordered_map<std::int64_t, bool> places_ = {};
  std::vector<Candidate> found_ = {};
};

}  // namespace

bool is_wanted_place(const OfferQuery& query, const PlaceNames& place) {
  const bool provider = query.providers.empty() || std::find(query.providers.begin(), query.providers.end(),
                                                             place.provider) != query.providers.end();
  return provider && (query.regions.empty() ||
                      std::any_of(query.regions.begin(), query.regions.end(), [&place](const auto& wanted) {
                        return is_in_region(wanted, place.region);
                      }));
}

bool is_wanted_market(const OfferQuery& query, Market market) {
  return query.markets.empty() ||
         std::find(query.markets.begin(), query.markets.end(), market) != query.markets.end();
}

bool is_wanted_gpu(const OfferQuery& query, const GpuModel* model, int count) {
  if (!asks_for_gpu(query)) { return true; }
  if (model == nullptr || (query.exact_count && count != query.gpu->count)) { return false; }
  return matches(*query.gpu, accelerator_of(*model, count));
}

Result<std::vector<Candidate>> scan_offers(CatalogDb& db, Reader& reader, const OfferQuery& query,
                                           Instant now) {
  return Scan(db, reader, query, now).run();
}

}  // namespace gpubroker
