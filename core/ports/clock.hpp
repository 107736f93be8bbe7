#pragma once
#include <cstdint>

#include "core/base/time.hpp"

namespace gpubroker {

/// The time. Wall-clock time may jump, also backwards; monotonic time never does.
class Clock {
 public:
  virtual ~Clock() = default;
  /// UTC now.
  virtual Instant now() = 0;
  /// Milliseconds since some fixed moment of this process or machine; only differences mean anything.
  virtual Millis monotonic() = 0;
  /// Waits until now() has reached `at`, or somewhat less when a signal came. Returns at once for the past.
  virtual void sleep_until(Instant at) = 0;
};

/// Randomness. In simulation it comes from the seed.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

}  // namespace gpubroker
