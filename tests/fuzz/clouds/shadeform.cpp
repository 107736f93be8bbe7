// Every parser of Shadeform's codec on any bytes. Seeds: tests/fixtures/shadeform.
#include "providers/shadeform/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<Harvest> harvest = shadeform::parse_types(input, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count != 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour >= 0, "a price is no credit");
    }
  }
  static_cast<void>(shadeform::parse_error({.status = 409, .body = std::string(input)}, "/x", Instant{0}));
}
