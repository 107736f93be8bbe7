#include "providers/registry.hpp"

#include "providers/coreweave/cloud.hpp"
#include "providers/crusoe/cloud.hpp"
#include "providers/fluidstack/cloud.hpp"
#include "providers/lambda/cloud.hpp"
#include "providers/local/provider.hpp"
#include "providers/nebius/cloud.hpp"
#include "providers/oci/cloud.hpp"
#include "providers/sfcompute/cloud.hpp"
#include "providers/together/cloud.hpp"

namespace gpubroker {
namespace {

Result<std::unique_ptr<Provider>> make_local(const ProviderContext& context) {
  return local::LocalProvider::make({context.clock, context.random, context.files, context.processes},
                                    {.folder = context.home + "/local",
                                     .binary = context.binary,
                                     .scenario_path = context.local_scenario,
                                     .prices = {context.local_cpu_price, context.local_gpu_price}});
}

}  // namespace

std::vector<CloudEntry> all_clouds() {
  return {
      {"coreweave", coreweave::make_cloud},   {"crusoe", crusoe::make_cloud},
      {"fluidstack", fluidstack::make_cloud}, {"lambda", lambda::make_cloud},
      {"nebius", nebius::make_cloud},         {"oci", oci::make_cloud},
      {"sfcompute", sfcompute::make_cloud},   {"together", together::make_cloud},
  };
}

std::vector<ProviderEntry> all_providers() {
  return {
      {"local", make_local},
  };
}

}  // namespace gpubroker
