#include "catalog/booking_offers.hpp"

#include <algorithm>
#include <set>

#include "catalog/catalog_offers.hpp"
#include "core/base/log.hpp"

namespace gpubroker {
namespace {

constexpr Millis kReadAgain = std::chrono::minutes{1};  // what is too old to use drops out, and chances move

/// Changes whenever another connection has written.
Result<std::int64_t> data_version(CatalogDb& db) {
  TRY(StatementLoan query, db.take("PRAGMA data_version"));
  TRY([[maybe_unused]] const bool row, query->step());
  return query->integer(0);
}

}  // namespace

Result<std::vector<Offer>> BookingOffers::offers() {
  TRY(std::vector<Offer> all, live_.offers());
  if (catalog_.clouds.empty()) { return all; }
  if (const Status refreshed = refresh_stale(); !refreshed.ok()) {
    log_event(LogLevel::warn, "catalog.refresh_failed", {{"message", refreshed.error().message}});
  }
  TRY(const std::vector<Offer> known, read_catalog());
  all.insert(all.end(), known.begin(), known.end());
  std::sort(all.begin(), all.end(), [](const Offer& a, const Offer& b) { return a.key < b.key; });
  return all;
}

Status BookingOffers::ask_again(const std::vector<std::string>& providers) {
  const Instant now = clock_.now();
  std::vector<std::string> due;
  std::unique_lock<std::mutex> hold(mutex_);
  for (const std::string& cloud : providers) {
    const bool is_ours =
        std::find(catalog_.clouds.begin(), catalog_.clouds.end(), cloud) != catalog_.clouds.end();
    const Instant asked_at = asked_again_at_[cloud];
    if (!is_ours || (now - asked_at < kAskedNow && asked_at <= now)) { continue; }
    asked_again_at_[cloud] = now;
    due.push_back(cloud);
  }
  hold.unlock();
  return due.empty() ? Status(Ok{}) : catalog_.refresh(due);
}

Status BookingOffers::refresh_stale() {
  const Instant now = clock_.now();
  if (now - refreshed_at_ < kStale && refreshed_at_ <= now) { return Ok{}; }
  std::set<std::string> fresh;
  const Result<CatalogDb*> db = catalog_.open();
  if (db.ok()) {
    TRY(const std::vector<SourceRow> sources, read_sources(*db.value()));
    for (const SourceRow& source : sources) {
      if (now - source.tried_at < kStale) { fresh.insert(cloud_of(source.name)); }
    }
  }
  std::vector<std::string> stale;
  std::copy_if(catalog_.clouds.begin(), catalog_.clouds.end(), std::back_inserter(stale),
               [&](const std::string& cloud) { return fresh.count(cloud) == 0; });
  refreshed_at_ = now;
  return stale.empty() ? Status(Ok{}) : catalog_.refresh(stale);
}

Result<std::vector<Offer>> BookingOffers::read_catalog() {
  const Result<CatalogDb*> db = catalog_.open();
  if (!db.ok()) {
    if (db.error().kind == ErrorKind::not_found) { return std::vector<Offer>{}; }
    return db.error();
  }
  TRY(const std::int64_t version, data_version(*db.value()));
  const Instant now = clock_.now();
  if (version != version_ || now - read_at_ >= kReadAgain || now < read_at_) {
    CatalogOffers offers(*db.value(), clock_, kUsable, OfferQuery{.providers = catalog_.clouds},
                         catalog_.cpus);
    TRY(known_, offers.offers());
    version_ = version;
    read_at_ = now;
  }
  return known_;
}

}  // namespace gpubroker
