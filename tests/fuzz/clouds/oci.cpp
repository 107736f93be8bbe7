// Every parser of OCI's codec on any bytes. Seeds: tests/fixtures/oci.
#include "providers/oci/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void check_shapes(std::string_view input) {
  Harvest harvest;
  const oci::Products products = {{"B98415", Money{10'000'000}}, {"B89734", Money{2'950'001}}};
  const auto listings = oci::parse_shapes(input, products, Instant{0}, harvest);
  if (!listings.ok()) { return; }
  for (const Listing& listing : listings.value()) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    fuzz::must(listing.offer.price > Rate{}, "a price can be");
    fuzz::must(listing.offer.vcpus >= 0 && listing.offer.memory_mib >= 0, "sizes can be");
  }
}

void check_report(std::string_view input) {
  Harvest harvest;
  if (const auto report = oci::parse_report(input, harvest); report.ok()) {
    for (const auto& [shape, told] : report.value()) { fuzz::must(told.value >= 0, "a count can be"); }
  }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 7);
  if (turn.next()) {
    Harvest harvest;
    static_cast<void>(oci::parse_products(input, harvest));
  }
  if (turn.next()) { check_shapes(input); }
  if (turn.next()) { check_report(input); }
  if (turn.next()) { static_cast<void>(oci::parse_regions(input)); }
  if (turn.next()) { static_cast<void>(oci::parse_domains(input)); }
  if (turn.next()) { static_cast<void>(oci::parse_user(input)); }
  if (turn.next()) {
    static_cast<void>(oci::parse_error({.status = 400, .body = std::string(input)}, "x", Instant{0}));
  }
}
