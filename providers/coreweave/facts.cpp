#include "providers/coreweave/facts.hpp"

#include <array>
#include <chrono>

namespace gpubroker::coreweave {
namespace {

constexpr Instant day(int year, unsigned month, unsigned of_month) {
  const std::chrono::sys_days days =
      std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(of_month);
  return {Millis{days.time_since_epoch()}.count()};
}
constexpr Instant kOnDemandAsOf = day(2026, 10, 4);
constexpr Instant kSpotAsOf = day(2026, 9, 20);
constexpr std::string_view kNorthAmerica = "north-america";

struct Row {
  std::string_view type;
  std::string_view gpu;
  std::string_view form;
  int memory_gib;
  int gpus;
  int vcpus;
  int ram_gib;
  std::int64_t price_micros;  // a whole node; 0: by sales
  std::int64_t spot_micros;   // 0: not sold as spot
  Fabric fabric;
  int nvlink;
};
// Source: coreweave.com/pricing, North America, on demand as transcribed on 2026-10-04, spot on 2026-09-20;
// types by docs.coreweave.com. "-e" types have RoCE. Superchips (GH200, GB200, GB300) are never spot.
constexpr std::array kRows = {
    Row{"gb300-4x", "GB300", "", 279, 4, 144, 960, 0, 0, Fabric::infiniband, 72},
    Row{"gb300-4x-e", "GB300", "", 279, 4, 144, 960, 0, 0, Fabric::roce, 72},
    Row{"gb200-4x", "GB200", "", 186, 4, 144, 960, 42'000'000, 0, Fabric::infiniband, 72},
    Row{"b300-8x", "B300", "SXM", 270, 8, 192, 4096, 0, 35'840'000, Fabric::infiniband, 8},
    Row{"b200-8x", "B200", "SXM", 180, 8, 128, 2048, 68'800'000, 34'110'000, Fabric::infiniband, 8},
    Row{"gd-8xh200ib-i128", "H200", "SXM", 141, 8, 128, 2048, 50'440'000, 20'930'000, Fabric::infiniband, 8},
    Row{"gd-8xh100ib-i128", "H100", "SXM", 80, 8, 128, 2048, 49'240'000, 19'710'000, Fabric::infiniband, 8},
    Row{"gd-1xgh200", "GH200", "", 96, 1, 72, 480, 6'500'000, 0, Fabric::unknown, 1},
    Row{"gd-8xa100-i128", "A100", "SXM", 80, 8, 128, 2048, 21'600'000, 9'650'000, Fabric::unknown, 8},
};

bool is_superchip(const Row& row) {
  return row.gpu.substr(0, 1) == "G";
}

Listing make_listing(const Row& row, std::string_view region, Market market, bool is_priced) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "coreweave",
               .region = std::string(region),
               .instance_type = std::string(row.type),
               .market = market};
  offer.gpu = {.form = std::string(row.form), .memory_gib = row.memory_gib, .count = row.gpus};
  offer.vcpus = row.vcpus;
  offer.memory_mib = row.ram_gib * std::int64_t{1024};
  const bool is_spot = market == Market::spot;
  offer.price = {is_priced ? (is_spot ? row.spot_micros : row.price_micros) : 0};
  offer.learnt_at = is_spot ? kSpotAsOf : kOnDemandAsOf;
  listing.gpu_text = row.gpu;
  listing.arch = is_superchip(row) ? "arm64" : "x86_64";
  listing.fabric = row.fabric;
  listing.nvlink_domain = row.nvlink;
  listing.basis = offer.price == Rate{} ? PriceBasis::quote : PriceBasis::table;
  return listing;
}

std::vector<Listing> listings_of(const Row& row, std::string_view region, std::string_view source,
                                 bool is_priced) {
  std::vector<Listing> listings{make_listing(row, region, Market::on_demand, is_priced)};
  if (row.spot_micros > 0) { listings.push_back(make_listing(row, region, Market::spot, is_priced)); }
  for (Listing& listing : listings) { listing.offer.source = source; }
  return listings;
}

}  // namespace

std::vector<Listing> listings_in(std::string_view type, std::string_view zone) {
  const bool is_north_america = zone.substr(0, 3) == "US-" || zone.substr(0, 3) == "CA-";
  for (const Row& row : kRows) {
    if (row.type == type) { return listings_of(row, zone, "coreweave/zones", is_north_america); }
  }
  return {};
}

Harvest price_table() {
  Harvest harvest;
  for (const Row& row : kRows) {
    const std::vector<Listing> listings = listings_of(row, kNorthAmerica, "coreweave/price-table", true);
    harvest.listings.insert(harvest.listings.end(), listings.begin(), listings.end());
  }
  return harvest;
}

}  // namespace gpubroker::coreweave
