#pragma once
#include <vector>

#include "core/base/money.hpp"
#include "providers/local/nvml.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker::local {

struct MachineFacts {
  int cpus = 1;
  std::int64_t memory_mib = 0;
  std::vector<GpuFact> gpus = {};
};

/// Prices per hour; zero: free of charge.
struct HerePrices {
  Rate cpu = {};
  Rate gpu = {};
};

/// This machine as a cloud of one region, "here": instance types cpu1, cpu2, cpu4 … and, for the GPUs of its
/// first kind, gpu1, gpu2, gpu4 … up to all of them, each on demand and as (never preempted) spot. CPUs are
/// given out four times over: this is a laptop on which a gang of several small nodes must find room, and the
/// operating system shares them fairly. GPUs are given to one node at a time.
Scenario here_scenario(const MachineFacts& facts, const HerePrices& prices);

/// MemTotal of /proc/meminfo in MiB; 0 when the text has none.
std::int64_t parse_memory_mib(std::string_view meminfo);

}  // namespace gpubroker::local
