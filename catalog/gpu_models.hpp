#pragma once
// The vocabulary of accelerators: what each is, and by which names clouds and people call it.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/gpu.hpp"
#include "core/base/result.hpp"

namespace gpubroker {

/// How far a row's figures can be trusted.
enum class GpuBasis : std::uint8_t {
  checked,      // read from the vendor's sheet
  recall,       // well known, not read again
  derived,      // computed from other published figures
  third_party,  // from others' tables
  announced,    // the vendor's preview
  unverified,
};
std::string_view to_string(GpuBasis basis);

/// What a bare name means where a family has several models and nothing else is told.
enum class BareName : std::uint8_t {
  none,
  of_size,    // the model of its family and memory: "A100-80GB" is the SXM one
  of_family,  // the model of its family: "H100" is H100-80-SXM
};

/// One accelerator, each figure of one device. Zero and empty: unknown or none.
struct GpuModel {
  std::string_view name;    // "H100-80-SXM": unique, and what the catalog keeps
  std::string_view family;  // "H100": what a person types
  std::string_view form;    // "SXM", "PCIe", "NVL", "NVL72", "OAM", "superchip", "chip"
  std::string_view vendor;  // "nvidia"
  std::string_view architecture;
  int memory_gib;
  std::string_view memory_type;
  int bf16_gflops;  // dense; FP16 where there is no BF16
  int fp8_gflops;   // dense
  int memory_gb_s;
  int link_gb_s;    // NVLink or its like, both directions
  int link_domain;  // devices joined by it at most; 0: none
  int watts;
  GpuBasis basis;
  BareName bare;
  std::string_view aliases;  // separated by '|'
  std::string_view notes;
};

/// Grows with every change of the table that can resolve a name differently: a catalog whose rows were
/// resolved by another one fetches everything again.
constexpr int kGpuVocabulary = 1;

std::span<const GpuModel> gpu_models();  // by vendor, newest first

/// The model of this name, exactly; null when there is none.
const GpuModel* find_gpu_model(std::string_view name);

/// What a text means. One candidate: that model. Several: it cannot be told which. None: nobody knows it.
struct GpuResolution {
  std::vector<const GpuModel*> candidates = {};
  /// The name is known, but no model of that name has the memory or the form that was told with it; the
  /// candidates are what the name alone means.
  bool contradicted = false;
  [[nodiscard]] const GpuModel* model() const {
    return candidates.size() == 1 && !contradicted ? candidates.front() : nullptr;
  }
};

/// Finds the model by a cloud's words. Case, spaces, '-' and '_' do not matter; vendors' prefixes are left
/// out. Memory in the name ("80GB"), `memory_gib` (0: unknown; what drivers report may be some percent off)
/// and `form` ("" unknown; "SXM4" is SXM) decide between models of one name. Never guesses from part of a
/// name: "GB200" is not "B200".
GpuResolution resolve_gpu(std::string_view text, int memory_gib = 0, std::string_view form = {});

/// Why a resolution gives no model, for a person: "A100: 40 or 80 GB?", "unknown accelerator 'foo'".
std::string describe_unresolved(std::string_view text, const GpuResolution& resolution);

/// Whether a device that tells this memory may be that model: 22 GiB is an L4 of 24, 192 is a B200 of 180.
bool is_memory_of(const GpuModel& model, int memory_gib);

/// The most of these that one machine (or one NVLink domain sold as one) holds.
int most_per_machine(const GpuModel& model);

/// GPUs that NVLink (or the vendor's like) joins in a machine with `count` of them; 1: none.
int link_domain_of(const GpuModel& model, int count);

/// The spec with every name in the vocabulary's words: "RTX-4090" becomes RTX4090, "H100PCIE" becomes H100 in
/// the form PCIe, "B200-192GB" asks for 180. Fails with `invalid`, naming the nearest names, for what is
/// unknown or cannot be ("H100-40GB").
Result<GpuSpec> resolve_gpu_spec(const GpuSpec& spec);

/// The models that a resolved spec accepts, in the order of gpu_models().
std::vector<const GpuModel*> models_of(const GpuSpec& spec);

/// The accelerator as offers and the broker know it: family, form, memory.
Accelerator accelerator_of(const GpuModel& model, int count);

}  // namespace gpubroker
