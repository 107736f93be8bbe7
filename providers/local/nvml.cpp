#include "providers/local/nvml.hpp"

#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <memory>

#include "core/base/c_handle.hpp"
#include "core/base/text.hpp"

namespace gpubroker::local {
namespace {

// The few symbols of NVML's stable C interface that are needed (NVML API reference, r570); no header of
// NVIDIA's.
using Device = struct NvmlDevice*;
struct MemoryInfo {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
using Init = int (*)();
using Count = int (*)(unsigned*);
using HandleByIndex = int (*)(unsigned, Device*);
using Text = int (*)(Device, char*, unsigned);
using Memory = int (*)(Device, MemoryInfo*);

using Library = CHandle<void, dlclose>;

template <class Function>
Function symbol(const Library& library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library.get(), name));
}

struct Nvml {
  Library library;
  Init init = nullptr;
  Init shutdown = nullptr;
  Count count = nullptr;
  HandleByIndex handle = nullptr;
  Text name = nullptr;
  Text uuid = nullptr;
  Memory memory = nullptr;

  [[nodiscard]] bool is_whole() const {
    return init != nullptr && shutdown != nullptr && count != nullptr && handle != nullptr &&
           name != nullptr && uuid != nullptr && memory != nullptr;
  }
};

Nvml load(const std::string& path) {
  Nvml nvml{.library = Library(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))};
  if (!nvml.library) { return nvml; }
  nvml.init = symbol<Init>(nvml.library, "nvmlInit_v2");
  nvml.shutdown = symbol<Init>(nvml.library, "nvmlShutdown");
  nvml.count = symbol<Count>(nvml.library, "nvmlDeviceGetCount_v2");
  nvml.handle = symbol<HandleByIndex>(nvml.library, "nvmlDeviceGetHandleByIndex_v2");
  nvml.name = symbol<Text>(nvml.library, "nvmlDeviceGetName");
  nvml.uuid = symbol<Text>(nvml.library, "nvmlDeviceGetUUID");
  nvml.memory = symbol<Memory>(nvml.library, "nvmlDeviceGetMemoryInfo");
  return nvml;
}

bool read_gpu(const Nvml& nvml, unsigned index, GpuFact& out) {
  Device device = nullptr;
  std::array<char, 128> name = {};
  std::array<char, 128> uuid = {};
  MemoryInfo memory = {};
  const auto size = static_cast<unsigned>(name.size());
  if (nvml.handle(index, &device) != 0 || nvml.name(device, name.data(), size) != 0 ||
      nvml.uuid(device, uuid.data(), size) != 0 || nvml.memory(device, &memory) != 0) {
    return false;
  }
  out = {uuid.data(), name.data(), static_cast<std::int64_t>(memory.total >> 20U)};
  return true;
}

/// What is sold as 80 GB reports 81,559 MiB, what is sold as 24 GB 23,034: the next size on sale is meant.
int sold_gib(std::int64_t memory_mib) {
  constexpr std::array<int, 19> kSizes = {4,  6,  8,  10, 11, 12, 16,  20,  24, 32,
                                          40, 48, 64, 80, 94, 96, 141, 180, 288};
  for (const int size : kSizes) {
    if (memory_mib <= size * 1024LL) { return size; }
  }
  return static_cast<int>((memory_mib + 1023) / 1024);
}

}  // namespace

std::vector<GpuFact> list_gpus(const std::string& library) {
  std::vector<GpuFact> out;
  const Nvml nvml = load(library);
  if (!nvml.is_whole() || nvml.init() != 0) { return out; }
  unsigned count = 0;
  if (nvml.count(&count) == 0) {
    for (unsigned i = 0; i < count; ++i) {
      GpuFact gpu;
      if (read_gpu(nvml, i, gpu)) { out.push_back(std::move(gpu)); }
    }
  }
  nvml.shutdown();
  return out;
}

Accelerator read_gpu_name(const std::string& name, std::int64_t memory_mib) {
  Accelerator out{.memory_gib = sold_gib(memory_mib), .count = 1};
  std::string words = upper(name);
  std::replace(words.begin(), words.end(), '-', ' ');
  constexpr std::array<std::string_view, 5> kMakers = {"NVIDIA", "TESLA", "QUADRO", "GEFORCE", ""};
  for (const std::string& word : split(words, ' ')) {
    if (std::find(kMakers.begin(), kMakers.end(), word) != kMakers.end()) { continue; }
    if (word == "PCIE" || word == "NVL") {
      out.form = word == "NVL" ? "NVL" : "PCIe";
    } else if (word.starts_with("SXM") || word.starts_with("HBM3")) {
      out.form = "SXM";  // "H100 80GB HBM3" is how the SXM board calls itself
    } else if (out.model.empty() || out.model == "RTX") {
      out.model += word;
    }
  }
  // The SXM boards of these do not say so; the others of the family say PCIe or NVL.
  if (out.form.empty() && (out.model == "H200" || out.model == "B200" || out.model == "B300")) {
    out.form = "SXM";
  }
  return out;
}

}  // namespace gpubroker::local
