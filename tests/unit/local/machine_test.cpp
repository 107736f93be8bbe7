#include "providers/local/machine.hpp"

#include <doctest/doctest.h>

namespace gpubroker::local {

TEST_CASE("a machine's arguments read back the same") {
  const std::vector<MachineOptions> all = {
      {.node = {"local/a-1"}, .root = "/r"},
      {.node = {"local/a-1"},
       .root = "/r",
       .preempt_at = Instant{5},
       .notice = Millis{3},
       .expires = Instant{9}},
  };
  for (const MachineOptions& options : all) {
    CHECK(parse_machine_arguments(machine_arguments(options)).value() == options);
  }
}

TEST_CASE("a machine refuses what it cannot read") {
  const std::vector<std::vector<std::string>> all = {
      {},
      {"--root", "/r"},
      {"--root", "/r", "--node"},
      {"--root", "/r", "--node", "n", "--expires-ms", "soon"},
      {"--root", "/r", "--node", "n", "--colour", "1"},
  };
  for (const std::vector<std::string>& arguments : all) {
    const auto options = parse_machine_arguments(arguments);
    REQUIRE_FALSE(options.ok());
    CHECK(options.error().kind == ErrorKind::invalid);
  }
}

}  // namespace gpubroker::local
