#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/gpu.hpp"

namespace gpubroker::local {

struct GpuFact {
  std::string uuid = {};  // "GPU-5b2…", which CUDA_VISIBLE_DEVICES understands
  std::string name = {};  // "NVIDIA H100 80GB HBM3"
  std::int64_t memory_mib = 0;
  bool operator==(const GpuFact&) const = default;
};

/// This machine's GPUs, by NVIDIA's management library, loaded when this is called: a machine without it has
/// none, which is no error. A GPU that does not answer (lost, failed) is left out.
std::vector<GpuFact> list_gpus(const std::string& library);

/// "NVIDIA H100 80GB HBM3" -> H100 SXM 80, "NVIDIA GeForce RTX 4090" -> RTX4090. Count 1.
Accelerator read_gpu_name(const std::string& name, std::int64_t memory_mib);

}  // namespace gpubroker::local
