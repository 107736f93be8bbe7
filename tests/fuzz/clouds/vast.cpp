// Every parser of Vast's codec on any bytes. Seeds: tests/fixtures/vast.
#include "providers/vast/codec.hpp"
#include "providers/vast/machines.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void check_offers(std::string_view input, Market market) {
  const Result<Harvest> harvest = vast::parse_offers(input, market, Instant{0});
  if (!harvest.ok()) { return; }
  for (const Listing& listing : harvest.value().listings) {
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    std::int64_t sum = 0;
    for (const PricePart& part : listing.parts) { sum += part.rate.micros_per_hour; }
    fuzz::must(sum == listing.offer.price.micros_per_hour, "the parts are the price");
  }
}

void check_instances(std::string_view input) {
  const Result<vast::InstancePage> page = vast::parse_instances(input);
  if (!page.ok()) { return; }
  for (const NodeView& view : page.value().ours) {
    fuzz::must(!view.token.value.empty(), "an instance of ours has a token");
    fuzz::must(view.state != NodeState::running || !view.address.host.empty(),
               "a running instance is somewhere");
  }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 6);
  if (turn.next()) { check_offers(input, Market::on_demand); }
  if (turn.next()) { check_offers(input, Market::spot); }
  if (turn.next()) { check_instances(input); }
  if (turn.next()) { static_cast<void>(vast::parse_ssh_keys(input)); }
  if (turn.next()) {
    static_cast<void>(vast::parse_rented({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
  }
  if (turn.next()) {
    static_cast<void>(vast::parse_error({.status = 429, .body = std::string(input)}, "/x", Instant{0}));
  }
}
