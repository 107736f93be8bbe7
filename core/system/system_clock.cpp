#include "core/system/system_clock.hpp"

#include <cstdlib>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

namespace gpubroker {
namespace {

std::int64_t read_ms(clockid_t which) {
  timespec now{};
  ::clock_gettime(which, &now);
  return std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000;
}

timespec to_timespec(std::int64_t ms) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(ms / 1'000);
  time.tv_nsec = static_cast<long>(ms % 1'000 * 1'000'000);
  return time;
}

}  // namespace

Instant SystemClock::now() {
  return {read_ms(CLOCK_REALTIME)};
}

Millis SystemClock::monotonic() {
  return Millis{read_ms(CLOCK_MONOTONIC)};
}

void SystemClock::sleep_until(Instant at) {
  const Millis left = at - now();
  if (left <= Millis{0}) { return; }
#ifdef __linux__
  // Against the wall clock itself, so that a clock that is set forward ends the wait in time.
  const timespec end = to_timespec(at.ms);
  ::clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, nullptr);
#else
  const timespec length = to_timespec(left.count());
  ::nanosleep(&length, nullptr);
#endif
}

std::uint64_t SystemRandom::next() {
  std::uint64_t value = 0;
  // Fails only where the kernel has no generator at all. Names that must be unique cannot be made then.
  if (::getentropy(&value, sizeof value) != 0) { std::abort(); }
  return value;
}

}  // namespace gpubroker
