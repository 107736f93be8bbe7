#pragma once
#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace gpubroker {

/// What a machine has. `model` is the family ("H100", "A100", "B200"), empty when it has none.
struct Accelerator {
  std::string model = {};
  std::string form = {};  // "SXM", "PCIe", "NVL", empty when unknown
  int memory_gib = 0;     // per GPU; 0 when unknown
  int count = 0;          // per machine
  auto operator<=>(const Accelerator&) const = default;
};

/// One acceptable kind of GPU: every field that is set must match.
struct GpuChoice {
  std::string model = {};  // upper case; empty for "any"
  std::string form = {};   // upper case; empty for any form
  int memory_gib = 0;      // exact when at_least is false; 0 for any
  bool at_least = false;   // "80GB+"
  auto operator<=>(const GpuChoice&) const = default;
};

/// What the user asks for, per node: any of `choices`, `count` of them. Count 0 means no GPU is asked for.
struct GpuSpec {
  std::vector<GpuChoice> choices = {};
  int count = 0;
  auto operator<=>(const GpuSpec&) const = default;
};

/// Reads "H100:8", "H100-SXM:8", "{A100-80, H100}:4", "any:80GB+:8", "A100-80GB", "H100". Case does not
/// matter; no count means 1. Fails with `invalid`, saying which part is wrong ("count must be 1 to 1024").
Result<GpuSpec> parse_gpu_spec(std::string_view text);

/// The canonical spelling; parse_gpu_spec reads it back to an equal value.
std::string format_gpu_spec(const GpuSpec& spec);

/// Whether a machine with `have` can serve the request: a matching kind and at least the count. A spec with
/// count 0 is served by every machine.
bool matches(const GpuSpec& spec, const Accelerator& have);

}  // namespace gpubroker
