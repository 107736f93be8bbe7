#pragma once
#include <ctime>

namespace gpubroker::bench {

/// What this process has had of the processor, user and system.
inline double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace gpubroker::bench
