#include "catalog/catalog_offers.hpp"

#include <algorithm>

#include "catalog/scan.hpp"

namespace gpubroker {
namespace {

/// A cloud may tell today that it sells a thing, and its price be only in a table of ours, which has a date:
/// no younger price will come. A row of the table itself does not even say that the thing is there.
bool is_of_table(const Listing& listing) {
  return listing.basis == PriceBasis::table && !is_price_table(listing.offer.source);
}

}  // namespace

Result<std::vector<Offer>> CatalogOffers::offers() {
  const Instant now = clock_.now();
  OfferQuery query = query_;
  query.with_quotes = false;
  query.sort = OfferSort::price;
  std::map<std::pair<OfferKey, Accelerator>, Offer> cheapest;  // rows come by price: the first stays
  const auto runs_agent = [this](const std::string& cpu) {
    return cpu.empty() || cpus_.empty() || std::find(cpus_.begin(), cpus_.end(), cpu) != cpus_.end();
  };
  const auto take = [&, this](const OfferRow& row) {
    const Offer& offer = row.listing.offer;
    if (now - offer.learnt_at > max_age_ && !is_of_table(row.listing)) { return; }
    const auto [at, fresh] = cheapest.emplace(std::pair{offer.key, offer.gpu}, offer);
    if (fresh) {
      at->second.chance_percent = row.chance_percent;
      if (!runs_agent(row.listing.arch)) { at->second.cpu_without_agent = row.listing.arch; }
    }
    if (!fresh && at->second.available && offer.available) { *at->second.available += *offer.available; }
  };
  TRY([[maybe_unused]] const std::size_t found, visit_offers(db_, query, now, take));
  std::vector<Offer> offers;
  offers.reserve(cheapest.size());
  for (auto& offer : cheapest) { offers.push_back(std::move(offer.second)); }
  return offers;
}

}  // namespace gpubroker
