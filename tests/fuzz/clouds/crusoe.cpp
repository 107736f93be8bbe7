// Every parser of Crusoe's codec on any bytes. Seeds: tests/fixtures/crusoe.
#include "providers/crusoe/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  Harvest harvest;
  std::vector<Listing> types;
  crusoe::Capacities capacities;
  std::vector<crusoe::Project> projects;
  static_cast<void>(crusoe::parse_types(input, Instant{0}, types, harvest));
  static_cast<void>(crusoe::parse_capacities(input, capacities, harvest));
  static_cast<void>(crusoe::parse_projects(input, projects));
  for (const auto& [place, count] : capacities) { fuzz::must(count >= 0, "a count can be"); }
  crusoe::place_types(types, capacities, harvest);
  for (const Listing& listing : harvest.listings) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    fuzz::must(listing.offer.price >= Rate{}, "a price can be");
    fuzz::must((listing.basis == PriceBasis::quote) == (listing.offer.price == Rate{}),
               "no price is a quote");
  }
  static_cast<void>(crusoe::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
