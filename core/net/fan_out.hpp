#pragma once
#include "core/ports/fan_out.hpp"

namespace gpubroker {

/// A thread for each of at most `most` jobs that run at once. They wait on the network, so the number of
/// cores does not matter.
class ThreadFanOut final : public FanOut {
 public:
  void run(std::size_t count, std::size_t most, const std::function<void(std::size_t)>& job) override;
};

}  // namespace gpubroker
