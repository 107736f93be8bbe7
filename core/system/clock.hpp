#pragma once
#include "core/ports/clock.hpp"

namespace gpubroker {

class SystemClock final : public Clock {
 public:
  Instant now() override;
  Millis monotonic() override;
  void sleep_until(Instant at) override;
};

}  // namespace gpubroker
