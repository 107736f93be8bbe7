#include "tests/contract/cloud_cases.hpp"

namespace gpubroker::contract {

std::vector<CloudCase> cloud_cases() {
  return {
      {.name = "aws",
       .on_demand = {"aws", "us-east-1", "", "g5.12xlarge", Market::on_demand},
       .spot = OfferKey{"aws", "us-east-1", "us-east-1a", "g5.12xlarge", Market::spot},
       .price = {5'672'000},
       .spot_price = {2'195'064},
       .billing = {.unit = Millis{1'000}, .minimum = Millis{60'000}},
       .host = "ec2",
       .path = "/",
       .body = "Action=RunInstances",
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
      {.name = "vast",
       .on_demand = {"vast", "Quebec, CA", "", "8x H100 SXM", Market::on_demand},
       .spot = OfferKey{"vast", "Quebec, CA", "", "8x H100 SXM", Market::spot},
       .price = {18'941'096},  // with 200 GB of disk
       .spot_price = {9'641'096},
       .billing = {.unit = Millis{1'000}},
       .host = "console.vast.ai",
       .path = "/asks/",
       .tells_times = false,
       .ends_itself = false},
  };
}

}  // namespace gpubroker::contract
