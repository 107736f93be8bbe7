#include "core/system/clock.hpp"

#include <chrono>
#include <ctime>

namespace gpubroker {

Instant SystemClock::now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<Millis>(since).count()};
}

Millis SystemClock::monotonic() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
}

void SystemClock::sleep_until(Instant at) {
  const Millis left = at - now();
  if (left <= Millis{0}) { return; }
  const timespec pause{.tv_sec = left.count() / 1'000, .tv_nsec = left.count() % 1'000 * 1'000'000};
  nanosleep(&pause, nullptr);  // a signal ends it early: the caller looks at its flags
}

}  // namespace gpubroker
