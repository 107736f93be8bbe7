#include "catalog/catalog_offers.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

/// A cloud may tell today that it sells a thing, and its price be only in a table of ours, which has a date:
/// no younger price will come. A row of the table itself does not even say that the thing is there.
bool is_of_table(const Listing& listing) {
  return listing.basis == PriceBasis::table && !listing.offer.source.ends_with("/price-table");
}

}  // namespace

Result<std::vector<Offer>> CatalogOffers::offers() {
  const Instant now = clock_.now();
  OfferQuery query = query_;
  query.with_quotes = false;
  query.sort = OfferSort::price;
  TRY(const std::vector<OfferRow> rows, find_offers(db_, query, now));
  std::map<std::pair<OfferKey, Accelerator>, Offer> cheapest;  // rows come by price: the first stays
  for (const OfferRow& row : rows) {
    const Offer& offer = row.listing.offer;
    if (now - offer.learnt_at > max_age_ && !is_of_table(row.listing)) { continue; }
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
