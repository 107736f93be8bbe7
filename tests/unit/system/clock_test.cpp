#include "core/system/clock.hpp"

#include <set>

#include <doctest/doctest.h>

#include "core/system/random.hpp"

namespace gpubroker {
namespace {

TEST_CASE("the monotonic clock never goes back, and wall time is after this was written") {
  SystemClock clock;
  Millis last = clock.monotonic();
  for (int i = 0; i < 10'000; ++i) {
    const Millis now = clock.monotonic();
    REQUIRE(now >= last);
    last = now;
  }
  CHECK(clock.now() > Instant{1'700'000'000'000});
}

TEST_CASE("sleeping until the past returns, and until the future not before it") {
  SystemClock clock;
  clock.sleep_until({0});
  clock.sleep_until({std::numeric_limits<std::int64_t>::min() / 2});
  const Millis before = clock.monotonic();
  clock.sleep_until(clock.now() + Millis{30});
  CHECK(clock.monotonic() - before >= Millis{28});  // the two clocks tick apart
}

TEST_CASE("random numbers do not repeat and use all their bits") {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  std::uint64_t ones = 0;
  std::uint64_t zeros = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t number = random.next();
    CHECK(seen.insert(number).second);
    ones |= number;
    zeros |= ~number;
  }
  CHECK(ones == ~std::uint64_t{0});
  CHECK(zeros == ~std::uint64_t{0});
}

}  // namespace
}  // namespace gpubroker
