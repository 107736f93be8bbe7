#include "providers/local/here.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <doctest/doctest.h>

namespace gpubroker::local {
namespace {

std::vector<std::string> names(const Scenario& scenario) {
  std::vector<std::string> out;
  for (const InstancePlan& type : scenario.regions.at(0).types) { out.push_back(type.name); }
  return out;
}

/// GPUs as the stand-in library tells them from these lines.
std::vector<GpuFact> gpus_of(const std::string& lines) {
  const std::string path = std::filesystem::temp_directory_path() / ("fake-nvml-" + std::to_string(getpid()));
  std::ofstream(path) << lines;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread is at the environment.
  setenv("FAKE_NVML_FILE", path.c_str(), 1);
  std::vector<GpuFact> out = list_gpus(FAKE_NVML);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread is at the environment.
  unsetenv("FAKE_NVML_FILE");
  std::filesystem::remove(path);
  return out;
}

}  // namespace

TEST_CASE("GPUs are read through NVML, the lost ones left out") {
  const auto gpus = gpus_of(
      "GPU-1;NVIDIA H100 80GB HBM3;81559;0\nGPU-2;NVIDIA H100 80GB HBM3;81559;15\n"
      "GPU-3;NVIDIA H100 80GB HBM3;81559;0\n");
  REQUIRE(gpus.size() == 2);
  CHECK(gpus[0] == GpuFact{"GPU-1", "NVIDIA H100 80GB HBM3", 81'559});
  CHECK(gpus[1].uuid == "GPU-3");
  CHECK(gpus_of("").empty());
}

TEST_CASE("no library and no driver are no error") {
  CHECK(list_gpus("libnvidia-ml-that-is-not-there.so.1").empty());
  CHECK(list_gpus("libc.so.6").empty());  // a library, but not that one
  CHECK(list_gpus(FAKE_NVML).empty());    // its driver is not loaded
}

TEST_CASE("names of GPUs as their drivers spell them") {
  struct Row {
    const char* name;
    std::int64_t memory_mib;
    Accelerator gpu;
  };
  const std::vector<Row> rows = {
      {"NVIDIA H100 80GB HBM3", 81'559, {"H100", "SXM", 80, 1}},
      {"NVIDIA H100 PCIe", 81'559, {"H100", "PCIe", 80, 1}},
      {"NVIDIA H100 NVL", 95'830, {"H100", "NVL", 94, 1}},
      {"NVIDIA H200", 143'771, {"H200", "SXM", 141, 1}},
      {"NVIDIA B200", 183'359, {"B200", "SXM", 180, 1}},
      {"NVIDIA A100-SXM4-40GB", 40'960, {"A100", "SXM", 40, 1}},
      {"NVIDIA A100-SXM4-80GB", 81'920, {"A100", "SXM", 80, 1}},
      {"NVIDIA A100 80GB PCIe", 81'920, {"A100", "PCIe", 80, 1}},
      {"NVIDIA GH200 480GB", 97'871, {"GH200", "", 96, 1}},
      {"NVIDIA L4", 23'034, {"L4", "", 24, 1}},
      {"NVIDIA L40S", 46'068, {"L40S", "", 48, 1}},
      {"NVIDIA A10G", 23'028, {"A10G", "", 24, 1}},
      {"Tesla T4", 15'360, {"T4", "", 16, 1}},
      {"Tesla V100-SXM2-16GB", 16'160, {"V100", "SXM", 16, 1}},
      {"NVIDIA GeForce RTX 4090", 24'564, {"RTX4090", "", 24, 1}},
      {"NVIDIA RTX A6000", 49'140, {"RTXA6000", "", 48, 1}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Accelerator gpu = read_gpu_name(row.name, row.memory_mib);
    CHECK(gpu.model == row.gpu.model);
    CHECK(gpu.form == row.gpu.form);
    CHECK(gpu.memory_gib == row.gpu.memory_gib);
  }
}

TEST_CASE("this machine as a cloud") {
  const Scenario plain = here_scenario({.cpus = 6, .memory_mib = 6'000}, {});
  CHECK(names(plain) == std::vector<std::string>{"cpu1", "cpu2", "cpu4", "cpu6"});
  CHECK(plain.regions[0].shared_vcpus == 24);
  CHECK(plain.regions[0].types[1].memory_mib == 2'000);
  CHECK(value_at(plain.regions[0].types[3].markets.at(Market::spot).price, Millis{0}) == 0);

  const GpuFact gpu{"GPU-1", "NVIDIA L4", 23'034};
  const Scenario with_gpus =
      here_scenario({.cpus = 8,
                     .memory_mib = 8'000,
                     .gpus = {gpu, {"GPU-2", "NVIDIA L4", 23'034}, {"GPU-3", "Tesla T4", 15'360}}},
                    {.cpu = {10}, .gpu = {700'000}});
  CHECK(names(with_gpus) == std::vector<std::string>{"cpu1", "cpu2", "cpu4", "cpu8", "gpu1", "gpu2"});
  CHECK(with_gpus.regions[0].shared_gpus == std::vector<std::string>{"GPU-1", "GPU-2"});
  const InstancePlan& both = with_gpus.regions[0].types[5];
  CHECK(both.gpu == Accelerator{"L4", "", 24, 2});
  CHECK(value_at(both.markets.at(Market::on_demand).price, Millis{0}) == 1'400'000);
  CHECK(value_at(with_gpus.regions[0].types[1].markets.at(Market::on_demand).price, Millis{0}) == 20);
}

TEST_CASE("memory from /proc/meminfo") {
  CHECK(parse_memory_mib("MemTotal:       16384000 kB\nMemFree: 1 kB\n") == 16'000);
  CHECK(parse_memory_mib("") == 0);
}

}  // namespace gpubroker::local
