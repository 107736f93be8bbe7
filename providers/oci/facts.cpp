#include "providers/oci/facts.hpp"

#include <array>

#include "core/base/text.hpp"

namespace gpubroker::oci {
namespace {

struct GpuRow {
  std::string_view token;  // of the shape's name
  std::string_view words;
  std::string_view form;
  int memory_gib;
  int nvlink;  // GPUs joined; -1: those of the machine
};
// The estimator's gpuMemoryQty is the sum of the machine for most shapes, but of one GPU for BM.GPU.MI355X.8
// and BM.GPU.GB300.4, and rounded otherwise for BM.GPU.GB200.4: so memory is by the name. Source: OCI's shape
// table and shared API notes, read 2026-11.
constexpr std::array kGpus = {
    GpuRow{"GPU2", "P100", "PCIe", 16, 0},     GpuRow{"GPU3", "V100", "SXM", 16, -1},
    GpuRow{"GPU4", "A100", "SXM", 40, -1},     GpuRow{"A100-v2", "A100", "SXM", 80, -1},
    GpuRow{"GM4", "A100", "SXM", 80, -1},      GpuRow{"H100", "H100", "SXM", 80, -1},
    GpuRow{"H200", "H200", "SXM", 141, -1},    GpuRow{"B200", "B200", "SXM", 180, -1},
    GpuRow{"B300", "B300", "SXM", 270, -1},    GpuRow{"GB200", "GB200", "", 186, 72},
    GpuRow{"GB300", "GB300", "", 279, 72},     GpuRow{"A10", "A10", "PCIe", 24, 0},
    GpuRow{"L40S", "L40S", "PCIe", 48, 0},     GpuRow{"RTXPRO", "RTX PRO 6000", "PCIe", 96, 0},
    GpuRow{"MI300X", "MI300X", "OAM", 192, 0}, GpuRow{"MI355X", "MI355X", "OAM", 288, 0},
};

struct MachineRow {
  std::string_view shape;
  int vcpus;
  int memory_gib;
};
// Shapes without cores and memory in the estimator, as of 2026-09; BM.GPU.GB200.4 is there with 128 of its
// 144 cores. Grace has no hyperthreads: a core is a vCPU.
constexpr std::array kMachines = {
    MachineRow{"BM.GPU.GB200.4", 144, 960},
    MachineRow{"BM.GPU.GB300.4", 144, 960},
    MachineRow{"BM.GPU.B300.8", 256, 4096},
    MachineRow{"BM.GPU.RTXPRO.8", 288, 3072},
};

/// "BM.GPU.A100-v2.8" -> "A100-v2", "VM.GPU3.1" -> "GPU3".
std::string token_of(const std::string& shape) {
  const std::vector<std::string> parts = split(shape, '.');
  if (parts.size() < 3) { return {}; }
  return parts[1] == "GPU" && parts.size() > 3 ? parts[2] : parts[1];
}

}  // namespace

void correct_shape(Listing& listing) {
  const std::string& shape = listing.offer.key.instance_type;
  const std::string token = token_of(shape);
  listing.gpu_text = token;
  listing.arch = "x86_64";
  for (const GpuRow& row : kGpus) {
    if (row.token != token) { continue; }
    listing.gpu_text = row.words;
    listing.offer.gpu.form = row.form;
    listing.offer.gpu.memory_gib = row.memory_gib;
    listing.nvlink_domain = row.nvlink < 0 ? listing.offer.gpu.count : row.nvlink;
    if (row.nvlink == 72) { listing.arch = "arm64"; }
  }
  for (const MachineRow& row : kMachines) {
    if (row.shape != shape) { continue; }
    listing.offer.vcpus = row.vcpus;
    listing.offer.memory_mib = row.memory_gib * std::int64_t{1024};
  }
  // Cluster networks (RDMA over converged Ethernet) join bare metal only.
  listing.fabric = shape.rfind("BM.", 0) == 0 ? Fabric::roce : Fabric::ethernet;
}

}  // namespace gpubroker::oci
