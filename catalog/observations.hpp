#pragma once
#include <cstdint>
#include <string_view>

#include "catalog/catalog_db.hpp"
#include "core/base/offer.hpp"

namespace gpubroker {

/// What became of an attempt to have a machine.
enum class ObservationKind : std::uint8_t {
  launched,
  capacity,   // the cloud had none
  preempted,  // it was taken back
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

/// How likely a launch is to find a machine, in percent, by what was observed there: 100 when nothing speaks
/// against it, 50 right after one refusal, and back up with time. A zone counts for its own and, where the
/// key has none, for the region.
Result<int> chance_percent(CatalogDb& db, const OfferKey& key, Instant now);

}  // namespace gpubroker
