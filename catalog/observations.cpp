#include "catalog/observations.hpp"

#include <array>
#include <cmath>

#include "catalog/interner.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 4> kKinds = {"launched", "capacity", "preempted", "quota"};
constexpr int kCertain = 100;
constexpr double kQuotaWeight = 3;
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

Result<Chances> Chances::load(CatalogDb& db, Instant now) {
  TRY(const StatementLoan query,
      db.take("SELECT provider, region, zone, text, market, kind, at_ms FROM observation JOIN place ON "
              "place.id = "
              "place_id JOIN name ON name.id = instance_type_id WHERE at_ms >= ?1 AND at_ms <= ?2"));
  query->bind((now - kForgotten).ms).bind(now.ms);
  Chances chances;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return chances; }
    const OfferKey key{.provider = query->text(0),
                       .region = query->text(1),
                       .instance_type = query->text(3),
                       .market = static_cast<Market>(query->integer(4))};
    const auto age = static_cast<double>(now.ms - query->integer(6));
    const double weight = std::exp2(-age / static_cast<double>(kObservationHalfLife.count()));
    Met met{.zone = query->text(2)};
    switch (static_cast<ObservationKind>(query->integer(5))) {
      case ObservationKind::launched:
        met.good = weight;
        break;
      case ObservationKind::quota:
        met.bad = kQuotaWeight * weight;
        break;
      case ObservationKind::capacity:
      case ObservationKind::preempted:
        met.bad = weight;
        break;
    }
    chances.met_[key].push_back(std::move(met));
  }
}

int Chances::percent(const OfferKey& key) const {
  if (met_.empty()) { return kCertain; }
  OfferKey anywhere = key;
  anywhere.zone.clear();
  const auto found = met_.find(anywhere);
  if (found == met_.end()) { return kCertain; }
  // As if one launch had succeeded: nothing known is no doubt, one refusal is an even chance.
  double good = 1;
  double bad = 0;
  for (const Met& met : found->second) {
    if (!key.zone.empty() && !met.zone.empty() && met.zone != key.zone) { continue; }
    good += met.good;
    bad += met.bad;
  }
  return static_cast<int>(std::lround(kCertain * good / (good + bad)));
}

}  // namespace gpubroker
