// Every parser of Brev's codec on any bytes. Seeds: tests/fixtures/brev.
#include "providers/brev/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<Harvest> harvest = brev::parse_types(input, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour > 0, "a listing has a price");
    }
  }
  static_cast<void>(brev::parse_size_mib(input));
}
