// Every parser of Vultr's codec on any bytes. Seeds: tests/fixtures/vultr.
#include "providers/vultr/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  for (const vultr::Plans plans : {vultr::Plans::cloud, vultr::Plans::metal}) {
    const Result<vultr::PlansPage> page = vultr::parse_plans(input, plans, Instant{0});
    if (!page.ok()) { continue; }
    for (const Listing& listing : page.value().harvest.listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour > 0, "a listing has a price");
    }
  }
  AccessReport report;
  static_cast<void>(vultr::parse_account(input, report));
  static_cast<void>(vultr::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
