#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpubroker::sim {

/// Bugs that a simulation must find; planted from outside, through the ports.
enum class Plant {
  none,
  missing_intent,
  double_create,
  lost_terminate,
  torn_commit,
  dropped_charge,
  unswept,  // clouds only: what a gang left besides machines is not told
};

struct SimOptions {
  std::uint64_t seed = 1;
  Plant plant = Plant::none;
  bool clouds = false;  // the rules of the clouds (cloud_rules.hpp); else those of `local`
};

struct SimResult {
  std::string broken = {};  // the first invariant that did not hold; empty: all held
  std::vector<std::string> trace = {};
  std::uint64_t digest = 0;  // of the whole journal: equal seeds give equal digests
  int attempts = 0;
  int crashes = 0;
  int succeeded = 0;
  int billed = 0;      // machines on the bill
  int by_sight = 0;    // of those: dated by what was seen
  int surplus = 0;     // machines that a booking made twice
  int left_to_gc = 0;  // things besides machines that the loop did not remove
  std::int64_t virtual_seconds = 0;
};

/// Runs the whole broker in a world made from the seed: first storm, then calm, and then everything must have
/// come to a good end.
SimResult simulate(const SimOptions& options);

}  // namespace gpubroker::sim
