#pragma once
#include <string_view>

namespace gpubroker {

/// Where a region lies, whatever its cloud calls it: "us", "ca", "eu" (all of Europe), "uk" (also in "eu"),
/// "asia", "au", "sa" (all of Latin America), "me", "af"; empty when it cannot be told. Reads us-east-1,
/// eastus, US-EAST-04A, europe-west4, "Utah, USA", "Quebec, CA", FIN-01 …
std::string_view part_of_world(std::string_view region);

/// Whether a region is meant by what a person wrote: its own name or the beginning of it ("us-east"), or the
/// part of the world ("eu"). Case does not matter.
bool is_in_region(std::string_view wanted, std::string_view region);

}  // namespace gpubroker
