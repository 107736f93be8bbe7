#pragma once
#include "core/system/clock.hpp"

namespace gpubroker::testing {

/// Whether `ready` becomes true within 20 seconds.
template <class Ready>
bool eventually(Ready ready) {
  SystemClock clock;
  const Millis until = clock.monotonic() + std::chrono::seconds{20};
  while (!ready()) {
    if (clock.monotonic() > until) { return false; }
    clock.sleep_until(clock.now() + Millis{2});
  }
  return true;
}

}  // namespace gpubroker::testing
