// Every parser of DigitalOcean's codec on any bytes. Seeds: tests/fixtures/digitalocean.
#include "providers/digitalocean/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<digitalocean::SizesPage> page = digitalocean::parse_sizes(input, Instant{0});
  if (page.ok()) {
    fuzz::must(
        page.value().next.empty() || page.value().next.rfind("https://api.digitalocean.com/v2/", 0) == 0,
        "the token stays with them");
    for (const Listing& listing : page.value().harvest.listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    }
  }
  static_cast<void>(digitalocean::parse_account(input));
  static_cast<void>(digitalocean::parse_doctl(input));
  static_cast<void>(digitalocean::parse_error({.status = 422, .body = std::string(input)}, "/x", Instant{0}));
}
