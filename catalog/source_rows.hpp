#pragma once
// What is kept of a source besides its offers: the row of table source, its regions' ages, its signals.
#include <functional>
#include <map>
#include <set>
#include <string>

#include "catalog/ingest.hpp"
#include "catalog/intake.hpp"

namespace gpubroker {

Result<std::int64_t> find_or_make_source(CatalogDb& db, const std::string& name);

/// Those of the told regions are written anew where they differ; how many the source has in all. `is_told`:
/// whether the harvest replaces what was said of this place.
Result<std::int64_t> write_signals(CatalogDb& db, std::int64_t source, Intake& intake,
                                   const std::vector<Signal>& signals,
                                   const std::function<Result<bool>(std::int64_t)>& is_told);

/// The regions `told` are as old as `now`; of those `known` that are neither told nor `left` nothing is kept.
Status write_fetched(CatalogDb& db, std::int64_t source, const std::set<std::string>& told,
                     const std::map<std::string, std::int64_t>& known,
                     const std::set<std::string, std::less<>>& left, Instant now);

/// How a visit ended that succeeded.
struct SourceVisit {
  Instant at = {};
  std::int64_t offers = 0;
  std::int64_t signals = 0;
};
Status write_source(CatalogDb& db, std::int64_t source, const SourceVisit& visit, const Harvest& harvest,
                    const IngestReport& report);

}  // namespace gpubroker
