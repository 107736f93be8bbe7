#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog_db.hpp"
#include "core/ports/price_feed.hpp"

namespace gpubroker {

struct IngestOptions {
  bool accept_loss = false;  // takes a harvest that lost most rows, as a person said that it is right
};

/// What a harvest did to the catalog, in rows.
struct IngestReport {
  std::string source = {};
  std::int64_t fresh = 0;
  std::int64_t changed = 0;
  std::int64_t same = 0;  // told again, or of regions that are unchanged or could not be asked
  std::int64_t gone = 0;
  std::int64_t quarantined = 0;  // now, in all
  std::int64_t released = 0;     // from quarantine: a price that was told twice
  std::map<std::string, std::int64_t> quarantined_by_rule = {};  // rule -> rows
  std::vector<Remark> remarks = {};  // the feed's, and what the gate found, each with its first example
  std::vector<std::pair<std::string, Error>> failed = {};  // regions that could not be asked
};

/// Takes in what a feed brought: finds the GPU models, asks the gate, replaces the rows of the regions told,
/// and writes the history of what changed; one transaction. `internal` with code "lost_rows" when most rows
/// of at least ten are gone: nothing is taken then, and the source keeps its rows and the error. Errors of
/// the file as CatalogDb::open's; then, too, the old rows stay.
Result<IngestReport> ingest(CatalogDb& db, const std::string& source, const Harvest& harvest, Instant now,
                            const IngestOptions& options = {});

/// Notes that a feed could not be asked; its rows stay as they were.
Status record_failure(CatalogDb& db, const std::string& source, const Error& error, Instant now);

}  // namespace gpubroker
