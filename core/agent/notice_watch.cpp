#include "core/agent/notice_watch.hpp"

namespace gpubroker {
namespace {

/// Clouds recommend 5 s (AWS) to 1 s (Azure); the shortest notice is 30 s, and a save takes its time.
constexpr Millis kEvery{1'000};
constexpr Millis kNap{50};

}  // namespace

NoticeWatch::NoticeWatch(std::unique_ptr<NoticeSource> source, Clock& clock)
    : source_(std::move(source)), clock_(clock) {
  if (source_) {
    thread_ = std::thread([this] { watch(); });
  }
}

NoticeWatch::~NoticeWatch() {
  leaving_ = true;
  if (thread_.joinable()) { thread_.join(); }
}

std::optional<Instant> NoticeWatch::notice() {
  const std::lock_guard<std::mutex> hold(mutex_);
  return until_;
}

void NoticeWatch::watch() {
  while (!leaving_) {
    const Result<std::optional<Instant>> seen = source_->look();
    if (seen.ok() && seen.value()) {
      const std::lock_guard<std::mutex> hold(mutex_);
      until_ = seen.value();
      return;  // it is announced once
    }
    const Millis next = clock_.monotonic() + kEvery;
    while (!leaving_ && clock_.monotonic() < next) { clock_.sleep_until(clock_.now() + kNap); }
  }
}

}  // namespace gpubroker
