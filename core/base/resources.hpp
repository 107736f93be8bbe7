#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/gpu.hpp"
#include "core/base/money.hpp"
#include "core/base/offer.hpp"

namespace gpubroker {

/// A bound on a machine's size ("8+", "8"): at least `amount`, or just that when `exact`.
struct SizeNeed {
  std::int64_t amount = 0;  // vCPUs, or MiB of memory
  bool exact = false;
  bool operator==(const SizeNeed&) const = default;
};

/// One acceptable kind of machine: every field that is set must hold.
struct ResourceNeed {
  GpuSpec gpu = {};
  std::optional<SizeNeed> cpus = {};
  std::optional<SizeNeed> memory_mib = {};
  std::string provider = {};              // empty: any
  std::vector<std::string> regions = {};  // empty: any
  std::string zone = {};
  std::string instance_type = {};
  std::vector<Market> markets = {Market::on_demand};  // in order of preference
  std::optional<Rate> max_price = {};                 // per machine
  std::optional<Rate> max_price_per_gpu = {};
  bool operator==(const ResourceNeed&) const = default;
};

}  // namespace gpubroker
