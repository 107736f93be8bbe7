#pragma once
#include <algorithm>
#include <functional>

#include "core/ports/clock.hpp"

namespace gpubroker::testing {

/// Time that passes only when it is told to, or slept through.
class ManualClock final : public Clock {
 public:
  Instant time{1'795'521'600'000};         // 2026-11-24T12:00:00Z
  std::function<void()> on_sleep = [] {};  // what others do meanwhile
  Instant now() override { return time; }
  Millis monotonic() override { return Millis{time.ms}; }
  void sleep_until(Instant at) override {
    time = std::max(time, at);
    on_sleep();
  }
};

}  // namespace gpubroker::testing
