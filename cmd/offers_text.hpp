#pragma once
// Offers of the catalog as people read them (offers_data.hpp: as programs do). Pure.
#include <string>
#include <vector>

#include "catalog/query.hpp"
#include "cmd/table.hpp"

namespace gpubroker {

struct OfferColumns {
  bool wide = false;
  int nodes = 1;         // the price is of so many machines
  bool relative = true;  // times; else RFC 3339
};
Table offer_table(const std::vector<OfferRow>& rows, const OfferColumns& columns, Instant now);

/// Everything that is known of an offer and from where: a block of lines.
std::string explain_offer(const OfferRow& row, int nodes, Instant now);

/// Why nothing was found and what is nearest: the message and hint of an error.
Error nothing_found(const NearMiss& miss, Instant now);

Table quarantine_table(const std::vector<QuarantineRow>& rows, Instant now, bool relative);

/// Of so many machines at once.
Rate of_gang(const OfferRow& row, int nodes);
/// "8 x H100 SXM 80GB".
std::string gpu_text(const Listing& listing);
/// "12 now", "low", "score 7/10", "sold out"; "unknown" when nobody says. Never "available" from a price
/// list.
std::string availability_text(const OfferRow& row);

}  // namespace gpubroker
