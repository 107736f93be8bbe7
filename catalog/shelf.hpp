#pragma once
// The rows of one source: those that are there, what becomes of them, and their history.
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/intake.hpp"

namespace gpubroker {

class Shelf {
 public:
  struct Counts {
    std::int64_t before = 0;  // rows of regions that are told now
    std::int64_t now = 0;     // of these regions
    std::int64_t kept = 0;    // of the others
    std::int64_t fresh = 0;
    std::int64_t changed = 0;
    std::int64_t same = 0;
    std::int64_t gone = 0;
    std::int64_t twice = 0;  // told twice in one harvest; the cheaper one counts
    const Listing* first_twice = nullptr;
  };

  /// Everything that the source has. `expected`: about so many rows it will be; `is_told(place)`: whether the
  /// harvest replaces the rows of this place.
  using IsTold = std::function<Result<bool>(std::int64_t place)>;
  static Result<Shelf> load(CatalogDb& db, std::int64_t source, std::size_t expected, const IsTold& is_told);

  /// Where a row belongs. Good until the next load.
  struct Spot {
    std::size_t series = 0;
    std::size_t slot = 0;
  };
  Spot find(const Incoming& row);
  /// The price of this very offer as it was, if it was there.
  [[nodiscard]] std::optional<Rate> price_before(const Spot& spot) const;
  /// Calls for every on-demand offer that the harvest leaves as it was.
  Status each_kept_on_demand(
      const std::function<Status(const SeriesKey&, const std::string& variant, Rate)>& visit) const;

  /// Puts a believed row where it belongs.
  void put(const Incoming& row, Spot spot, Instant now);
  /// Says that a row was told and not believed: that it is missing does not mean that it is gone.
  void doubt(const Spot& spot) { series_[spot.series].is_doubted = true; }

  [[nodiscard]] Counts counts() const;
  /// Writes what differs: rows, history.
  Status write(Instant now);

 private:
  enum class Fate : std::uint8_t { kept, missing, same, changed, fresh };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  /// A row of table offer, and what becomes of it.
  struct Slot {
    std::int64_t id = 0;
    std::size_t series = 0;
    std::int64_t machine = 0;
    std::int64_t price = 0;
    std::int64_t since = 0;
    std::int64_t basis = 0;
    std::int64_t told_by = 0;
    std::int64_t availability_kind = 0;
    std::int64_t availability_value = 0;
    std::int64_t availability_basis = 0;
    std::int64_t window_from = 0;   // 0: none
    std::int64_t window_until = 0;  // 0: none
    std::int64_t learnt = 0;        // 0: whenever the region was fetched
    std::string variant = {};
    std::string parts = {};
    std::int64_t price_was = 0;
    std::int64_t kind_was = 0;
    std::int64_t value_was = 0;
    std::size_t next = kNone;  // of the series
    Fate fate = Fate::kept;
    bool was_there = false;
  };
  struct Series {
    std::int64_t id = 0;
    SeriesKey key = {};
    std::size_t first = kNone;
    bool is_fresh = false;
    bool is_doubted = false;
    bool is_touched = false;
  };
  struct State {  // of a series: its cheapest price and what is said of availability
    std::optional<std::int64_t> price = {};
    std::int64_t kind = 0;
    std::int64_t value = 0;
    void add(std::int64_t price, std::int64_t kind, std::int64_t value);
  };

  Shelf(CatalogDb& db, std::int64_t source);
  Status load_machines();
  Status load_series();
  Status load_offers(const IsTold& is_told);
  [[nodiscard]] std::size_t find_slot(std::size_t series, const std::string& variant) const;
  std::int64_t machine_id(const MachineFacts& facts);
  static bool fill(Slot& slot, const Incoming& row, std::int64_t machine);

  Status write_machines();
  Status write_series(Instant now);
  Status write_fresh_offers();
  Status write_changed_offers();
  void bind_offer(Statement& put, const Slot& slot) const;
  Status drop_offers();
  Status write_first_availability(Instant now);
  Status write_change(const Series& series, Instant now);
  [[nodiscard]] State state_of(const Series& series, bool before) const;
  Result<std::optional<std::int64_t>> last_price(const Series& series);

  CatalogDb* db_;
  std::int64_t first_;
  std::int64_t next_machine_;
  std::int64_t next_series_;
  std::int64_t next_offer_;
  std::unordered_map<MachineFacts, std::int64_t, MachineHash> machines_ = {};
  std::vector<std::pair<std::int64_t, MachineFacts>> fresh_machines_ = {};
  std::vector<Series> series_ = {};
  // One entry for each series: side by side, and given back at once.
  std::unique_ptr<std::pmr::monotonic_buffer_resource> memory_ =
      std::make_unique<std::pmr::monotonic_buffer_resource>();
  std::pmr::unordered_map<SeriesKey, std::size_t, SeriesHash> by_key_{memory_.get()};
  std::vector<Slot> slots_ = {};
  std::int64_t twice_ = 0;
  const Listing* first_twice_ = nullptr;
  MachineFacts last_facts_ = {};
  std::int64_t last_machine_ = 0;
};

/// The parts of a price as the catalog keeps them: a line each, fields apart by tabs.
std::string encode_parts(const std::vector<PricePart>& parts);
std::vector<PricePart> decode_parts(std::string_view text);

}  // namespace gpubroker
