#include "catalog/scan.hpp"
#include "catalog/schema.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kAnyRegion = "any";

}  // namespace

Status TableRows::load_tables() {
  tables_.emplace();
  TRY(const StatementLoan query, db_.take("SELECT id, name FROM source"));
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { return Ok{}; }
    const std::string name = query->text(1);
    if (is_price_table(name)) { tables_->emplace(query->integer(0), cloud_of(name)); }
  }
}

/// What the cloud's other sources tell, in each region and, under the name of a table's region, in any.
Result<const std::map<TableRows::Key, bool>*> TableRows::live_of(std::int64_t table) {
  const auto known = live_.find(table);
  if (known != live_.end()) { return static_cast<const std::map<Key, bool>*>(&known->second); }
  std::map<Key, bool> live;
  TRY(const StatementLoan query,
      db_.take("SELECT place_id, instance_type_id, market, max(price_micros) FROM source JOIN offer ON "
               "offer.id BETWEEN source.id * ?3 AND source.id * ?3 + ?3 - 1 JOIN machine ON machine.id = "
               "machine_id WHERE source.id <> ?1 AND source.name > ?2 || '/' AND source.name < ?2 || '0' "
               "GROUP BY 1, 2, 3"));
  query->bind(table).bind(std::string_view(tables_->at(table))).bind(kRowsPerSource);
  while (true) {
    TRY(const bool more, query->step());
    if (!more) { break; }
    TRY(const PlaceNames* place, reader_.place(query->integer(0)));
    const bool has_price = query->integer(3) > 0;
    for (const std::string& region : {place->region, std::string(kAnyRegion)}) {
      bool& priced = live[{region, query->integer(1), query->integer(2)}];
      priced = priced || has_price;
    }
  }
  return static_cast<const std::map<Key, bool>*>(&live_.emplace(table, std::move(live)).first->second);
}

Result<bool> TableRows::is_superseded(std::int64_t id, std::int64_t place_id, std::int64_t market) {
  if (!tables_) { TRY([[maybe_unused]] const Ok loaded, load_tables()); }
  const std::int64_t source = source_of(id);
  if (tables_->count(source) == 0) { return false; }
  std::int64_t type = 0;
  std::int64_t price = 0;
  {
    TRY(const StatementLoan row, db_.take("SELECT instance_type_id, price_micros FROM offer JOIN machine ON "
                                          "machine.id = machine_id WHERE offer.id = ?"));
    TRY(const bool found, row->bind(id).step());
    if (!found) { return false; }
    type = row->integer(0);
    price = row->integer(1);
  }
  TRY(const PlaceNames* place, reader_.place(place_id));
  TRY(const auto* const live, live_of(source));
  const auto at = live->find({place->region, type, market});
  // A table's price is better than a live row that has none.
  return at != live->end() && (at->second || price == 0);
}

}  // namespace gpubroker
