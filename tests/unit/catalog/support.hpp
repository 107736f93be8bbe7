#pragma once
// What the tests of the catalog share: listings made in one line, a catalog of a test's own.
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "catalog/ingest.hpp"
#include "catalog/query.hpp"
#include "core/base/text.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker::catalog_test {

constexpr Instant kNow{1'795'521'600'000};
constexpr Millis kMinute{60'000};
constexpr Millis kHour{3'600'000};

inline Rate usd(const std::string& text) {
  return {parse_money(text).value().micros};
}

/// "aws/us-east-1/us-east-1a/p5.48xlarge/spot"; the zone may be left out.
inline OfferKey key(const std::string& text) {
  std::vector<std::string> parts = split(text, '/');
  if (parts.size() == 4) { parts.insert(parts.begin() + 2, ""); }
  REQUIRE(parts.size() == 5);
  return {parts[0], parts[1], parts[2], parts[3], market_from(parts[4]).value()};
}

inline Listing listing(const std::string& name, const std::string& gpu, int count, const std::string& price) {
  Listing made;
  made.offer.key = key(name);
  made.offer.gpu.count = count;
  made.offer.price = usd(price);
  made.offer.vcpus = 24 * count;
  made.offer.memory_mib = std::int64_t{262'144} * count;
  made.offer.source = "a test";
  made.gpu_text = gpu;
  made.basis = made.offer.key.market == Market::spot ? PriceBasis::market : PriceBasis::list;
  return made;
}

/// A catalog in a folder that is gone at the end.
class World {
 public:
  explicit World(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
      : folder_(parent) {
    db_ = open();
  }
  [[nodiscard]] std::string path() const { return folder_ / "catalog.db"; }
  [[nodiscard]] std::unique_ptr<CatalogDb> open(OpenMode mode = OpenMode::read_write) const {
    Result<std::unique_ptr<CatalogDb>> opened = CatalogDb::open(path(), mode);
    const std::string why = opened.ok() ? "" : opened.error().message;
    CAPTURE(why);
    REQUIRE(opened.ok());
    return std::move(opened).value();
  }
  CatalogDb& db() { return *db_; }

  IngestReport take(const std::string& source, const Harvest& harvest, const IngestOptions& options = {}) {
    Result<IngestReport> report = ingest(*db_, source, harvest, now, options);
    const std::string why = report.ok() ? "" : report.error().message;
    CAPTURE(why);
    REQUIRE(report.ok());
    return std::move(report).value();
  }
  IngestReport take(const std::string& source, std::vector<Listing> listings) {
    Harvest harvest;
    harvest.listings = std::move(listings);
    return take(source, harvest);
  }
  std::vector<OfferRow> find(const OfferQuery& query = {}) {
    Result<std::vector<OfferRow>> rows = find_offers(*db_, query, now);
    const std::string why = rows.ok() ? "" : rows.error().message;
    CAPTURE(why);
    REQUIRE(rows.ok());
    return std::move(rows).value();
  }
  /// "aws/us-east-1/p5.48xlarge/on_demand 55.04", in the order of the answer.
  std::vector<std::string> names(const OfferQuery& query = {}) {
    std::vector<std::string> all;
    for (const OfferRow& row : find(query)) {
      all.push_back(format_offer_key(row.listing.offer.key) + " " +
                    format_money({row.listing.offer.price.micros_per_hour}));
    }
    return all;
  }
  std::vector<QuarantineRow> kept_back() { return find_quarantined(*db_, {}).value(); }
  /// "0m 55.04, 5m gone": minutes since kNow.
  std::string history(const std::string& name, Instant since = {}) {
    const std::vector<PriceSeries> all = read_history(*db_, {}, since).value();
    for (const PriceSeries& series : all) {
      if (series.key != key(name)) { continue; }
      std::vector<std::string> points;
      for (const PriceChange& point : series.prices) {
        points.push_back(std::to_string((point.at - kNow) / kMinute) + "m " +
                         (point.price ? format_money({point.price->micros_per_hour}) : "gone"));
      }
      return join(points, ", ");
    }
    return "no history";
  }
  std::int64_t number(const std::string& sql) {
    const Result<StatementLoan> query = db_->take(sql);
    REQUIRE(query.ok());
    REQUIRE(query.value()->step().value());
    return query.value()->integer(0);
  }

  Instant now = kNow;

 private:
  testing::TemporaryFolder folder_;
  std::unique_ptr<CatalogDb> db_;
};

inline GpuSpec gpu(const std::string& text) {
  return resolve_gpu_spec(parse_gpu_spec(text).value()).value();
}

}  // namespace gpubroker::catalog_test
