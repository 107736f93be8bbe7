#pragma once
#include <string>
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
  /// Has these providers asked anew what they sell, side by side; the next offers() knows what came.
  /// Providers that are not known, or were asked a moment ago, are passed over.
  virtual Status ask_again(const std::vector<std::string>& /*providers*/) { return Ok{}; }
};

}  // namespace gpubroker
