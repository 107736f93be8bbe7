// Every parser of Lambda's codec on any bytes. Seeds: tests/fixtures/lambda.
#include "providers/lambda/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<Harvest> harvest = lambda::parse_instance_types(input, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.key.provider == "lambda", "a listing is of its cloud");
    }
  }
  static_cast<void>(lambda::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
  static_cast<void>(lambda::parse_key_file(input));
}
