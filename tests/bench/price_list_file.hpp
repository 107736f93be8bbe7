#pragma once
// An EC2 price list in its true form and of any size, the same each time: for the benchmark.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gpubroker::bench {

struct PriceListShape {
  std::int64_t bytes = 0;  // at least
  bool indented = true;    // as AWS writes it; or as short as can be
};

/// What was written.
struct PriceListTruth {
  std::int64_t bytes = 0;
  int products = 0;
  int wanted = 0;  // accelerators, Linux, shared, on demand
};

/// Calls `write` with the file's pieces. Shares as in us-east-1 (recorded 2026-09): about a third products, a
/// quarter OnDemand terms, the rest Reserved ones; one product in a thousand is one that is looked for.
PriceListTruth write_price_list(const PriceListShape& shape,
                                const std::function<void(std::string_view)>& write);

}  // namespace gpubroker::bench
