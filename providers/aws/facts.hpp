#pragma once
// What is known of EC2's accelerator types apart from their price. Several feeds name a type and nothing
// else.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/listing.hpp"

namespace gpubroker::aws {

struct TypeFacts {
  std::string_view type;
  std::string_view gpu;   // as EC2 names it: "RTX PRO Server 6000", "Trainium2"
  std::string_view form;  // "SXM", "PCIe"; empty where neither is meant
  int gpu_gib;            // as the cards are sold: EC2 tells 22888 MiB of an L4
  int count;
  int vcpus;
  std::int64_t memory_mib;
  int disk_gb;  // local NVMe, decimal
  int gbps;     // of the instance: the sum over its network cards is more than that on some types
  int efa;      // interfaces; 0: none
  int nvlink;
  std::string_view arch;
};

/// Sorted by type. Fractions of a GPU (g6f, gr6f) are not in it: nothing of ours trains on an eighth.
std::span<const TypeFacts> known_types();
/// Null: not in the table.
const TypeFacts* find_type(std::string_view type);

/// What the place, the type and the feed say before any price: the key, the shape as far as the table knows
/// the type (gpu_text is the type's name where it does not: the catalog tells it then), EC2's billing by the
/// second with a minute at least.
Listing listing_of(std::string_view region, std::string_view zone, std::string_view type, Market market);

/// "us-east-1", "us-gov-west-1"; not "us-west-2-lax-1" (a local zone) nor "us-east-1-wl1-bos-wlz-1".
bool is_region_name(std::string_view name);

}  // namespace gpubroker::aws
