#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/offers_data.hpp"
#include "cmd/offers_text.hpp"
#include "cmd/wanted.hpp"
#include "core/base/text.hpp"
#include "core/workload/task_fields.hpp"

namespace gpubroker {
namespace {

Error bad_option(const std::string& option, const std::string& message) {
  return {.kind = ErrorKind::invalid, .message = option + ": " + message, .source = option};
}

Status read_fabrics(const std::string& text, OfferQuery& query) {
  for (const std::string& name : split_all({text})) {
    const std::string word = lower(name);
    const std::optional<Fabric> fabric = fabric_from(word);
    if (word == "nvlink") {
      query.nvlink = true;
    } else if (fabric) {
      query.fabrics.push_back(*fabric);
    } else {
      return bad_option("--fabric", "'" + name + "' is none of nvlink, ib, efa, roce, tcpx, ethernet");
    }
  }
  return Ok{};
}

Result<OfferQuery> read_query(const OffersCli& options, Instant now) {
  TRY(OfferQuery query, read_wanted(options.wanted));
  query.exact_count = options.exact;
  query.nodes = options.nodes;
  query.only_available = options.available;
  query.seller = options.seller;
  TRY([[maybe_unused]] const Ok fabrics, read_fabrics(options.fabric, query));
  if (!options.max_price.empty()) {
    ResourceNeed need;
    TRY([[maybe_unused]] const Ok price, set_max_price(need, options.max_price));
    query.max_price = need.max_price;
    query.max_price_per_gpu = need.max_price_per_gpu;
    query.with_quotes = false;
  }
  if (!options.max_age.empty()) {
    TRY(const Millis age, parse_duration(options.max_age));
    query.learnt_since = now - age;
  }
  std::string sort = options.sort;
  for (char& c : sort) { c = c == '-' ? '_' : c; }
  query.sort = offer_sort_from(sort).value_or(OfferSort::price_per_gpu);
  query.limit = static_cast<std::size_t>(options.limit);
  return query;
}

void print_rows(const std::vector<OfferRow>& rows, const OffersCli& options, Context& context) {
  const Instant now = context.clock.now();
  if (options.explain) {
    for (const OfferRow& row : rows) { std::cout << explain_offer(row, options.nodes, now); }
    return;
  }
  const bool table = context.terminal.table;
  const Table out = offer_table(rows, {.wide = options.wide, .nodes = options.nodes, .relative = table}, now);
  std::cout << (table ? out.aligned() : out.tabbed());
}

/// JSON or CSV; false when no offer fits.
template <class Writer>
Result<bool> write_all(const OfferQuery& query, int nodes, Context& context, CatalogDb& catalog) {
  Writer writer(nodes, [](std::string_view text) { std::cout << text; });
  TRY(const std::size_t found,
      visit_offers(catalog, query, context.clock.now(), [&writer](const OfferRow& row) { writer.add(row); }));
  if (found > 0) { writer.finish(); }
  return found > 0;
}

/// As the options say; false when no offer fits.
Result<bool> show(const OfferQuery& query, const OffersCli& options, Context& context, CatalogDb& catalog) {
  if (options.json) { return write_all<OfferJson>(query, options.nodes, context, catalog); }
  if (options.csv) { return write_all<OfferCsv>(query, options.nodes, context, catalog); }
  TRY(const std::vector<OfferRow> rows, find_offers(catalog, query, context.clock.now()));
  if (rows.empty()) { return false; }
  print_rows(rows, options, context);
  if (context.terminal.table && query.limit != 0 && rows.size() == query.limit) {
    std::cerr << "the first " << rows.size() << "; --limit 0 shows all\n";
  }
  return true;
}

Result<int> run_quarantined(const OffersCli& options, Context& context, CatalogDb& catalog,
                            OfferQuery query) {
  query.limit = static_cast<std::size_t>(options.limit);
  TRY(const std::vector<QuarantineRow> rows, find_quarantined(catalog, query));
  if (options.json) {
    std::cout << quarantine_json(rows);
    return 0;
  }
  const Table table = quarantine_table(rows, context.clock.now(), context.terminal.table);
  std::cout << (context.terminal.table ? table.aligned() : table.tabbed());
  if (rows.empty()) { std::cerr << "no offer is doubted\n"; }
  return 0;
}

}  // namespace

Result<int> run_offers(const OffersCli& options, Context& context) {
  if (options.nodes < 1) { return bad_option("--nodes", "must be at least 1"); }
  if (options.limit < 0) { return bad_option("--limit", "must not be negative; 0 is all"); }
  TRY(const OfferQuery query, read_query(options, context.clock.now()));
  TRY(CatalogDb* const catalog, context.catalog_to_read());
  if (options.quarantined) { return run_quarantined(options, context, *catalog, query); }
  TRY(const bool found, show(query, options, context, *catalog));
  if (found) { return 0; }
  TRY(const NearMiss miss, explain_nothing(*catalog, query, context.clock.now()));
  return nothing_found(miss, context.clock.now());
}

}  // namespace gpubroker
