#include "providers/gcp/facts.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gpubroker::gcp {
namespace {

constexpr std::string_view kX86 = "x86_64";
constexpr std::string_view kArm = "arm64";
constexpr unsigned kNoBlock = kOnDemand | kSpot | kFlex;
constexpr unsigned kShort = kSpot | kFlex;  // a3-highgpu below 8 GPUs is not sold on demand
constexpr unsigned kNothing = 0;            // no SKU at all: on request

constexpr std::string_view kH100 = "nvidia-h100-80gb";
constexpr std::string_view kMega = "nvidia-h100-mega-80gb";
constexpr std::string_view kA100 = "nvidia-tesla-a100";
constexpr std::string_view kA100Large = "nvidia-a100-80gb";
constexpr std::string_view kL4 = "nvidia-l4";
constexpr std::string_view kRtx = "nvidia-rtx-pro-6000";
constexpr std::string_view kT4 = "nvidia-tesla-t4";
constexpr std::string_view kP4 = "nvidia-tesla-p4";
constexpr std::string_view kV100 = "nvidia-tesla-v100";
constexpr std::string_view kP100 = "nvidia-tesla-p100";
constexpr std::string_view kV5e = "tpu-v5-lite-podslice";
constexpr std::string_view kV5p = "tpu-v5p-slice";
constexpr std::string_view kV6e = "tpu-v6e-slice";
constexpr std::string_view kV7 = "tpu7x";

using enum Fabric;

// clang-format off
const std::vector<MachineFact> kMachines = {
    // type, family, accelerator, GPUs, form, GB each, vCPUs, GiB, local SSD GiB, fabric, Gbps, NVLink domain
    {"a2-highgpu-1g", "a2", kA100, 1, "SXM", 40, 12, 85, 0, ethernet, 24, 1, kX86, kNoBlock},
    {"a2-highgpu-2g", "a2", kA100, 2, "SXM", 40, 24, 170, 0, ethernet, 32, 2, kX86, kNoBlock},
    {"a2-highgpu-4g", "a2", kA100, 4, "SXM", 40, 48, 340, 0, ethernet, 50, 4, kX86, kNoBlock},
    {"a2-highgpu-8g", "a2", kA100, 8, "SXM", 40, 96, 680, 0, ethernet, 100, 8, kX86, kNoBlock},
    {"a2-megagpu-16g", "a2", kA100, 16, "SXM", 40, 96, 1360, 0, ethernet, 100, 16, kX86, kNoBlock},
    {"a2-ultragpu-1g", "a2", kA100Large, 1, "SXM", 80, 12, 170, 375, ethernet, 24, 1, kX86, kNoBlock},
    {"a2-ultragpu-2g", "a2", kA100Large, 2, "SXM", 80, 24, 340, 750, ethernet, 32, 2, kX86, kNoBlock},
    {"a2-ultragpu-4g", "a2", kA100Large, 4, "SXM", 80, 48, 680, 1500, ethernet, 50, 4, kX86, kNoBlock},
    {"a2-ultragpu-8g", "a2", kA100Large, 8, "SXM", 80, 96, 1360, 3000, ethernet, 100, 8, kX86, kNoBlock},
    {"a3-edgegpu-8g", "a3", kH100, 8, "SXM", 80, 208, 1872, 6000, tcpx, 600, 8, kX86},
    {"a3-highgpu-1g", "a3", kH100, 1, "SXM", 80, 26, 234, 750, ethernet, 25, 1, kX86, kShort},
    {"a3-highgpu-2g", "a3", kH100, 2, "SXM", 80, 52, 468, 1500, ethernet, 50, 2, kX86, kShort},
    {"a3-highgpu-4g", "a3", kH100, 4, "SXM", 80, 104, 936, 3000, ethernet, 100, 4, kX86, kShort},
    {"a3-highgpu-8g", "a3", kH100, 8, "SXM", 80, 208, 1872, 6000, tcpx, 1000, 8, kX86},
    {"a3-megagpu-8g", "a3plus", kMega, 8, "SXM", 80, 208, 1872, 6000, tcpx, 1800, 8, kX86},
    {"a3-ultragpu-8g", "a3ultra", "nvidia-h200-141gb", 8, "SXM", 141, 224, 2952, 12000, roce, 3600, 8, kX86},
    {"a4-highgpu-8g", "", "nvidia-b200", 8, "SXM", 180, 224, 3968, 12000, roce, 3600, 8, kX86},
    {"a4x-highgpu-4g", "", "nvidia-gb200", 4, "NVL72", 186, 140, 884, 12000, roce, 2000, 72, kArm, kNothing},
    {"a4x-maxgpu-4g-metal", "", "nvidia-gb300", 4, "NVL72", 279, 144, 960, 12000, roce, 3600, 72, kArm, kNothing},
    {"g2-standard-4", "g2", kL4, 1, "PCIe", 24, 4, 16, 0, ethernet, 10, 1, kX86, kNoBlock},
    {"g2-standard-8", "g2", kL4, 1, "PCIe", 24, 8, 32, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"g2-standard-12", "g2", kL4, 1, "PCIe", 24, 12, 48, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"g2-standard-16", "g2", kL4, 1, "PCIe", 24, 16, 64, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"g2-standard-24", "g2", kL4, 2, "PCIe", 24, 24, 96, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"g2-standard-32", "g2", kL4, 1, "PCIe", 24, 32, 128, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"g2-standard-48", "g2", kL4, 4, "PCIe", 24, 48, 192, 0, ethernet, 50, 1, kX86, kNoBlock},
    {"g2-standard-96", "g2", kL4, 8, "PCIe", 24, 96, 384, 0, ethernet, 100, 1, kX86, kNoBlock},
    {"g4-standard-48", "g4", kRtx, 1, "PCIe", 96, 48, 180, 0, ethernet, 50, 1, kX86, kNoBlock},
    {"g4-standard-96", "g4", kRtx, 2, "PCIe", 96, 96, 360, 0, ethernet, 100, 1, kX86, kNoBlock},
    {"g4-standard-192", "g4", kRtx, 4, "PCIe", 96, 192, 720, 0, ethernet, 200, 1, kX86, kNoBlock},
    {"g4-standard-384", "g4", kRtx, 8, "PCIe", 96, 384, 1440, 0, ethernet, 400, 1, kX86, kNoBlock},
    // GPUs attached to N1: any size within limits can be had; these have what a GPU usually needs beside it.
    {"n1-standard-8+nvidia-tesla-p100:1", "n1", kP100, 1, "PCIe", 16, 8, 30, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"n1-standard-16+nvidia-tesla-p100:2", "n1", kP100, 2, "PCIe", 16, 16, 60, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-32+nvidia-tesla-p100:4", "n1", kP100, 4, "PCIe", 16, 32, 120, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-8+nvidia-tesla-p4:1", "n1", kP4, 1, "PCIe", 8, 8, 30, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"n1-standard-16+nvidia-tesla-p4:2", "n1", kP4, 2, "PCIe", 8, 16, 60, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-32+nvidia-tesla-p4:4", "n1", kP4, 4, "PCIe", 8, 32, 120, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-8+nvidia-tesla-t4:1", "n1", kT4, 1, "PCIe", 16, 8, 30, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"n1-standard-16+nvidia-tesla-t4:2", "n1", kT4, 2, "PCIe", 16, 16, 60, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-32+nvidia-tesla-t4:4", "n1", kT4, 4, "PCIe", 16, 32, 120, 0, ethernet, 32, 1, kX86, kNoBlock},
    {"n1-standard-8+nvidia-tesla-v100:1", "n1", kV100, 1, "SXM", 16, 8, 30, 0, ethernet, 16, 1, kX86, kNoBlock},
    {"n1-standard-16+nvidia-tesla-v100:2", "n1", kV100, 2, "SXM", 16, 16, 60, 0, ethernet, 32, 2, kX86, kNoBlock},
    {"n1-standard-32+nvidia-tesla-v100:4", "n1", kV100, 4, "SXM", 16, 32, 120, 0, ethernet, 32, 4, kX86, kNoBlock},
    {"n1-standard-64+nvidia-tesla-v100:8", "n1", kV100, 8, "SXM", 16, 64, 240, 0, ethernet, 32, 8, kX86, kNoBlock},
    // TPU hosts; their SKUs are per chip and hour and cover the host.
    {"ct5lp-hightpu-1t", "", kV5e, 1, "chip", 16, 24, 48, 0, ethernet, 0, 1, kX86},
    {"ct5lp-hightpu-4t", "", kV5e, 4, "chip", 16, 112, 192, 0, ethernet, 0, 1, kX86},
    {"ct5lp-hightpu-8t", "", kV5e, 8, "chip", 16, 224, 384, 0, ethernet, 0, 1, kX86},
    {"ct5p-hightpu-4t", "", kV5p, 4, "chip", 95, 208, 448, 0, ethernet, 0, 1, kX86},
    {"ct6e-standard-1t", "", kV6e, 1, "chip", 32, 44, 176, 0, ethernet, 0, 1, kX86},
    {"ct6e-standard-4t", "", kV6e, 4, "chip", 32, 180, 720, 0, ethernet, 0, 1, kX86},
    {"ct6e-standard-8t", "", kV6e, 8, "chip", 32, 180, 1440, 0, ethernet, 0, 1, kX86},
    {"tpu7x-standard-4t", "", kV7, 4, "chip", 192, 224, 960, 0, ethernet, 0, 1, kX86},
};
// clang-format on

using Name = std::pair<std::string_view, std::string_view>;
// As in PREEMPTIBLE_NVIDIA_…_GPUS of compute.proto and in the dimension gpu_family of Cloud Quotas.
constexpr std::array kQuotaNames = {
    Name{"A100", kA100},
    Name{"A100_80GB", kA100Large},
    Name{"B200", "nvidia-b200"},
    Name{"GB200", "nvidia-gb200"},
    Name{"GB300", "nvidia-gb300"},
    Name{"H100", kH100},
    Name{"H100_MEGA", kMega},
    Name{"H200", "nvidia-h200-141gb"},
    Name{"L4", kL4},
    Name{"P100", kP100},
    Name{"P4", kP4},
    Name{"RTX_PRO_6000", kRtx},
    Name{"T4", kT4},
    Name{"V100", kV100},
};

// Where GB200 stood in the list of machine types; none of the 31 577 SKUs of 2026-07-30 is of A4X or A4X Max.
// Zones change: gcp/machine-types tells them.
constexpr std::array kQuotedRegions = {
    Name{"a4x-highgpu-4g", "europe-west4"}, Name{"a4x-highgpu-4g", "us-central1"},
    Name{"a4x-highgpu-4g", "us-east1"},     Name{"a4x-highgpu-4g", "us-east4"},
    Name{"a4x-maxgpu-4g-metal", "any"},
};

}  // namespace

const std::vector<MachineFact>& machines() {
  return kMachines;
}

const MachineFact* find_machine(std::string_view type) {
  const auto found = std::find_if(kMachines.begin(), kMachines.end(),
                                  [&](const MachineFact& machine) { return machine.type == type; });
  return found == kMachines.end() ? nullptr : &*found;
}

Listing describe_machine(const MachineFact& machine) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "gcp", .instance_type = std::string(machine.type)};
  offer.gpu = {
      .form = std::string(machine.form), .memory_gib = machine.gpu_memory_gib, .count = machine.gpus};
  offer.vcpus = machine.vcpus;
  offer.memory_mib = machine.memory_gib * std::int64_t{1024};
  offer.billing = {.unit = Millis{1'000}, .minimum = Millis{60'000}};  // by the second, a minute at least
  listing.gpu_text = std::string(machine.accelerator);
  listing.arch = std::string(machine.arch);
  listing.disk_gib = machine.local_ssd_gib;
  listing.fabric = machine.fabric;
  listing.fabric_gbps = machine.gbps;
  listing.nvlink_domain = machine.nvlink_domain;
  return listing;
}

std::string_view accelerator_of_quota(std::string_view family) {
  const auto found = std::find_if(kQuotaNames.begin(), kQuotaNames.end(),
                                  [&](const Name& name) { return name.first == family; });
  return found == kQuotaNames.end() ? std::string_view() : found->second;
}

std::vector<Listing> quoted_machines(Instant now) {
  std::vector<Listing> listings;
  for (const auto& [type, region] : kQuotedRegions) {
    Listing listing = describe_machine(*find_machine(type));
    listing.offer.key.region = std::string(region);
    listing.offer.key.market = Market::block;  // reservations and calendar blocks alone
    listing.offer.learnt_at = now;
    listing.offer.source = "gcp/quotes";
    listing.basis = PriceBasis::quote;
    listings.push_back(std::move(listing));
  }
  return listings;
}

}  // namespace gpubroker::gcp
