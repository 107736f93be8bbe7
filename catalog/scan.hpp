#pragma once
// Finds the rows of a query through the index alone, best first, and reads no more than it has to.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "catalog/reader.hpp"

namespace gpubroker {

/// A row that serves the query.
struct Candidate {
  std::int64_t id = 0;
  std::int64_t rank = 0;  // what it is sorted by
  std::int64_t place = 0;
  std::int64_t market = 0;
};

/// Whether a source is a price table of our own: "crusoe/price-table".
inline bool is_price_table(std::string_view source) {
  return source.ends_with("/price-table");
}

/// Which rows of our own price tables nobody needs: a source that the cloud itself
/// told prices or places to has the same type in that region and market. A table's region "any" is all of
/// them.
class TableRows {
 public:
  TableRows(CatalogDb& db, Reader& reader) : db_(db), reader_(reader) {}
  /// Whether the cloud's own row takes this one's place; quick for what is of no table.
  Result<bool> is_superseded(std::int64_t id, std::int64_t place, std::int64_t market);

 private:
  using Key = std::tuple<std::string, std::int64_t, std::int64_t>;  // region, type, market
  Status load_tables();
  Result<const std::map<Key, bool>*> live_of(std::int64_t table);

  CatalogDb& db_;
  Reader& reader_;
  std::optional<std::map<std::int64_t, std::string>> tables_ = {};  // sources: their clouds
  std::map<std::int64_t, std::map<Key, bool>> live_ = {};  // by table: what is live, and whether with a price
};

/// Every candidate of the query, or with a limit the best, sorted.
Result<std::vector<Candidate>> scan_offers(CatalogDb& db, Reader& reader, const OfferQuery& query,
                                           Instant now);

/// Whether provider and region are wanted.
bool is_wanted_place(const OfferQuery& query, const PlaceNames& place);
bool is_wanted_market(const OfferQuery& query, Market market);

/// Whether the models accept this one; any when the query asks for no GPU.
bool is_wanted_gpu(const OfferQuery& query, const GpuModel* model, int count);

}  // namespace gpubroker
