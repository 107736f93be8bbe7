#include "providers/registry.hpp"

#include "providers/aws/cloud.hpp"
#include "providers/aws/provider.hpp"
#include "providers/azure/cloud.hpp"
#include "providers/azure/provider.hpp"
#include "providers/brev/cloud.hpp"
#include "providers/coreweave/cloud.hpp"
#include "providers/coreweave/provider.hpp"
#include "providers/crusoe/cloud.hpp"
#include "providers/digitalocean/cloud.hpp"
#include "providers/fluidstack/cloud.hpp"
#include "providers/gcp/cloud.hpp"
#include "providers/gcp/provider.hpp"
#include "providers/hyperstack/cloud.hpp"
#include "providers/lambda/cloud.hpp"
#include "providers/lambda/provider.hpp"
#include "providers/local/provider.hpp"
#include "providers/nebius/cloud.hpp"
#include "providers/nebius/provider.hpp"
#include "providers/oci/cloud.hpp"
#include "providers/runpod/cloud.hpp"
#include "providers/runpod/provider.hpp"
#include "providers/sfcompute/cloud.hpp"
#include "providers/shadeform/cloud.hpp"
#include "providers/ssh/provider.hpp"
#include "providers/together/cloud.hpp"
#include "providers/vast/cloud.hpp"
#include "providers/vast/provider.hpp"
#include "providers/verda/cloud.hpp"
#include "providers/voltagepark/cloud.hpp"
#include "providers/vultr/cloud.hpp"

namespace gpubroker {
namespace {

Result<std::unique_ptr<Provider>> make_local(const ProviderContext& context) {
  return local::LocalProvider::make({context.clock, context.random, context.files, context.processes},
                                    {.folder = context.home + "/local",
                                     .binary = context.binary,
                                     .scenario_path = context.local_scenario,
                                     .prices = {context.local_cpu_price, context.local_gpu_price}});
}

Result<std::unique_ptr<Provider>> make_ssh(const ProviderContext& context) {
  return ssh::make_provider(*context.cloud, context.home);
}

template <std::unique_ptr<Provider> (*make)(const CloudParts&)>
Result<std::unique_ptr<Provider>> make_cloud_provider(const ProviderContext& context) {
  return make(*context.cloud);
}

}  // namespace

std::vector<CloudEntry> all_clouds() {
  // clang-format off
  return {
      {"aws", aws::make_cloud},
      {"azure", azure::make_cloud},
      {"brev", brev::make_cloud},
      {"coreweave", coreweave::make_cloud},
      {"crusoe", crusoe::make_cloud},
      {"digitalocean", digitalocean::make_cloud},
      {"fluidstack", fluidstack::make_cloud},
      {"gcp", gcp::make_cloud},
      {"hyperstack", hyperstack::make_cloud},
      {"lambda", lambda::make_cloud},
      {"nebius", nebius::make_cloud},
      {"oci", oci::make_cloud},
      {"runpod", runpod::make_cloud},
      {"sfcompute", sfcompute::make_cloud},
      {"shadeform", shadeform::make_cloud},
      {"together", together::make_cloud},
      {"vast", vast::make_cloud},
      {"verda", verda::make_cloud},
      {"voltagepark", voltagepark::make_cloud},
      {"vultr", vultr::make_cloud},
  };
  // clang-format on
}

std::vector<ProviderEntry> all_providers() {
  // clang-format off
  return {
      {"aws", make_cloud_provider<aws::make_provider>},
      {"azure", make_cloud_provider<azure::make_provider>},
      {"coreweave", make_cloud_provider<coreweave::make_provider>},
      {"gcp", make_cloud_provider<gcp::make_provider>},
      {"lambda", make_cloud_provider<lambda::make_provider>},
      {"local", make_local},
      {"nebius", make_cloud_provider<nebius::make_provider>},
      {"runpod", make_cloud_provider<runpod::make_provider>},
      {"ssh", make_ssh},
      {"vast", make_cloud_provider<vast::make_provider>},
  };
  // clang-format on
}

}  // namespace gpubroker
