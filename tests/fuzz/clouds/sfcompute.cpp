// Every parser of SF Compute's codec on any bytes. Seeds: tests/fixtures/sfcompute.
#include "providers/sfcompute/codec.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  Harvest harvest;
  const Instant now{1'795'521'600'000};
  if (const auto zones = sfcompute::parse_zones(input, now, harvest); zones.ok()) {
    for (const Signal& signal : sfcompute::zone_signals(zones.value())) {
      fuzz::must(signal.availability.value >= 0, "a count can be");
      static_cast<void>(sfcompute::make_node(signal.instance_type));
    }
  }
  const sfcompute::Question day{.instance_type = "h100i", .length = std::chrono::hours{24}};
  const auto quote = sfcompute::parse_quote(input, day, now);
  if (quote.ok() && quote.value()) {
    fuzz::must(quote.value()->offer.price >= Rate{}, "a price can be");
    fuzz::must(quote.value()->window->from < quote.value()->window->until, "a window has a length");
  }
  static_cast<void>(sfcompute::parse_key_file(input));
  static_cast<void>(sfcompute::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
}
