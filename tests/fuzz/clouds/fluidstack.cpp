// Every parser of Fluidstack's codec on any bytes. Seeds: tests/fixtures/fluidstack.
#include "providers/fluidstack/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  Harvest told;
  const auto capacity = fluidstack::parse_capacity(input, told);
  const Result<Harvest> harvest =
      fluidstack::parse_types(input, capacity.ok() ? capacity.value() : fluidstack::Capacity{}, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.memory_mib >= 0, "sizes can be");
    }
  }
  static_cast<void>(fluidstack::parse_projects(input));
  static_cast<void>(fluidstack::parse_token({.status = 200, .body = std::string(input)}, Instant{0}));
  static_cast<void>(fluidstack::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
