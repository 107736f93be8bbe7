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

TEST_CASE("200 worlds of clouds keep every invariant, leave nothing behind, and come to an end") {
  int succeeded = 0;
  int by_sight = 0;
  int billed = 0;
  int surplus = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const SimResult result = simulate({.seed = seed, .clouds = true});
    CHECK_MESSAGE(result.broken.empty(), "gpubroker-sim --clouds --seed ", seed, ": ", result.broken,
                  tail(result));
    succeeded += result.succeeded;
    by_sight += result.by_sight;
    billed += result.billed;
    surplus += result.surplus;
  }
  // Bookings were made twice, and most bills were compared to the micro-dollar.
  CHECK(succeeded > 200);
  CHECK(surplus > 15);
  CHECK(billed > 1000);
  CHECK(by_sight < billed / 2);
}

TEST_CASE("a seed replays exactly") {
  for (const bool clouds : {false, true}) {
    for (const std::uint64_t seed : {3U, 77U, 4711U}) {
      const SimResult once = simulate({.seed = seed, .clouds = clouds});
      const SimResult again = simulate({.seed = seed, .clouds = clouds});
      CHECK(once.digest == again.digest);
      CHECK(once.trace == again.trace);
    }
  }
}

TEST_CASE("planted bugs are found") {
  struct Case {
    std::string name;
    Plant plant;
    bool local = true;  // also where nothing lies about
  };
  for (const Case& c :
       {Case{"missing intent", Plant::missing_intent}, Case{"double create", Plant::double_create},
        Case{"lost terminate", Plant::lost_terminate}, Case{"torn commit accepted", Plant::torn_commit},
        Case{"charge dropped", Plant::dropped_charge},
        Case{"left behind and not told", Plant::unswept, false}}) {
    for (const bool clouds : {false, true}) {
      if (!clouds && !c.local) { continue; }
      CAPTURE(c.name);
      CAPTURE(clouds);
      bool found = false;
      for (std::uint64_t seed = 1; seed <= 100 && !found; ++seed) {
        found = !simulate({.seed = seed, .plant = c.plant, .clouds = clouds}).broken.empty();
      }
      CHECK(found);
    }
  }
}

}  // namespace
}  // namespace gpubroker::sim
