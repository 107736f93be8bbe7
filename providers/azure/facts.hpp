#pragma once
// What is known of Azure's GPU sizes and regions apart from their price: the prices name a size and nothing
// else, and one catalog of theirs tells 12 GPUs of a size that has 8.
#include <span>
#include <string_view>

#include "core/base/listing.hpp"

namespace gpubroker::azure {

struct SizeFacts {
  std::string_view size;  // as ARM and the price list spell it
  std::string_view gpu;
  std::string_view form;  // empty where the card has but one
  int gpu_gib;            // as the cards are sold
  int count;
  int vcpus;
  int memory_gib;
  int disk_gib;  // local, in the price
  Fabric fabric;
  int gbps;  // InfiniBand where there is some, else the machine's network
  int nvlink;
  std::string_view arch;
  bool is_quoted;  // sold by arrangement while the price list has no row of it
  bool is_scored;  // worth one of the few places in a question for spot scores
};
std::span<const SizeFacts> known_sizes();
/// Null: not in the table. Case does not matter.
const SizeFacts* find_size(std::string_view name);

enum class SizeKind : std::uint8_t {
  known,    // in the table
  part,     // of a GPU: nothing of ours trains on a sixth
  unknown,  // of an accelerated family, and not in the table
  other,    // no GPU
};
SizeKind kind_of_size(std::string_view name);

/// What place, size and market say before any price.
Listing listing_of(const SizeFacts& facts, std::string_view region, Market market);

/// Where machines are sold to everybody, as the price list spells it; no call without credentials tells them.
std::span<const std::string_view> public_regions();

}  // namespace gpubroker::azure
