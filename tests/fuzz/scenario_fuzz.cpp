// A scenario of the local provider.
#include "providers/local/scenario.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of one function.

GPUBROKER_FUZZ_TARGET(input) {
  const Result<local::Scenario> parsed = local::parse_scenario(input, "s.yaml");
  if (!parsed.ok()) {
    fuzz::must(parsed.error().kind == ErrorKind::invalid, "a bad scenario is the user's mistake");
    fuzz::must(parsed.error().source.rfind("s.yaml", 0) == 0, "a mistake has a place");
    return;
  }
  const Result<local::Scenario> back =
      local::parse_scenario(local::format_scenario(parsed.value()), "s.yaml");
  fuzz::must(back.ok() && back.value() == parsed.value(), "a scenario reads back");
}
