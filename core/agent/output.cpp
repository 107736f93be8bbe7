#include "core/agent/output.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

constexpr std::size_t kLongestLine = 65'536;  // a longer one is cut: progress bars write without end
constexpr std::size_t kWriteAt = 262'144;     // lines are gathered up to here
constexpr std::int64_t kLeastHalf = 524'288;

}  // namespace

OutputLog::OutputLog(Files& files, Clock& clock, std::string folder, std::int64_t most)
    : files_(files), clock_(clock), folder_(std::move(folder)), half_(std::max(most / 2, kLeastHalf)) {}

Status OutputLog::take(std::string_view tag, std::string_view bytes,
                       const std::function<void(std::string_view)>& on_line) {
  const std::string head = format_utc(clock_.now()) + " " + std::string(tag) + " ";
  std::string lines;
  Status all = Ok{};
  const auto add = [&](std::string_view line) {
    on_line(line);
    lines.append(head).append(line).push_back('\n');
    if (lines.size() < kWriteAt) { return; }
    if (Status written = write(lines); !written.ok()) { all = written; }
    lines.clear();
  };
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::size_t length = std::min(end, kLongestLine - partial_.size());
    const std::string_view part = bytes.substr(0, length);
    const bool whole = length < bytes.size() && bytes[length] == '\n';
    bytes.remove_prefix(length + (whole ? 1 : 0));
    if (whole && partial_.empty()) {
      add(part);
      continue;
    }
    partial_.append(part);
    if (whole || partial_.size() >= kLongestLine) {
      add(partial_);
      partial_.clear();
    }
  }
  if (lines.empty()) { return all; }
  Status written = write(lines);
  return written.ok() ? all : written;
}

Status OutputLog::finish(std::string_view tag, const std::function<void(std::string_view)>& on_line) {
  if (partial_.empty()) { return Ok{}; }
  return take(tag, "\n", on_line);
}

bool OutputLog::drop_older() {
  if (span_.start == span_.base) { return false; }
  const bool removed = files_.remove_all(path(span_.start)).ok();
  span_.start = span_.base;
  return removed;
}

void OutputLog::turn_over() {
  (void)drop_older();
  span_.base = span_.end;
}

Status OutputLog::write(std::string_view lines) {
  if (dropped_ > 0) {
    const std::string word = format_utc(clock_.now()) + " gpubroker " + std::to_string(dropped_) +
                             " bytes of output were lost: no space left on the node\n";
    TRY([[maybe_unused]] const Ok told, append(word));
    dropped_ = 0;
  }
  return append(lines);
}

Status OutputLog::append(std::string_view lines) {
  if (span_.end > span_.base && span_.end - span_.base + static_cast<std::int64_t>(lines.size()) > half_) {
    turn_over();
  }
  for (bool again = true; again;) {
    Status written = files_.append(path(span_.base), lines);
    if (written.ok()) {
      span_.end += static_cast<std::int64_t>(lines.size());
      return written;
    }
    // A full disk takes part of it: what counts is what is there.
    const Result<FileInfo> there = files_.stat(path(span_.base));
    const std::int64_t end = span_.base + (there.ok() ? there.value().size : 0);
    lines.remove_prefix(static_cast<std::size_t>(std::max<std::int64_t>(end - span_.end, 0)));
    span_.end = std::max(end, span_.end);
    again = written.error().kind == ErrorKind::capacity && drop_older();
    if (!again) {
      dropped_ += static_cast<std::int64_t>(lines.size());
      return written;
    }
  }
  return Ok{};
}

}  // namespace gpubroker
