// gpubroker-bench-catalog: what the catalog costs. Prints one line of JSON.
//
//   gpubroker-bench-catalog fill <file> <rows>          makes a catalog of so many rows and says how fast;
//   then the same
//                                                       harvests again, unchanged; beside it what SQLite
//                                                       alone inserts
//   gpubroker-bench-catalog find <file> <spec> <limit>  one query in this fresh process: milliseconds and
//   peak memory
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <random>
#include <sys/resource.h>

#include "catalog/ingest.hpp"
#include "catalog/query.hpp"
#include "catalog/rows.hpp"
#include "catalog/schema.hpp"
#include "core/base/text.hpp"

namespace gpubroker::bench {
namespace {

double seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Wall clock, and the processor time beside it: what a busy machine does not change much.
class Watch {
 public:
  Watch() : wall_(now(CLOCK_MONOTONIC)), cpu_(now(CLOCK_PROCESS_CPUTIME_ID)) {}
  [[nodiscard]] double wall() const { return now(CLOCK_MONOTONIC) - wall_; }
  [[nodiscard]] double cpu() const { return now(CLOCK_PROCESS_CPUTIME_ID) - cpu_; }

 private:
  static double now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return seconds(time);
  }
  double wall_;
  double cpu_;
};

/// "offers_per_s":…,"offers_per_cpu_s":…
std::string rates(const std::string& what, int rows, const Watch& watch) {
  std::string text = "\"";
  text += what;
  text += "_per_s\":" + std::to_string(std::lround(rows / watch.wall())) + ",\"";
  text += what;
  return text + "_per_cpu_s\":" + std::to_string(std::lround(rows / watch.cpu()));
}

constexpr Instant kNow{1'795'521'600'000};

struct Type {
  const char* gpu;
  int memory_gib;
  int count;
  std::int64_t micros_per_gpu;
};
constexpr std::array kTypes = {
    Type{"H100 SXM5", 80, 8, 3'990'000},
    Type{"H100 SXM5", 80, 4, 4'090'000},
    Type{"H100 SXM5", 80, 1, 4'290'000},
    Type{"H200", 141, 8, 5'400'000},
    Type{"B200", 180, 8, 6'690'000},
    Type{"A100 SXM4", 80, 8, 2'790'000},
    Type{"A100 SXM4", 40, 8, 1'990'000},
    Type{"H100 PCIe", 80, 1, 3'290'000},
    Type{"GH200", 96, 1, 2'290'000},
    Type{"L40S", 48, 8, 1'290'000},
    Type{"L40S", 48, 1, 1'290'000},
    Type{"L4", 24, 1, 790'000},
    Type{"L4", 24, 4, 790'000},
    Type{"T4", 16, 1, 420'000},
    Type{"A10G", 24, 8, 2'030'000},
    Type{"A10G", 24, 1, 1'006'000},
    Type{"V100", 16, 8, 3'060'000},
    Type{"RTX 4090", 24, 1, 440'000},
    Type{"RTX 4090", 24, 8, 440'000},
    Type{"RTX A6000", 48, 1, 490'000},
    Type{"MI300X", 192, 8, 3'290'000},
    Type{"GB200", 186, 4, 10'500'000},
    Type{"RTX PRO 6000", 96, 1, 1'990'000},
    Type{"RTX 5090", 32, 1, 690'000},
    Type{"NVIDIA H100 NVL", 94, 2, 3'490'000},
};

/// One of twenty clouds: regions with zones, types on demand and on spot. The same number gives the same
/// harvest.
Harvest make_harvest(int cloud, int rows) {
  std::mt19937_64 random(static_cast<std::uint64_t>(cloud));
  constexpr std::array<const char*, 8> kParts = {"us-east",    "us-west",        "eu-north", "eu-west",
                                                 "asia-south", "asia-northeast", "sa-east",  "me-central"};
  constexpr int kRegions = 40;
  Harvest harvest;
  harvest.listings.reserve(static_cast<std::size_t>(rows));
  const std::string provider = "cloud" + std::to_string(cloud);
  for (int generation = 0;; ++generation) {
    for (int region = 0; region < kRegions; ++region) {
      const std::string region_name =
          std::string(kParts.at(static_cast<std::size_t>(region) % kParts.size())) +
          std::to_string(region / static_cast<int>(kParts.size()) + 1);
      for (std::size_t t = 0; t < kTypes.size(); ++t) {
        const Type& type = kTypes.at(t);
        for (const Market market : {Market::on_demand, Market::spot, Market::spot}) {
          if (static_cast<int>(harvest.listings.size()) == rows) { return harvest; }
          Listing listing;
          const bool is_spot = market == Market::spot;
          listing.offer.key = {provider, region_name,
                               is_spot ? region_name + (harvest.listings.size() % 2 == 0 ? "-a" : "-b") : "",
                               "gpu." + std::to_string(t) + "x" + std::to_string(generation), market};
          listing.offer.gpu = {.memory_gib = type.memory_gib, .count = type.count};
          listing.offer.vcpus = 24 * type.count;
          listing.offer.memory_mib = std::int64_t{240} * 1024 * type.count;
          const std::int64_t base = type.micros_per_gpu * type.count * (100 + cloud % 7) / 100;
          const auto spread = static_cast<std::int64_t>(random() % 20);
          listing.offer.price = {is_spot ? base * (20 + spread) / 100 : base * (100 + region % 5) / 100};
          listing.offer.source = provider + (is_spot ? " spot prices" : " price list");
          listing.gpu_text = type.gpu;
          listing.arch = "x86_64";
          listing.fabric = Fabric::ethernet;
          listing.basis = is_spot ? PriceBasis::market : PriceBasis::list;
          if (cloud % 4 == 0) {
            listing.availability = {AvailabilityKind::level, static_cast<int>(random() % 4),
                                    provider + " stock"};
          }
          harvest.listings.push_back(std::move(listing));
        }
      }
    }
  }
}

/// The tables that a new offer is written to, in the order in which ingest writes them.
struct Written {
  const char* name;
  const char* columns;
};
constexpr std::array kWritten = {
    Written{"machine",
            "id, instance_type_id, gpu_text_id, model_id, gpu_count, vcpus, memory_mib, disk_gib, arch_id, "
            "seller_id, fabric, fabric_gbps, nvlink_domain, billing_unit_ms, billing_minimum_ms"},
    Written{"series",
            "id, place_id, instance_type_id, market, model_id, gpu_count, first_at_ms, first_price_micros"},
    Written{"availability_change", "series_id, at_ms, kind, value"},
    Written{"offer",
            "variant, parts, id, series_id, machine_id, place_id, market, model_id, gpu_count, price_micros, "
            "since_ms, basis, told_by_id, availability_kind, availability_value, availability_basis_id, "
            "window_from_ms, window_until_ms, learnt_at_ms"},
};

/// A row as it lies in the file: its texts (of offers alone: two), then its numbers.
struct Row {
  std::array<std::string, 2> texts = {};
  std::vector<std::optional<std::int64_t>> numbers = {};
};

Result<std::vector<Row>> read_rows(CatalogDb& db, const Written& table, std::int64_t source) {
  const bool has_texts = std::string_view(table.columns).substr(0, 7) == "variant";
  const auto columns = static_cast<int>(std::count(table.columns, std::strchr(table.columns, 0), ',')) + 1;
  const std::string key = std::string_view(table.columns).substr(0, 9) == "series_id" ? "series_id" : "id";
  std::string sql = "SELECT ";
  sql += table.columns;
  sql += std::string(" FROM ") + table.name + " WHERE " + key + " BETWEEN ? AND ? ORDER BY " + key;
  TRY(const StatementLoan query, db.take(sql));
  query->bind(first_row_of(source)).bind(first_row_of(source) + kRowsPerSource - 1);
  std::vector<Row> rows;
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return rows; }
    Row row;
    if (has_texts) { row.texts = {query->text(0), query->text(1)}; }
    for (int i = has_texts ? 2 : 0; i < columns; ++i) {
      row.numbers.push_back(query->is_null(i) ? std::nullopt : std::optional(query->integer(i)));
    }
    rows.push_back(std::move(row));
  }
}

/// What SQLite does alone: the same rows into the same tables with the same indices, a transaction for each
/// source, with nothing to be resolved, judged or compared. The limit that no ingest can pass.
Result<std::string> insert_limit(CatalogDb& filled, const std::string& path, int sources, int rows) {
  TRY(const std::unique_ptr<CatalogDb> db, CatalogDb::open(path, OpenMode::read_write));
  std::vector<std::array<std::vector<Row>, kWritten.size()>> all(static_cast<std::size_t>(sources));
  for (int source = 0; source < sources; ++source) {
    for (std::size_t i = 0; i < kWritten.size(); ++i) {
      TRY(all[static_cast<std::size_t>(source)].at(i), read_rows(filled, kWritten.at(i), source + 1));
    }
  }
  const auto bind = [](Statement& insert, const Row& row) {
    if (row.numbers.size() == 17) { insert.bind_in_place(row.texts[0]).bind_in_place(row.texts[1]); }
    for (const std::optional<std::int64_t>& number : row.numbers) {
      if (number) {
        insert.bind(*number);
      } else {
        insert.bind_null();
      }
    }
  };
  const Watch watch;
  for (const auto& tables : all) {
    TRY(Transaction transaction, Transaction::begin(db->handle(), path));
    for (std::size_t i = 0; i < kWritten.size(); ++i) {
      const Written& table = kWritten.at(i);
      TRY([[maybe_unused]] const Ok done, insert_rows(*db, table.name, table.columns, tables.at(i), bind));
    }
    TRY([[maybe_unused]] const Ok committed, transaction.commit());
  }
  return rates("inserts", rows, watch);
}

Result<Ok> fill(const std::string& path, int rows) {
  constexpr int kClouds = 20;
  TRY(const std::unique_ptr<CatalogDb> db, CatalogDb::open(path, OpenMode::read_write));
  std::vector<Harvest> harvests;
  for (int cloud = 0; cloud < kClouds; ++cloud) { harvests.push_back(make_harvest(cloud, rows / kClouds)); }
  std::string figures;
  std::int64_t quarantined = 0;
  for (std::size_t round = 0; round < 2; ++round) {
    const Watch watch;
    for (int cloud = 0; cloud < kClouds; ++cloud) {
      TRY(const IngestReport report,
          ingest(*db, "cloud" + std::to_string(cloud) + "/prices", harvests[static_cast<std::size_t>(cloud)],
                 kNow + Millis{static_cast<std::int64_t>(round) * 60'000}));
      quarantined += report.quarantined;
    }
    figures += rates(round == 0 ? "offers" : "unchanged_offers", rows, watch) + ",";
  }
  TRY(const std::string bare, insert_limit(*db, path + ".bare", kClouds, rows));
  for (const char* suffix : {"", "-wal", "-shm"}) { std::filesystem::remove(path + ".bare" + suffix); }
  std::cout << "{\"rows\":" << rows << "," << figures << bare << ",\"quarantined\":" << quarantined << "}\n";
  return Ok{};
}

Result<Ok> find(const std::string& path, const std::string& text, std::int64_t limit) {
  const Watch watch;
  OfferQuery query{.limit = static_cast<std::size_t>(limit)};
  if (text != "all") {
    TRY(const GpuSpec spec, parse_gpu_spec(text));
    TRY(query.gpu, resolve_gpu_spec(spec));
  }
  TRY(const std::unique_ptr<CatalogDb> db, CatalogDb::open(path, OpenMode::read_only));
  TRY(const std::vector<OfferRow> rows, find_offers(*db, query, kNow));
  const double ms = watch.wall() * 1000;
  const double cpu_ms = watch.cpu() * 1000;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"rows\":" << rows.size() << ",\"ms\":" << ms << ",\"cpu_ms\":" << cpu_ms
            << ",\"peak_mib\":" << static_cast<double>(usage.ru_maxrss) / 1024 << "}\n";
  return Ok{};
}

int run(const std::vector<std::string>& words) {
  Result<Ok> done = Error{.kind = ErrorKind::invalid,
                          .message = "gpubroker-bench-catalog fill FILE ROWS | find FILE SPEC LIMIT"};
  if (words.size() == 3 && words[0] == "fill") {
    done = fill(words[1], static_cast<int>(parse_int(words[2]).value_or(0)));
  }
  if (words.size() == 4 && words[0] == "find") {
    done = find(words[1], words[2], parse_int(words[3]).value_or(0));
  }
  if (done.ok()) { return 0; }
  std::cerr << "error: " << done.error().message << '\n';
  return 1;
}

}  // namespace
}  // namespace gpubroker::bench

int main(int argc, char** argv) {
  return gpubroker::bench::run({argv + 1, argv + argc});
}
