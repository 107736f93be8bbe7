#include "tests/contract/cloud_cases.hpp"

namespace gpubroker::contract {

std::vector<CloudCase> cloud_cases() {
  return {
      {.name = "azure",
       .on_demand = {"azure", "eastus", "", "Standard_ND96isr_H100_v5", Market::on_demand},
       .spot = OfferKey{"azure", "eastus", "", "Standard_ND96isr_H100_v5", Market::spot},
       .price = {98'320'000},
       .spot_price = {18'169'500},
       .host = "management.azure.com",
       .path = "/virtualMachines/",
       .body = "hardwareProfile",
       .ends_itself = false},
      {.name = "lambda",
       .on_demand = {"lambda", "us-west-3", "", "gpu_8x_h100_sxm5", Market::on_demand},
       .price = {31'920'000},
       .billing = {.unit = Millis{60'000}},
       .host = "cloud.lambda.ai",
       .path = "/instance-operations/launch",
       .tells_times = false,
       .ends_itself = false},
  };
}

}  // namespace gpubroker::contract
