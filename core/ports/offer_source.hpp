#pragma once
#include <vector>

#include "core/base/offer.hpp"
#include "core/base/result.hpp"

namespace gpubroker {

/// Where the broker learns what is on sale: the catalog.
class OfferSource {
 public:
  virtual ~OfferSource() = default;
  /// Every offer known now. One failing provider does not empty the answer; all failing is an error.
  virtual Result<std::vector<Offer>> offers() = 0;
};

}  // namespace gpubroker
