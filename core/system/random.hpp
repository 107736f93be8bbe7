#pragma once
#include "core/ports/clock.hpp"

namespace gpubroker {

/// The kernel's randomness. Not std::random_device: that needs glibc 2.36 on the nodes.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;
};

}  // namespace gpubroker
