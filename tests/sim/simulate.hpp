#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpubroker::sim {

/// Bugs that a simulation must find; planted from outside, through the ports.
enum class Plant { none, missing_intent, double_create, lost_terminate, torn_commit, dropped_charge };

struct SimOptions {
  std::uint64_t seed = 1;
  Plant plant = Plant::none;
};

struct SimResult {
  std::string broken = {};  // the first invariant that did not hold; empty: all held
  std::vector<std::string> trace = {};
  std::uint64_t digest = 0;  // of the whole journal: equal seeds give equal digests
  int attempts = 0;
  int crashes = 0;
  int succeeded = 0;
  std::int64_t virtual_seconds = 0;
};

/// Runs the whole broker in a world made from the seed: first storm, then calm, and then everything must have
/// come to a good end.
SimResult simulate(const SimOptions& options);

}  // namespace gpubroker::sim
