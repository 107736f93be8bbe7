#pragma once
#include <cstdint>
#include <optional>

#include "core/ports/files.hpp"

namespace gpubroker {

/// How many processes the kernel has killed for want of memory, as far as it tells.
struct OomKills {
  std::optional<std::int64_t> ours = {};     // in our own control group, which may not count those below it
  std::optional<std::int64_t> machine = {};  // on the whole machine
};

/// Reads it: the control group's memory.events (v2) or memory.oom_control (v1), and /proc/vmstat.
OomKills count_oom_kills(Files& files);

}  // namespace gpubroker
