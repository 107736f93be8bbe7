#pragma once
// Texts that come again and again, kept once: their numbers, made on demand within the caller's transaction.
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "catalog/catalog_db.hpp"
#include "core/base/offer.hpp"

namespace gpubroker {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// A table of two columns, id and text.
class Interner {
 public:
  /// `table` is "name" or "gpu_model", `column` its text.
  static Result<Interner> load(CatalogDb& db, const std::string& table, const std::string& column);
  Result<std::int64_t> id(std::string_view text);

 private:
  Interner(CatalogDb& db, std::string insert) : db_(&db), insert_(std::move(insert)) {}
  CatalogDb* db_;
  std::string insert_;
  TextMap<std::int64_t> ids_ = {};
  std::int64_t next_ = 1;
};

struct Place {
  std::int64_t id = 0;
  std::int64_t region = 0;  // the same number for all zones of a region, within one run
};

/// The places of the clouds that are asked for, each cloud's read when it is first met.
class Places {
 public:
  static Result<Places> load(CatalogDb& db);
  Result<Place> find(const std::string& provider, const std::string& region, const std::string& zone);
  /// Of a place that is in the catalog: the text is alive as long as this. Unknown: "" and 0.
  Result<std::string_view> region_name(std::int64_t place);
  Result<std::int64_t> region_of(std::int64_t place);

 private:
  struct Known {
    std::int64_t region = 0;
    std::string name = {};  // of the region
  };
  explicit Places(CatalogDb& db) : db_(&db) {}
  Status read_cloud(const std::string& provider);
  Result<const Known*> known(std::int64_t place);
  Result<Place> find_or_make(const std::string& provider, const std::string& region, const std::string& zone);
  Place keep(std::int64_t id, std::string_view provider, std::string_view region, std::string_view zone);

  CatalogDb* db_;
  TextMap<Place> places_ = {};
  TextMap<std::int64_t> regions_ = {};
  std::unordered_map<std::int64_t, Known> known_ = {};
  std::set<std::string> clouds_ = {};  // that were read
  std::int64_t next_ = 1;
  // Of the region that was asked for last: rows of one region come together.
  std::string provider_ = {};
  std::string region_ = {};
  std::vector<std::pair<std::string, Place>> zones_ = {};
};

}  // namespace gpubroker
