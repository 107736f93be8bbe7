#pragma once
// Finds the rows of a query through the index alone, best first, and reads no more than it has to.
#include <cstdint>
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

/// Every candidate of the query, or with a limit the best, sorted.
Result<std::vector<Candidate>> scan_offers(CatalogDb& db, Reader& reader, const OfferQuery& query,
                                           Instant now);

/// Whether provider and region are wanted.
bool is_wanted_place(const OfferQuery& query, const PlaceNames& place);
bool is_wanted_market(const OfferQuery& query, Market market);

/// Whether the models accept this one; any when the query asks for no GPU.
bool is_wanted_gpu(const OfferQuery& query, const GpuModel* model, int count);

}  // namespace gpubroker
