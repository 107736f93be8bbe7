#pragma once
#include "core/ports/clock.hpp"

namespace gpubroker {

/// The machine's clocks.
class SystemClock : public Clock {
 public:
  Instant now() override;
  Millis monotonic() override;
  void sleep_until(Instant at) override;
};

/// The kernel's generator. Not std::random_device: that would tie the program to a new glibc.
class SystemRandom : public Random {
 public:
  std::uint64_t next() override;
};

}  // namespace gpubroker
