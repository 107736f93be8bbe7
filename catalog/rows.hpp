#pragma once
// Many rows into one table.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog_db.hpp"

namespace gpubroker {

/// Inserts within the caller's transaction, many rows with each statement: to run one costs as much as its
/// row. `columns` are the names as SQL lists them; `bind(statement, item)` binds their values in that order,
/// in place where they are texts. After an error some rows are there: the transaction is to be given up.
template <class Item, class Bind>
Status insert_rows(CatalogDb& db, const std::string& table, std::string_view columns,
                   const std::vector<Item>& items, Bind bind) {
  constexpr std::size_t kAtOnce = 64;
  std::string row = "(?";
  for (const char c : columns) { row += c == ',' ? ", ?" : ""; }
  row += ")";
  // FAIL: with ABORT the library would keep every page that a statement of several rows may have to undo.
  std::string sql = "INSERT OR FAIL INTO " + table + " (";
  sql += columns;
  sql += ") VALUES " + row;
  std::string many = sql;
  for (std::size_t i = 1; i < kAtOnce; ++i) { many += ", " + row; }
  std::size_t done = 0;
  for (const std::size_t at_once : {kAtOnce, std::size_t{1}}) {
    if (items.size() - done < at_once) { continue; }
    TRY(const StatementLoan insert, db.take(at_once == 1 ? sql : many));
    for (; items.size() - done >= at_once; done += at_once) {
      for (std::size_t i = 0; i < at_once; ++i) { bind(*insert, items[done + i]); }
      TRY([[maybe_unused]] const Ok finished, insert->finish());
      insert->rewind();
    }
  }
  return Ok{};
}

}  // namespace gpubroker
