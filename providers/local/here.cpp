#include "providers/local/here.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gpubroker::local {
namespace {

constexpr int kOvercommit = 4;

/// 1, 2, 4 … and `most` itself.
std::vector<int> sizes_up_to(int most) {
  std::vector<int> out;
  for (int size = 1; size < most; size *= 2) { out.push_back(size); }
  out.push_back(most);
  return out;
}

InstancePlan make_type(std::string name, int vcpus, std::int64_t memory_mib, std::int64_t price) {
  InstancePlan type{.name = std::move(name), .vcpus = vcpus, .memory_mib = memory_mib};
  type.markets[Market::on_demand].price = {{Millis{0}, price}};
  type.markets[Market::spot].price = {{Millis{0}, price}};
  return type;
}

}  // namespace

Scenario here_scenario(const MachineFacts& facts, const HerePrices& prices) {
  const int cpus = std::max(1, facts.cpus);
  RegionPlan here{.name = "here", .shared_vcpus = cpus * kOvercommit};
  for (const int size : sizes_up_to(cpus)) {
    here.types.push_back(make_type("cpu" + std::to_string(size), size, facts.memory_mib * size / cpus,
                                   prices.cpu.micros_per_hour * size));
  }
  if (!facts.gpus.empty()) {
    const Accelerator kind = read_gpu_name(facts.gpus.front().name, facts.gpus.front().memory_mib);
    for (const GpuFact& gpu : facts.gpus) {
      if (gpu.name == facts.gpus.front().name) { here.shared_gpus.push_back(gpu.uuid); }
    }
    const int gpus = static_cast<int>(here.shared_gpus.size());
    for (const int size : sizes_up_to(gpus)) {
      InstancePlan type = make_type("gpu" + std::to_string(size), std::max(1, cpus * size / gpus),
                                    facts.memory_mib * size / gpus, prices.gpu.micros_per_hour * size);
      type.gpu = kind;
      type.gpu.count = size;
      here.types.push_back(std::move(type));
    }
  }
  return Scenario{.shows_stock = true, .regions = {std::move(here)}};
}

std::int64_t parse_memory_mib(std::string_view meminfo) {
  for (const std::string& line : split(meminfo, '\n')) {
    if (!line.starts_with("MemTotal:") || !line.ends_with("kB")) { continue; }
    const std::string_view number = trim(std::string_view(line).substr(9, line.size() - 11));
    return parse_int(number).value_or(0) / 1024;
  }
  return 0;
}

}  // namespace gpubroker::local
