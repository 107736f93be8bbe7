#pragma once
#include <optional>
#include <string>
#include <vector>

#include "catalog/query.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/offer_source.hpp"

namespace gpubroker {

/// Offers of the catalog that a plan may use: a price is known, nobody doubts it, and it was told lately (or
/// the cloud tells the offer, and its price can only be a table's). Of several of one key and GPU (asks of a
/// market, zones of a region apart) the cheapest. A machine of a CPU that is none of `cpus` is said to be
/// without agent; an empty list is all of them. The catalog and the clock must outlive it.
class CatalogOffers final : public OfferSource {
 public:
  CatalogOffers(CatalogDb& db, Clock& clock, Millis max_age, OfferQuery query = {},
                std::vector<std::string> cpus = {})
      : db_(db), clock_(clock), max_age_(max_age), query_(std::move(query)), cpus_(std::move(cpus)) {}

  /// Sorted by key. Errors as CatalogDb::open's.
  Result<std::vector<Offer>> offers() override;

 private:
  CatalogDb& db_;
  Clock& clock_;
  Millis max_age_;
  OfferQuery query_;
  std::vector<std::string> cpus_;
};

}  // namespace gpubroker
