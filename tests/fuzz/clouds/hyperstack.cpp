// Every parser of Hyperstack's codec on any bytes. Seeds: tests/fixtures/hyperstack.
#include "providers/hyperstack/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  static_cast<void>(hyperstack::parse_pricebook(input, Instant{0}));
  static_cast<void>(hyperstack::parse_stocks(input));
  const hyperstack::PriceBook prices = {{"H100-80G-SXM5", {3'200'000}}, {"H100-80G-PCIe-spot", {2'000'000}}};
  const Result<Harvest> harvest = hyperstack::parse_flavors(input, prices, {}, Instant{0});
  if (harvest.ok()) {
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour > 0, "a listing has a price");
    }
  }
  static_cast<void>(hyperstack::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
