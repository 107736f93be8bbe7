#include "tests/contract/cloud_cases.hpp"

namespace gpubroker::contract {

std::vector<CloudCase> cloud_cases() {
  return {
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
