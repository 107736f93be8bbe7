#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog_db.hpp"
#include "catalog/gpu_models.hpp"
#include "core/base/listing.hpp"

namespace gpubroker {

enum class OfferSort : std::uint8_t { price, price_per_gpu, price_per_tflop };  // BF16, dense
std::string_view to_string(OfferSort sort);
std::optional<OfferSort> offer_sort_from(std::string_view name);

/// What is looked for. Empty lists and absent limits leave nothing out.
struct OfferQuery {
  std::optional<GpuSpec> gpu = {};  // resolved (resolve_gpu_spec); absent: any machine
  bool exact_count = false;         // not more GPUs per machine than asked for
  int nodes = 1;                    // with only_available: so many machines at once
  std::vector<Market> markets = {};
  std::vector<std::string> providers = {};
  std::vector<std::string> regions = {};  // as is_in_region: "us-east", "eu", "us-east-1"
  std::vector<std::string> instance_types = {};
  std::vector<Fabric> fabrics = {};
  bool nvlink = false;  // all GPUs of the machine joined
  std::optional<Rate> max_price = {};
  std::optional<Rate> max_price_per_gpu = {};
  bool only_available = false;  // somebody says that there are machines now
  std::string seller = {};
  std::optional<Instant> learnt_since = {};
  bool with_quotes = true;  // rows that have no price; they come last
  OfferSort sort = OfferSort::price_per_gpu;
  std::size_t limit = 0;  // 0: all
};

struct ZoneSignal {
  std::string zone = {};
  Availability availability = {};
  bool operator==(const ZoneSignal&) const = default;
};

/// An offer as the catalog knows it.
struct OfferRow {
  Listing listing = {};             // offer.gpu as resolved, offer.learnt_at when it was last told
  const GpuModel* model = nullptr;  // null: no GPU
  std::string feed = {};            // "aws/price-list"
  Instant price_since = {};         // the price of this key is so old
  /// What is said of this place and type apart from the price list, by signals.
  std::vector<Availability> signals = {};
  /// Of an offer for all of a region: what is said of its zones, by zone. Of kind unknown: it is sold there.
  std::vector<ZoneSignal> zones = {};
  std::optional<int> reclaimed_percent_most = {};
  int chance_percent = 100;  // by what our own launches met there lately; 100: nothing known against it
};

/// Price per GPU and hour, rounded to the nearest micro-dollar; the whole price where there is no GPU.
Rate price_per_gpu(const Offer& offer);
/// Micro-dollars per hour of 1000 BF16 TFLOPS; nothing when the figure is unknown.
std::optional<Rate> price_per_petaflop(const OfferRow& row);

/// Best first; ties by name. Never quarantined rows.
Result<std::vector<OfferRow>> find_offers(CatalogDb& db, const OfferQuery& query, Instant now);
/// The same, one by one, each valid during its call: all offers need 250 MB of rows. How many there were.
Result<std::size_t> visit_offers(CatalogDb& db, const OfferQuery& query, Instant now,
                                 const std::function<void(const OfferRow&)>& visit);

/// One constraint of a query that found nothing.
struct Constraint {
  std::string what = {};          // "market", "region", "max_price" …: the query's field
  std::string asked = {};         // "spot", "eu", "2.80"
  std::int64_t left_without = 0;  // offers that would be found if this alone were dropped
  std::string best = {};          // what the nearest of those has instead: "2.99", "us-east-1, us-west-2"
};
/// Why nothing was found, and what comes nearest.
struct NearMiss {
  std::int64_t of_that_gpu = 0;  // offers with the GPU asked for, everything else left open
  std::vector<Constraint> constraints = {};
  std::vector<OfferRow> alternatives = {};  // few; each breaks as few constraints as possible
  std::int64_t quarantined = 0;             // rows that would match but for the gate
};
Result<NearMiss> explain_nothing(CatalogDb& db, const OfferQuery& query, Instant now);

struct QuarantineRow {
  Listing listing = {};  // as told; offer.gpu as far as resolved
  std::string feed = {};
  std::string rule = {};    // "zero_price"
  std::string reason = {};  // for a person
  Instant since = {};
  Instant told_at = {};
};
/// What the gate keeps back, by feed and name. Of a query only gpu, markets, providers, regions and limit
/// count; a row whose GPU is unknown matches any.
Result<std::vector<QuarantineRow>> find_quarantined(CatalogDb& db, const OfferQuery& query);

struct PriceChange {
  Instant at = {};
  std::optional<Rate> price = {};  // the cheapest; absent: no longer sold
  bool operator==(const PriceChange&) const = default;
};
struct AvailabilityChange {
  Instant at = {};
  AvailabilityKind kind = AvailabilityKind::unknown;
  int value = 0;
  bool operator==(const AvailabilityChange&) const = default;
};
struct PriceSeries {
  OfferKey key = {};
  Accelerator gpu = {};
  std::string feed = {};
  std::vector<PriceChange> prices =
      {};  // ascending; the first may be from before `since`: it was in force then
  std::vector<AvailabilityChange> availability = {};
};
/// The changes since `since`, by key. Of a query gpu, markets, providers, regions, instance_types and limit
/// (of series) count.
Result<std::vector<PriceSeries>> read_history(CatalogDb& db, const OfferQuery& query, Instant since);

/// What is sold of one model.
struct ModelSummary {
  const GpuModel* model = nullptr;
  std::int64_t offers = 0;
  std::optional<Rate> cheapest_on_demand = {};  // per GPU
  std::optional<Rate> cheapest_spot = {};       // per GPU
  std::vector<std::string> providers = {};
};
/// Of every model that is sold, in the order of gpu_models().
Result<std::vector<ModelSummary>> summarize_models(CatalogDb& db);

}  // namespace gpubroker
