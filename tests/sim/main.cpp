// gpubroker-sim: runs seeds, or one seed with its trace.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>

#include "core/base/text.hpp"
#include "tests/sim/simulate.hpp"

namespace {

using gpubroker::sim::SimResult;

struct Totals {
  std::int64_t attempts = 0;
  std::int64_t crashes = 0;
  std::int64_t succeeded = 0;
  std::int64_t virtual_seconds = 0;
  std::uint64_t digest = 0;  // of all journals: two builds that decide alike print the same
};

int show_seed(std::uint64_t seed) {
  const SimResult result = gpubroker::sim::simulate({.seed = seed});
  for (const std::string& line : result.trace) { std::cout << line << '\n'; }
  std::cout << "seed " << seed << ": " << (result.broken.empty() ? "all invariants held" : result.broken)
            << '\n';
  return result.broken.empty() ? 0 : 1;
}

int run_seeds(std::uint64_t first, std::uint64_t count) {
  const auto began = std::chrono::steady_clock::now();
  const std::clock_t cpu_began = std::clock();
  Totals totals;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const SimResult result = gpubroker::sim::simulate({.seed = seed});
    totals.attempts += result.attempts;
    totals.crashes += result.crashes;
    totals.succeeded += result.succeeded;
    totals.virtual_seconds += result.virtual_seconds;
    totals.digest = totals.digest * 31 + result.digest;
    if (!result.broken.empty()) {
      ++failures;
      std::cout << "FAILED seed " << seed << ": " << result.broken << "\n  again: gpubroker-sim --seed "
                << seed << '\n';
    }
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double cpu = static_cast<double>(std::clock() - cpu_began) / CLOCKS_PER_SEC;
  std::cout << "{\"seeds\":" << count << ",\"failures\":" << failures << ",\"seconds\":" << took
            << ",\"seeds_per_second\":" << static_cast<double>(count) / took
            << ",\"seeds_per_cpu_second\":" << static_cast<double>(count) / cpu
            << ",\"attempts\":" << totals.attempts << ",\"crashes\":" << totals.crashes
            << ",\"succeeded\":" << totals.succeeded << ",\"virtual_hours\":" << totals.virtual_seconds / 3600
            << ",\"digest\":" << totals.digest << "}\n";
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const auto value = gpubroker::parse_int(argv[i + 1]);
    if (!value || *value < 0) {
      std::cerr << "gpubroker-sim: " << flag << " takes a number\n";
      return 2;
    }
    if (flag == "--seed") { return show_seed(static_cast<std::uint64_t>(*value)); }
    if (flag == "--seeds") { count = static_cast<std::uint64_t>(*value); }
    if (flag == "--first") { first = static_cast<std::uint64_t>(*value); }
  }
  return run_seeds(first, count);
}
