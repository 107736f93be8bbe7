#include "core/agent/memory.hpp"

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// The number after `name` in a file of "name number" lines.
std::optional<std::int64_t> read_counter(Files& files, const std::string& path, std::string_view name) {
  const Result<std::string> text = files.read(path);
  if (!text.ok()) { return std::nullopt; }
  for (const std::string& line : split(text.value(), '\n')) {
    const std::size_t space = line.find(' ');
    if (space == name.size() && line.compare(0, space, name) == 0) {
      return parse_int(trim(std::string_view(line).substr(space)));
    }
  }
  return std::nullopt;
}

}  // namespace

OomKills count_oom_kills(Files& files) {
  OomKills kills{.machine = read_counter(files, "/proc/vmstat", "oom_kill")};
  const Result<std::string> groups = files.read("/proc/self/cgroup");
  for (const std::string& line : split(groups.ok() ? groups.value() : "", '\n')) {
    // "0::/user.slice/x" is version 2, "4:memory:/x" version 1; the root group counts nothing.
    const std::vector<std::string> parts = split(line, ':');
    if (parts.size() < 3 || parts[2] == "/") { continue; }
    const bool is_v2 = parts[0] == "0" && parts[1].empty();
    if (!is_v2 && parts[1] != "memory") { continue; }
    const std::string path = is_v2 ? "/sys/fs/cgroup" + parts[2] + "/memory.events"
                                   : "/sys/fs/cgroup/memory" + parts[2] + "/memory.oom_control";
    if (const auto count = read_counter(files, path, "oom_kill")) { kills.ours = count; }
  }
  return kills;
}

}  // namespace gpubroker
