// Every parser of Verda's codec on any bytes. Seeds: tests/fixtures/verda.
#include "providers/verda/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const verda::Stock stock = {{"FIN-02", {"1H100.80S.32V"}}};
  const Result<Harvest> harvest = verda::parse_types(input, stock, {}, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour > 0, "a listing has a price");
    }
  }
  static_cast<void>(verda::parse_availability(input));
  static_cast<void>(verda::parse_token(input));
  static_cast<void>(verda::parse_config(input));
  static_cast<void>(verda::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
