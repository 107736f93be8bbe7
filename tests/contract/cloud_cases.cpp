#include "tests/contract/cloud_cases.hpp"

namespace gpubroker::contract {

std::vector<CloudCase> cloud_cases() {
  return {
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
      {.name = "nebius",
       .on_demand = {"nebius", "eu-north1", "", "gpu-h100-sxm_8gpu-128vcpu-1600gb", Market::on_demand},
       .spot = OfferKey{"nebius", "eu-north1", "", "gpu-h100-sxm_8gpu-128vcpu-1600gb", Market::spot},
       .price = {36'000'000},
       .spot_price = {6'320'000},
       .billing = {.unit = Millis{1'000}},
       .host = "compute.api.nebius.cloud",
       .path = "InstanceService/Create",
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
