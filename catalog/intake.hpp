#pragma once
// A harvest's listings with their texts turned into numbers and their GPUs found.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "catalog/gpu_models.hpp"
#include "catalog/interner.hpp"
#include "core/base/listing.hpp"

namespace gpubroker {

/// What a listing is, but for its price: place, type, market and GPU.
struct SeriesKey {
  std::int64_t place = 0;
  std::int64_t type = 0;
  std::int64_t market = 0;
  std::int64_t model = 0;
  std::int64_t count = 0;
  bool operator==(const SeriesKey&) const = default;
};

template <class... Numbers>
std::size_t hash_of(Numbers... numbers) {
  std::size_t hash = 0;
  ((hash = (hash ^ static_cast<std::size_t>(numbers)) * 0x9E3779B97F4A7C15ULL, hash ^= hash >> 32U), ...);
  return hash;
}
struct SeriesHash {
  std::size_t operator()(const SeriesKey& key) const {
    return hash_of(key.place, key.type, key.market, key.model, key.count);
  }
};

/// A row of table machine; in this order.
using MachineFacts = std::array<std::int64_t, 14>;
struct MachineHash {
  std::size_t operator()(const MachineFacts& facts) const {
    std::size_t hash = 0;
    for (const std::int64_t fact : facts) { hash = hash_of(static_cast<std::int64_t>(hash), fact); }
    return hash;
  }
};

struct Incoming {
  const Listing* listing = nullptr;
  const GpuResolution* gpu = nullptr;  // alive as long as the intake
  SeriesKey key = {};
  std::int64_t region = 0;  // Place::region
  std::int64_t gpu_text = 0;
  std::int64_t told_by = 0;
  std::int64_t availability_basis = 0;
  MachineFacts machine = {};
};

class Intake {
 public:
  static Result<Intake> load(CatalogDb& db);
  Result<Incoming> take(const Listing& listing);
  Result<std::int64_t> name(std::string_view text) { return names_.id(text); }
  Places& places() { return places_; }
  /// The number of a model's name in the catalog.
  Result<std::int64_t> model_id(const GpuModel* model);

 private:
  Intake(Interner names, Interner models, Places places)
      : names_(std::move(names)), models_(std::move(models)), places_(std::move(places)) {}
  const GpuResolution& resolve(const Listing& listing, std::int64_t gpu_text);

  struct GpuText {
    std::int64_t text = 0;
    int memory_gib = 0;
    std::string form = {};
    auto operator<=>(const GpuText&) const = default;
  };
  /// The names of the listing before: rows of one type come together.
  struct Last {
    std::string text = {};
    std::int64_t id = 0;
  };
  Result<std::int64_t> name_like(Last& last, const std::string& text);

  Interner names_;
  Interner models_;
  Places places_;
  std::map<GpuText, GpuResolution> resolved_ = {};
  std::unordered_map<const GpuModel*, std::int64_t> model_ids_ = {};
  Last type_ = {};
  Last gpu_text_ = {};
  Last arch_ = {};
  Last seller_ = {};
  Last told_by_ = {};
  Last basis_ = {};
  GpuText last_gpu_ = {.text = -1};
  const GpuResolution* last_resolution_ = nullptr;
};

}  // namespace gpubroker
