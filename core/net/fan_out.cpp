#include "core/net/fan_out.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace gpubroker {

void ThreadFanOut::run(std::size_t count, std::size_t most, const std::function<void(std::size_t)>& job) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) { job(i); }
  };
  const std::size_t workers = std::min(count, std::max<std::size_t>(most, 1));
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < workers; ++i) { threads.emplace_back(work); }
  work();  // the caller's thread is one of them
}

}  // namespace gpubroker
