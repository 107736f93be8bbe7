#pragma once
#include <vector>

#include "core/store/open.hpp"

namespace gpubroker {

/// The catalog's migrations, oldest first.
const std::vector<Migration>& catalog_schema();

/// How the catalog's file is opened.
DatabaseKind catalog_kind();

/// Rows of a source lie together: their ids begin at the source's own and end before the next one's.
constexpr std::int64_t kRowsPerSource = std::int64_t{1} << 32;
constexpr std::int64_t first_row_of(std::int64_t source) {
  return source * kRowsPerSource;
}
constexpr std::int64_t source_of(std::int64_t row) {
  return row / kRowsPerSource;
}

}  // namespace gpubroker
