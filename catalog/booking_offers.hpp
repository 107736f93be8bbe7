#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog_db.hpp"
#include "catalog/live_offers.hpp"
#include "core/ports/clock.hpp"

namespace gpubroker {

/// How the catalog is reached by BookingOffers.
struct BookingCatalog {
  std::vector<std::string> clouds = {};           // whose machines can be booked here
  std::vector<std::string> cpus = {};             // whose agents are carried; empty: all
  std::function<Result<CatalogDb*>()> open = {};  // `not_found` while nothing was ever refreshed
  std::function<Status(const std::vector<std::string>&)> refresh = {};  // asks these clouds' sources
};

/// What can be booked now: the live offers of providers that tell their own, and the catalog's for the
/// clouds. Their sources are asked again when the last try is older than kStale; what they told is used for a
/// day, whether they answer or not. One caller of offers() at a time; ask_again() may be called beside it.
class BookingOffers final : public OfferSource {
 public:
  static constexpr Millis kStale = std::chrono::minutes{30};
  static constexpr Millis kUsable = std::chrono::hours{24};

  BookingOffers(std::vector<Provider*> live, BookingCatalog catalog, Clock& clock)
      : live_(std::move(live)), catalog_(std::move(catalog)), clock_(clock) {}

  /// Sorted by key.
  Result<std::vector<Offer>> offers() override;
  /// Not those that were asked less than kAskedNow ago.
  Status ask_again(const std::vector<std::string>& providers) override;
  static constexpr Millis kAskedNow = std::chrono::minutes{1};

 private:
  Status refresh_stale();
  Result<std::vector<Offer>> read_catalog();

  LiveOffers live_;
  BookingCatalog catalog_;
  Clock& clock_;
  Instant refreshed_at_ = {};
  std::mutex mutex_ = {};
  std::map<std::string, Instant> asked_again_at_ = {};  // under mutex_
  std::int64_t version_ = -1;                           // of the catalog's data when `known_` was read
  Instant read_at_ = {};
  std::vector<Offer> known_ = {};
};

}  // namespace gpubroker
