#pragma once
#include <optional>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// What a machine is told of its own end, asked on the machine itself (the cloud's metadata service).
class NoticeSource {
 public:
  virtual ~NoticeSource() = default;
  /// The moment from which the machine is taken; nothing while no end is announced. One short call: errors
  /// are tried again at the next look.
  virtual Result<std::optional<Instant>> look() = 0;
};

}  // namespace gpubroker
