#include "core/ports/fan_out.hpp"

#include <vector>

namespace gpubroker {

Status run_all(FanOut& fan_out, std::size_t count, std::size_t most,
               const std::function<Status(std::size_t)>& job) {
  std::vector<Status> done(count, Status(Ok{}));
  fan_out.run(count, most, [&](std::size_t i) { done[i] = job(i); });
  for (Status& status : done) {
    if (!status.ok()) { return std::move(status); }
  }
  return Ok{};
}

}  // namespace gpubroker
