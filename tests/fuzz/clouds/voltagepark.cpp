// Every parser of Voltage Park's codec on any bytes. Seeds: tests/fixtures/voltagepark.
#include "providers/voltagepark/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<Harvest> harvest = voltagepark::parse_locations(input, Instant{0});
  if (!harvest.ok()) { return; }
  for (const Listing& listing : harvest.value().listings) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    fuzz::must(listing.offer.price.micros_per_hour > 0, "a listing has a price");
    fuzz::must(listing.availability.value >= 0, "no machines owed");
  }
}
