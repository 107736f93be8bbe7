#pragma once
#include <optional>

#include "catalog/query.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/offer_source.hpp"

namespace gpubroker {

/// Offers of the catalog that a plan may use: a price is known, nobody doubts it, and it was told lately (or
/// the cloud tells the offer, and its price can only be a table's). Of several of one key and GPU (asks of a
/// market, zones of a region apart) the cheapest. The catalog and the clock must outlive it.
class CatalogOffers final : public OfferSource {
 public:
  CatalogOffers(CatalogDb& db, Clock& clock, Millis max_age, OfferQuery query = {})
      : db_(db), clock_(clock), max_age_(max_age), query_(std::move(query)) {}

  /// Sorted by key. Errors as CatalogDb::open's.
  Result<std::vector<Offer>> offers() override;

 private:
  CatalogDb& db_;
  Clock& clock_;
  Millis max_age_;
  OfferQuery query_;
};

}  // namespace gpubroker
