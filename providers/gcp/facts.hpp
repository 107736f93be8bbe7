#pragma once
// What Google's answers do not tell in one place: the shape of each GPU machine type. Sizes as of 2026-11
// from Google's pages of accelerator-optimized machine types and GPU network bandwidth, and from
// compute.proto.
#include <string>
#include <string_view>
#include <vector>

#include "core/base/listing.hpp"

namespace gpubroker::gcp {

/// One way of the markets that a machine type is sold in, as a set.
inline constexpr unsigned kOnDemand = 1U;
inline constexpr unsigned kSpot = 2U;
inline constexpr unsigned kFlex = 4U;
inline constexpr unsigned kBlock = 8U;
inline constexpr unsigned kAllMarkets = kOnDemand | kSpot | kFlex | kBlock;

struct MachineFact {
  std::string_view type = {};    // "a3-highgpu-8g"; "n1-standard-8+nvidia-tesla-t4:1" where GPUs are attached
  std::string_view family = {};  // whose cores and memory are billed: "a3"; empty: the GPU's price is all
  std::string_view accelerator = {};  // Google's name: "nvidia-h100-80gb"
  int gpus = 0;
  std::string_view form = {};
  int gpu_memory_gib = 0;
  int vcpus = 0;
  int memory_gib = 0;
  int local_ssd_gib = 0;  // bundled: always there and always billed
  Fabric fabric = Fabric::unknown;
  int gbps = 0;
  int nvlink_domain = 0;
  std::string_view arch = {};
  unsigned markets = kAllMarkets;
};

const std::vector<MachineFact>& machines();
/// Null: not a machine of ours.
const MachineFact* find_machine(std::string_view type);

/// Everything but place, market and price.
Listing describe_machine(const MachineFact& machine);

/// GPU families as quotas call them: "H100_MEGA" in PREEMPTIBLE_NVIDIA_H100_MEGA_GPUS. Empty: not a GPU that
/// is rented in machines.
std::string_view accelerator_of_quota(std::string_view family);

/// Machines without any price: reserved on request. A listing for each region, basis `quote`.
std::vector<Listing> quoted_machines(Instant now);

}  // namespace gpubroker::gcp
