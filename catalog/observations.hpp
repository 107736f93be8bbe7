#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog_db.hpp"
#include "core/base/offer.hpp"

namespace gpubroker {

/// What became of an attempt to have a machine.
enum class ObservationKind : std::uint8_t {
  launched,
  capacity,   // the cloud had none
  preempted,  // it was taken back
  quota,      // the account may not have it
};
std::string_view to_string(ObservationKind kind);

struct Observation {
  ObservationKind kind = ObservationKind::launched;
  OfferKey key = {};
  Instant at = {};
};

/// An observation counts half after this long: stock of GPUs turns over within hours.
constexpr Millis kObservationHalfLife = std::chrono::hours{6};

/// Keeps what a launch met; drops what is too old to count.
Status observe(CatalogDb& db, const Observation& observation, Instant now);

/// What all launches from here have met, as far as it still counts.
class Chances {
 public:
  static Result<Chances> load(CatalogDb& db, Instant now);
  /// How likely a launch is to find a machine, in percent: 100 when nothing speaks against it, 50 right after
  /// one refusal for want of stock, 25 after one for quota (only a person can change that), and back up with
  /// time. A zone counts for its own and, where the key has none, for the region.
  [[nodiscard]] int percent(const OfferKey& key) const;

 private:
  struct Met {
    std::string zone = {};
    double good = 0;
    double bad = 0;
  };
  std::map<OfferKey, std::vector<Met>> met_ = {};  // by the key without its zone
};

}  // namespace gpubroker
