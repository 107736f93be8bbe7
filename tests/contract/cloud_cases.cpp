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
      {.name = "gcp",
       .on_demand = {"gcp", "us-central1", "", "a3-highgpu-8g", Market::on_demand},
       .spot = OfferKey{"gcp", "us-central1", "", "a3-highgpu-8g", Market::spot},
       .price = {88'489'999},
       .spot_price = {50'631'774},
       .billing = {.unit = Millis{1'000}, .minimum = Millis{60'000}},
       .host = "compute.googleapis.com",
       .path = "/instances/bulkInsert"},
      {.name = "lambda",
       .on_demand = {"lambda", "us-west-3", "", "gpu_8x_h100_sxm5", Market::on_demand},
       .price = {31'920'000},
       .billing = {.unit = Millis{60'000}},
       .host = "cloud.lambda.ai",
       .path = "/instance-operations/launch",
       .tells_times = false,
       .ends_itself = false},
      {.name = "runpod",
       .on_demand = {"runpod", "US-KS-2", "", "8x NVIDIA H100 80GB HBM3 secure", Market::on_demand},
       .spot = OfferKey{"runpod", "any", "", "8x NVIDIA H100 80GB HBM3 secure", Market::spot},
       .price = {31'920'000},
       .spot_price = {14'000'000},
       .billing = {.unit = Millis{60'000}},
       .host = "api.runpod.io",
       .path = "/graphql",
       .body = "mutation",
       .tells_times = false},
  };
}

}  // namespace gpubroker::contract
