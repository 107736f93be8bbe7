#include "core/agent/output.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kLongestLine = 64 * 1024;  // a longer one is cut: progress bars write without end

}  // namespace

OutputLog::OutputLog(Files& files, Clock& clock, std::string path, std::int64_t most)
    : files_(files), clock_(clock), path_(std::move(path)), most_(most) {}

Status OutputLog::take(std::string_view tag, std::string_view bytes,
                       const std::function<void(std::string_view)>& on_line) {
  const std::string head = format_utc(clock_.now()) + " " + std::string(tag) + " ";
  std::string lines;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t length =
        std::min(end == std::string_view::npos ? bytes.size() : end, kLongestLine - partial_.size());
    partial_.append(bytes.substr(0, length));
    bytes.remove_prefix(length);
    const bool whole = !bytes.empty() && bytes.front() == '\n';
    if (whole) { bytes.remove_prefix(1); }
    if (whole || partial_.size() >= kLongestLine) {
      on_line(partial_);
      lines += head + partial_ + "\n";
      partial_.clear();
    }
  }
  return write(lines);
}

Status OutputLog::finish(std::string_view tag, const std::function<void(std::string_view)>& on_line) {
  if (partial_.empty()) { return Ok{}; }
  return take(tag, "\n", on_line);
}

Status OutputLog::write(const std::string& lines) {
  if (lines.empty()) { return Ok{}; }
  if (size_ > 0 && size_ + static_cast<std::int64_t>(lines.size()) > most_ / 2) {
    TRY([[maybe_unused]] const Ok moved, files_.rename(path_, path_ + ".1"));
    base_ += size_;
    size_ = 0;
    TRY([[maybe_unused]] const Ok told,
        files_.write_atomic(path_ + ".base", std::to_string(base_), 0600, /*durable=*/false));
  }
  size_ += static_cast<std::int64_t>(lines.size());
  return files_.append(path_, lines);
}

}  // namespace gpubroker
