#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/base/money.hpp"
#include "core/base/result.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/cloud.hpp"
#include "core/ports/cloud_machine.hpp"
#include "core/ports/files.hpp"
#include "core/ports/http.hpp"
#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker {

/// What providers are made from.
struct ProviderContext {
  Clock& clock;
  Random& random;
  Files& files;
  Processes& processes;
  const CloudParts* cloud =
      nullptr;                      // null where nothing is called over the network: then only local is made
  std::string home = {};            // gpubroker's own folder of this user
  std::string binary = {};          // the gpubroker program, for local nodes
  std::string local_scenario = {};  // a scenario file, "none" for this machine as it is, empty for as it was
  Rate local_cpu_price = {};        // of this machine, per CPU-hour and per GPU-hour; zero: free of charge
  Rate local_gpu_price = {};
};

struct ProviderEntry {
  std::string name = {};
  Result<std::unique_ptr<Provider>> (*make)(const ProviderContext& context) = nullptr;
};

struct CloudEntry {
  std::string name = {};
  std::unique_ptr<Cloud> (*make)(Files& files, Processes& processes) = nullptr;
};

/// Every cloud whose prices are asked, by name.
std::vector<CloudEntry> all_clouds();

/// Every cloud where machines can be booked, by name. A plain list: an object that registers itself is
/// dropped by the linker from a static library without a word.
std::vector<ProviderEntry> all_providers();

}  // namespace gpubroker
