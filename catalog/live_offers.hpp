#pragma once
#include <vector>

#include "core/ports/offer_source.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker {

/// Offers asked from the providers at each call. The providers must outlive it.
class LiveOffers : public OfferSource {
 public:
  explicit LiveOffers(std::vector<Provider*> providers) : providers_(std::move(providers)) {}

  /// Sorted by key. A provider that fails is left out and logged; when all fail, the first one's error is
  /// returned.
  Result<std::vector<Offer>> offers() override;

 private:
  std::vector<Provider*> providers_;
};

}  // namespace gpubroker
