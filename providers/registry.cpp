#include "providers/registry.hpp"

#include "providers/gcp/cloud.hpp"
#include "providers/lambda/cloud.hpp"
#include "providers/local/provider.hpp"

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
      {"gcp", gcp::make_cloud},
      {"lambda", lambda::make_cloud},
  };
}

std::vector<ProviderEntry> all_providers() {
  return {
      {"local", make_local},
  };
}

}  // namespace gpubroker
