#include "catalog/observations.hpp"

#include <array>
#include <cmath>

#include "catalog/interner.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"launched", "capacity", "preempted"};
constexpr Millis kForgotten = kObservationHalfLife * 8;  // counts for less than half a percent

}  // namespace

std::string_view to_string(ObservationKind kind) {
  return kKinds.at(static_cast<std::size_t>(kind));
}

Status observe(CatalogDb& db, const Observation& observation, Instant now) {
  TRY(Transaction transaction, Transaction::begin(db.handle(), db.path()));
  TRY(const StatementLoan forget, db.take("DELETE FROM observation WHERE at_ms < ?"));
  TRY([[maybe_unused]] const Ok forgotten, forget->bind((now - kForgotten).ms).finish());
  TRY(Places places, Places::load(db));
  TRY(Interner names, Interner::load(db, "name", "text"));
  const OfferKey& key = observation.key;
  TRY(const Place place, places.find(key.provider, key.region, key.zone));
  TRY(const std::int64_t type, names.id(key.instance_type));
  TRY(const StatementLoan insert, db.take("INSERT INTO observation (place_id, instance_type_id, market, "
                                          "kind, at_ms) VALUES (?, ?, ?, ?, ?)"));
  insert->bind(place.id).bind(type).bind(static_cast<std::int64_t>(key.market));
  insert->bind(static_cast<std::int64_t>(observation.kind));
  TRY([[maybe_unused]] const Ok done, insert->bind(observation.at.ms).finish());
  return transaction.commit();
}

Result<int> chance_percent(CatalogDb& db, const OfferKey& key, Instant now) {
  TRY(const StatementLoan query,
      db.take("SELECT kind, at_ms FROM observation JOIN place ON place.id = place_id JOIN name ON name.id = "
              "instance_type_id WHERE provider = ?1 AND region = ?2 AND (zone = ?3 OR zone = '' OR ?3 = '') "
              "AND text = ?4 "
              "AND market = ?5 AND at_ms >= ?6 AND at_ms <= ?7"));
  query->bind(std::string_view(key.provider))
      .bind(std::string_view(key.region))
      .bind(std::string_view(key.zone));
  query->bind(std::string_view(key.instance_type)).bind(static_cast<std::int64_t>(key.market));
  query->bind((now - kForgotten).ms).bind(now.ms);
  // As if one launch had succeeded: nothing known is no doubt, one refusal is an even chance.
  double good = 1;
  double bad = 0;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { break; }
    const auto age = static_cast<double>(now.ms - query->integer(1));
    const double weight = std::exp2(-age / static_cast<double>(kObservationHalfLife.count()));
    (query->integer(0) == static_cast<std::int64_t>(ObservationKind::launched) ? good : bad) += weight;
  }
  return static_cast<int>(std::lround(100 * good / (good + bad)));
}

}  // namespace gpubroker
