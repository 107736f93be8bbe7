#pragma once
#include <string>
#include <vector>

#include "core/base/offer.hpp"
#include "core/base/resources.hpp"
#include "core/plan/patience.hpp"

namespace gpubroker {

/// What a gang is looked for with.
struct GangNeed {
  std::vector<ResourceNeed> any_of = {};
  bool ordered = false;  // by the order of any_of first, then by price
  int nodes = 1;
};

/// An offer that was looked at, and why it is not taken; `why` empty: it is a candidate.
struct Judged {
  Offer offer = {};
  int preference = 0;    // index into any_of when ordered, then the market's place; smaller is better. Of a
                         // candidate only
  std::string why = {};  // with several needs: of the one that came nearest
  std::string kind =
      {};  // of the reason, one word: "place", "market", "gpu", "size", "price", "cpu", or an error's kind
};

/// What may be booked, best first.
struct Candidates {
  std::vector<const Offer*> best = {};  // among the offers that were given
  std::size_t count = 0;                // of candidates, shown or not
  std::size_t of = 0;                   // offers looked at
};

/// The best `most` candidates, in the order of rank_offers and quicker than it. Pure and total.
Candidates find_candidates(const std::vector<Offer>& offers, const GangNeed& need,
                           const std::vector<Refusal>& refusals, Instant now, std::size_t most);

/// Judges every offer; candidates first, best first: preference, then price by the chance to get it, then
/// name. The rest follows by name, with the reason: "price 2.99 above 2.80", "3 of 4 free", "refused 2m ago:
/// quota". Pure and total.
std::vector<Judged> rank_offers(const std::vector<Offer>& offers, const GangNeed& need,
                                const std::vector<Refusal>& refusals, Instant now);

}  // namespace gpubroker
