#pragma once
#include <cstddef>
#include <functional>

#include "core/base/result.hpp"

namespace gpubroker {

/// Runs independent pieces of work side by side: one region each, say. Code that uses it stays plain and
/// blocking.
class FanOut {
 public:
  virtual ~FanOut() = default;
  /// Calls job(0) … job(count - 1), at most `most` at once, and returns when all have. Jobs write to places
  /// of their own and do not throw.
  virtual void run(std::size_t count, std::size_t most, const std::function<void(std::size_t)>& job) = 0;
};

/// Runs jobs that may fail. All are run, even if one fails; the first failure, by number, is the answer.
Status run_all(FanOut& fan_out, std::size_t count, std::size_t most,
               const std::function<Status(std::size_t)>& job);

/// One after the other: for tests.
class InTurn final : public FanOut {
 public:
  void run(std::size_t count, std::size_t /*most*/, const std::function<void(std::size_t)>& job) override {
    for (std::size_t i = 0; i < count; ++i) { job(i); }
  }
};

}  // namespace gpubroker
