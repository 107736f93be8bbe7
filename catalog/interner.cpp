#include "catalog/interner.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

constexpr char kBetween = '\x1f';

}  // namespace

Result<Interner> Interner::load(CatalogDb& db, const std::string& table, const std::string& column) {
  Interner interner(db, "INSERT INTO " + table + " (id, " + column + ") VALUES (?, ?)");
  TRY(const StatementLoan query, db.take("SELECT id, " + column + " FROM " + table));
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return interner; }
    const std::int64_t id = query->integer(0);
    interner.ids_.emplace(query->text(1), id);
    interner.next_ = std::max(interner.next_, id + 1);
  }
}

Result<std::int64_t> Interner::id(std::string_view text) {
  const auto known = ids_.find(text);
  if (known != ids_.end()) { return known->second; }
  TRY(const StatementLoan insert, db_->take(insert_));
  TRY([[maybe_unused]] const Ok done, insert->bind(next_).bind(text).finish());
  ids_.emplace(std::string(text), next_);
  return next_++;
}

Result<Places> Places::load(CatalogDb& db) {
  Places places(db);
  TRY(const StatementLoan query, db.take("SELECT coalesce(max(id), 0) + 1 FROM place"));
  TRY([[maybe_unused]] const bool row, query->step());
  places.next_ = query->integer(0);
  return places;
}

Status Places::read_cloud(const std::string& provider) {
  if (!clouds_.insert(provider).second) { return Ok{}; }
  TRY(const StatementLoan query, db_->take("SELECT id, region, zone FROM place WHERE provider = ?"));
  query->bind(std::string_view(provider));
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return Ok{}; }
    keep(query->integer(0), provider, query->view(1), query->view(2));
  }
}

Place Places::keep(std::int64_t id, std::string_view provider, std::string_view region,
                   std::string_view zone) {
  std::string key(provider);
  key += kBetween;
  key += region;
  const auto [at, fresh] = regions_.emplace(key, static_cast<std::int64_t>(regions_.size()) + 1);
  const Place place{.id = id, .region = at->second};
  known_.emplace(id, Known{.region = at->second, .name = std::string(region)});
  key += kBetween;
  key += zone;
  places_.emplace(std::move(key), place);
  return place;
}

Result<Place> Places::find(const std::string& provider, const std::string& region, const std::string& zone) {
  if (region != region_ || provider != provider_) {
    provider_ = provider;
    region_ = region;
    zones_.clear();
  }
  for (const auto& [name, place] : zones_) {
    if (name == zone) { return place; }
  }
  TRY(const Place place, find_or_make(provider, region, zone));
  zones_.emplace_back(zone, place);
  return place;
}

Result<Place> Places::find_or_make(const std::string& provider, const std::string& region,
                                   const std::string& zone) {
  TRY([[maybe_unused]] const Ok read, read_cloud(provider));
  std::string key = provider;
  key += kBetween;
  key += region;
  key += kBetween;
  key += zone;
  const auto known = places_.find(key);
  if (known != places_.end()) { return known->second; }
  TRY(const StatementLoan insert,
      db_->take("INSERT INTO place (id, provider, region, zone) VALUES (?, ?, ?, ?)"));
  TRY([[maybe_unused]] const Ok done, insert->bind(next_).bind(provider).bind(region).bind(zone).finish());
  return keep(next_++, provider, region, zone);
}

Result<const Places::Known*> Places::known(std::int64_t place) {
  auto at = known_.find(place);
  if (at == known_.end()) {
    std::string provider;
    {
      TRY(const StatementLoan query, db_->take("SELECT provider FROM place WHERE id = ?"));
      TRY(const bool found, query->bind(place).step());
      if (!found) { return static_cast<const Known*>(nullptr); }
      provider = query->text(0);
    }
    TRY([[maybe_unused]] const Ok read, read_cloud(provider));
    at = known_.find(place);
  }
  return at == known_.end() ? nullptr : static_cast<const Known*>(&at->second);
}

Result<std::string_view> Places::region_name(std::int64_t place) {
  TRY(const Known* found, known(place));
  return found == nullptr ? std::string_view{} : std::string_view(found->name);
}

Result<std::int64_t> Places::region_of(std::int64_t place) {
  TRY(const Known* found, known(place));
  return found == nullptr ? 0 : found->region;
}

}  // namespace gpubroker
