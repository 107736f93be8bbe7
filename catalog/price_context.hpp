#pragma once
// What a price is held against: the harvest's medians, and what the cloud asks on demand.
#include <map>
#include <memory_resource>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/gate.hpp"
#include "catalog/intake.hpp"

namespace gpubroker {

/// Medians of a harvest's on-demand prices: of one type over the regions, and of one model per GPU.
class Medians {
 public:
  void add(const Incoming& row);
  /// After the last row, before the first question.
  void finish();
  void tell(const Incoming& row, GateFacts& facts) const;

 private:
  std::unordered_map<SeriesKey, std::vector<std::pair<std::int64_t, std::int64_t>>, SeriesHash> types_ = {};
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> models_ = {};
  std::unordered_map<SeriesKey, std::optional<Rate>, SeriesHash> type_medians_ = {};
  std::unordered_map<std::int64_t, std::optional<Rate>> model_medians_ = {};
};

/// What is asked on demand in each region of the cloud, to hold spot prices against.
class OnDemand {
 public:
  void reserve(std::size_t rows) { prices_.reserve(rows); }
  void add(const SeriesKey& key, std::int64_t region, const std::string& variant, Rate price);
  [[nodiscard]] std::optional<Rate> find(const Incoming& row) const;

 private:
  std::pmr::monotonic_buffer_resource memory_ = {};
  std::pmr::unordered_map<SeriesKey, Rate, SeriesHash> prices_{&memory_};
  std::unordered_map<SeriesKey, std::map<std::string, Rate>, SeriesHash> asks_ = {};  // by variant
};

}  // namespace gpubroker
