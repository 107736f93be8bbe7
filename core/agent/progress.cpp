#include "core/agent/progress.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::int64_t kMostRead = 65'536;

Result<std::int64_t> read_step(std::string_view text) {
  return read_json(text, "progress", [](const Json& json) -> Result<std::int64_t> {
    return whole<std::int64_t>(json.at("step"));
  });
}

}  // namespace

Progress::Progress(Files& files, Clock& clock, std::string path)
    : files_(files), clock_(clock), path_(std::move(path)), progress_at_(clock.monotonic()) {}

void Progress::read_line(std::string_view line) {
  if (has_file_ || line.empty() || line.front() != '{' || line.find("\"step\"") == std::string_view::npos) {
    return;
  }
  const Result<std::int64_t> step = read_step(line);
  if (step.ok()) { set_step(step.value()); }
}

void Progress::read_file() {
  const Result<std::string> text = files_.read_at(path_, 0, kMostRead);
  if (!text.ok()) { return; }
  has_file_ = true;
  const std::string_view word = trim(text.value());
  if (const std::optional<std::int64_t> bare = parse_int(word)) {
    set_step(*bare);
    return;
  }
  const Result<std::int64_t> step = read_step(word);
  if (step.ok()) { set_step(step.value()); }
}

void Progress::set_step(std::int64_t step) {
  if (step <= told_.step) { return; }
  const Millis now = clock_.monotonic();
  if (told_.steps_seen > 0) { told_.longest_gap = std::max(told_.longest_gap, now - step_at_); }
  told_.step = step;
  told_.step_at = clock_.now();
  if (told_.steps_seen == 0) {
    told_.first_step = step;
    told_.first_step_at = told_.step_at;
  }
  ++told_.steps_seen;
  step_at_ = now;
  progress_at_ = now;
}

void Progress::tell(AgentReport& report, bool with_age) {
  if (report.committed != committed_) {
    committed_ = report.committed;
    progress_at_ = clock_.monotonic();
  }
  report.step = told_.step;
  report.step_at = told_.step_at;
  report.first_step = told_.first_step;
  report.first_step_at = told_.first_step_at;
  report.steps_seen = told_.steps_seen;
  report.longest_gap = told_.longest_gap;
  if (with_age) { report.since_progress = clock_.monotonic() - progress_at_; }
}

}  // namespace gpubroker
