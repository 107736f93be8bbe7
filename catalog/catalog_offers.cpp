#include "catalog/catalog_offers.hpp"

#include <algorithm>

namespace gpubroker {

Result<std::vector<Offer>> CatalogOffers::offers() {
  const Instant now = clock_.now();
  OfferQuery query = query_;
  query.with_quotes = false;
  query.sort = OfferSort::price;
  const Instant since = now - max_age_;
  query.learnt_since = query.learnt_since ? std::max(*query.learnt_since, since) : since;
  TRY(const std::vector<OfferRow> rows, find_offers(db_, query, now));
  std::map<std::pair<OfferKey, Accelerator>, Offer> cheapest;  // rows come by price: the first stays
  for (const OfferRow& row : rows) {
    const Offer& offer = row.listing.offer;
    const auto [at, fresh] = cheapest.emplace(std::pair{offer.key, offer.gpu}, offer);
    if (fresh) { at->second.chance_percent = row.chance_percent; }
    if (!fresh && at->second.available && offer.available) { *at->second.available += *offer.available; }
  }
  std::vector<Offer> offers;
  offers.reserve(cheapest.size());
  for (auto& offer : cheapest) { offers.push_back(std::move(offer.second)); }
  return offers;
}

}  // namespace gpubroker
