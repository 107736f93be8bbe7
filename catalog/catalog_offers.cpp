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
  std::map<std::pair<OfferKey, Accelerator>, Offer> cheapest;  // rows come by price: the first stays
  const auto take = [&cheapest](const OfferRow& row) {
    const Offer& offer = row.listing.offer;
    const auto [at, fresh] = cheapest.emplace(std::pair{offer.key, offer.gpu}, offer);
    if (fresh) { at->second.chance_percent = row.chance_percent; }
    if (!fresh && at->second.available && offer.available) { *at->second.available += *offer.available; }
  };
  TRY([[maybe_unused]] const std::size_t found, visit_offers(db_, query, now, take));
  std::vector<Offer> offers;
  offers.reserve(cheapest.size());
  for (auto& offer : cheapest) { offers.push_back(std::move(offer.second)); }
  return offers;
}

}  // namespace gpubroker
