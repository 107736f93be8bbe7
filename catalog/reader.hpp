#pragma once
// Reads rows of the catalog as values: what a row refers to is read once and kept.
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/observations.hpp"
#include "catalog/query.hpp"

namespace gpubroker {

struct PlaceNames {
  std::string provider = {};
  std::string region = {};
  std::string zone = {};
};

/// A row of table machine with its names.
struct MachineRow {
  std::string instance_type = {};
  std::int64_t instance_type_id = 0;
  std::string gpu_text = {};
  const GpuModel* model = nullptr;
  Accelerator gpu = {};  // empty without a model
  std::string arch = {};
  std::string seller = {};
  int vcpus = 0;
  std::int64_t memory_mib = 0;
  std::int64_t disk_gib = 0;
  Fabric fabric = Fabric::unknown;
  int fabric_gbps = 0;
  int nvlink_domain = 0;
  BillingRule billing = {};
};

class Reader {
 public:
  explicit Reader(CatalogDb& db) : db_(&db) {}

  Result<const PlaceNames*> place(std::int64_t id);
  Result<const std::string*> name(std::int64_t id);
  Result<const MachineRow*> machine(std::int64_t id);
  Result<const GpuModel*> model(std::int64_t id);
  Result<const std::string*> source(std::int64_t id);
  /// When the region was told last by that source.
  Result<Instant> fetched(std::int64_t source, std::int64_t place);

  /// All that is known of the row of table offer with this id, in place of what `to` held.
  Status read_offer(std::int64_t id, Instant now, OfferRow& to);
  /// Calls with each of these, in their order; the row is valid during the call.
  Status visit_offers(const std::vector<std::int64_t>& ids, Instant now,
                      const std::function<void(const OfferRow&)>& visit);

 private:
  /// A row of table offer as it lies there.
  struct StoredOffer {
    std::int64_t id = 0;
    std::int64_t machine = 0;
    std::int64_t place = 0;
    std::int64_t price = 0;
    std::int64_t since = 0;
    std::int64_t told_by = 0;
    std::int64_t availability_basis = 0;
    std::string_view variant = {};
    std::string_view parts = {};
    std::optional<Window> window = {};
    std::optional<Instant> learnt_at = {};
    int availability_value = 0;
    AvailabilityKind availability_kind = AvailabilityKind::unknown;
    Market market = Market::on_demand;
    PriceBasis basis = PriceBasis::list;
  };
  static StoredOffer stored(const Statement& row);
  Status fill(const StoredOffer& from, Instant now, OfferRow& to);
  /// Reads the whole table for those of `ids`, in their order; longer texts are kept in `texts`.
  Result<std::vector<StoredOffer>> read_through(const std::vector<std::int64_t>& ids,
                                                std::deque<std::string>& texts);
  /// Signals are read at once instead of one by one: worth it for many rows.
  Status preload_signals();
  struct SignalRow {
    std::int64_t market = 0;  // -1: all
    Availability availability = {};
    std::optional<int> reclaimed = {};
  };
  using Signals = std::vector<SignalRow>;
  Result<SignalRow> read_signal(const Statement& row, int first);
  Status add_signals(OfferRow& row, std::int64_t place_id, std::int64_t type);
  Status add_zones(OfferRow& row, std::int64_t place_id, std::int64_t type);
  /// The zones of a region of which anything is said.
  Result<const std::vector<std::int64_t>*> zones_of(std::int64_t region);
  Status add_signals_of(OfferRow& row, std::int64_t place_id, std::int64_t type);
  Result<const Signals*> signals(std::int64_t place, std::int64_t type);
  Result<std::int64_t> whole_region(std::int64_t id);
  Result<bool> has_rows(const char* table);

  CatalogDb* db_;
  // By id, which are numbered without large gaps.
  std::vector<std::unique_ptr<PlaceNames>> places_ = {};
  std::vector<std::unique_ptr<std::string>> names_ = {};
  std::unordered_map<std::int64_t, std::int64_t> whole_ = {};
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> zones_ = {};
  std::unordered_map<std::int64_t, MachineRow> machines_ = {};
  std::unordered_map<std::int64_t, const GpuModel*> models_ = {};
  std::unordered_map<std::int64_t, std::string> sources_ = {};
  struct Fetched {
    std::int64_t source = -1;
    Instant at = {};
  };
  std::vector<Fetched> fetched_ = {};  // by place: the source that was asked for last
  StatementLoan offer_ = {};
  std::map<std::pair<std::int64_t, std::int64_t>, Signals> signals_ = {};
  std::optional<Chances> chances_ = {};  // loaded at the first row
  Signals none_ = {};
  bool has_all_signals_ = false;
  std::optional<bool> has_signals_ = {};
};

}  // namespace gpubroker
