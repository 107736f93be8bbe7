#include <string>

#include <doctest/doctest.h>

#include "tests/sim/simulate.hpp"

namespace gpubroker::sim {
namespace {

/// The last lines of a trace: enough to see what led to it.
std::string tail(const SimResult& result) {
  std::string text;
  const std::size_t from = result.trace.size() > 25 ? result.trace.size() - 25 : 0;
  for (std::size_t i = from; i < result.trace.size(); ++i) { text += "\n  " + result.trace[i]; }
  return text;
}

TEST_CASE("1,000 worlds keep every invariant and come to an end") {
  int succeeded = 0;
  int attempts = 0;
  int crashes = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const SimResult result = simulate({.seed = seed});
    CHECK_MESSAGE(result.broken.empty(), "gpubroker-sim --seed ", seed, ": ", result.broken, tail(result));
    succeeded += result.succeeded;
    attempts += result.attempts;
    crashes += result.crashes;
  }
  // The worlds are rough enough to mean something: jobs finish, gangs are lost, supervisors die.
  CHECK(succeeded > 1000);
  CHECK(attempts > succeeded + 500);
  CHECK(crashes > 300);
}

TEST_CASE("a seed replays exactly") {
  for (const std::uint64_t seed : {3U, 77U, 4711U}) {
    const SimResult once = simulate({.seed = seed});
    const SimResult again = simulate({.seed = seed});
    CHECK(once.digest == again.digest);
    CHECK(once.trace == again.trace);
  }
}

TEST_CASE("planted bugs are found") {
  struct Case {
    std::string name;
    Plant plant;
  };
  for (const Case& c :
       {Case{"missing intent", Plant::missing_intent}, Case{"double create", Plant::double_create},
        Case{"lost terminate", Plant::lost_terminate}, Case{"torn commit accepted", Plant::torn_commit},
        Case{"charge dropped", Plant::dropped_charge}}) {
    CAPTURE(c.name);
    bool found = false;
    for (std::uint64_t seed = 1; seed <= 100 && !found; ++seed) {
      found = !simulate({.seed = seed, .plant = c.plant}).broken.empty();
    }
    CHECK(found);
  }
}

}  // namespace
}  // namespace gpubroker::sim
