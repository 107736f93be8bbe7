// Every parser of CoreWeave's codec on any bytes. Seeds: tests/fixtures/coreweave.
#include "providers/coreweave/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  if (const Result<Harvest> harvest = coreweave::parse_zones(input); harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must((listing.basis == PriceBasis::quote) == (listing.offer.price == Rate{}),
                 "no price is a quote");
    }
  }
  static_cast<void>(coreweave::parse_clusters(input));
  static_cast<void>(coreweave::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
