// gpubroker-sim: runs seeds, or one seed with its trace; --clouds: in worlds with the rules of the clouds.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <optional>
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
  std::int64_t billed = 0;
  std::int64_t by_sight = 0;
  std::int64_t surplus = 0;
  std::int64_t left_to_gc = 0;
  std::int64_t virtual_seconds = 0;
  std::uint64_t digest = 0;  // of all journals: two builds that decide alike print the same
};

int show_seed(std::uint64_t seed, bool clouds) {
  const SimResult result = gpubroker::sim::simulate({.seed = seed, .clouds = clouds});
  for (const std::string& line : result.trace) { std::cout << line << '\n'; }
  std::cout << "seed " << seed << ": " << (result.broken.empty() ? "all invariants held" : result.broken)
            << '\n';
  return result.broken.empty() ? 0 : 1;
}

int run_seeds(std::uint64_t first, std::uint64_t count, bool clouds) {
  const auto began = std::chrono::steady_clock::now();
  const std::clock_t cpu_began = std::clock();
  Totals totals;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const SimResult result = gpubroker::sim::simulate({.seed = seed, .clouds = clouds});
    totals.attempts += result.attempts;
    totals.crashes += result.crashes;
    totals.succeeded += result.succeeded;
    totals.billed += result.billed;
    totals.by_sight += result.by_sight;
    totals.surplus += result.surplus;
    totals.left_to_gc += result.left_to_gc;
    totals.virtual_seconds += result.virtual_seconds;
    totals.digest = totals.digest * 31 + result.digest;
    if (!result.broken.empty()) {
      ++failures;
      std::cout << "FAILED seed " << seed << ": " << result.broken << "\n  again: gpubroker-sim "
                << (clouds ? "--clouds " : "") << "--seed " << seed << '\n';
    }
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double cpu = static_cast<double>(std::clock() - cpu_began) / CLOCKS_PER_SEC;
  std::cout << "{\"seeds\":" << count << ",\"failures\":" << failures << ",\"seconds\":" << took
            << ",\"seeds_per_second\":" << static_cast<double>(count) / took
            << ",\"seeds_per_cpu_second\":" << static_cast<double>(count) / cpu
            << ",\"attempts\":" << totals.attempts << ",\"crashes\":" << totals.crashes
            << ",\"succeeded\":" << totals.succeeded << ",\"virtual_hours\":" << totals.virtual_seconds / 3600
            << ",\"machines\":" << totals.billed << ",\"dated_by_sight\":" << totals.by_sight
            << ",\"booked_twice\":" << totals.surplus << ",\"left_to_gc\":" << totals.left_to_gc
            << ",\"digest\":" << totals.digest << "}\n";
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  std::optional<std::uint64_t> one;
  bool clouds = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--clouds") {
      clouds = true;
      continue;
    }
    const auto value = i + 1 < argc ? gpubroker::parse_int(argv[i + 1]) : std::nullopt;
    if (!value || *value < 0 || (flag != "--seed" && flag != "--seeds" && flag != "--first")) {
      std::cerr << "gpubroker-sim [--clouds] [--seed N | --first N --seeds N]\n";
      return 2;
    }
    const auto number = static_cast<std::uint64_t>(*value);
    if (flag == "--seed") { one = number; }
    if (flag == "--seeds") { count = number; }
    if (flag == "--first") { first = number; }
    ++i;
  }
  return one ? show_seed(*one, clouds) : run_seeds(first, count, clouds);
}
