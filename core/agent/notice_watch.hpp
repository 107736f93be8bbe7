#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/ports/clock.hpp"
#include "core/ports/notice_source.hpp"

namespace gpubroker {

/// Asks a NoticeSource again and again on a thread of its own: a metadata service that does not answer holds
/// up nothing.
class NoticeWatch {
 public:
  /// `source` may be null: then there is never a notice.
  NoticeWatch(std::unique_ptr<NoticeSource> source, Clock& clock);
  ~NoticeWatch();
  NoticeWatch(const NoticeWatch&) = delete;
  NoticeWatch& operator=(const NoticeWatch&) = delete;

  /// The moment that was announced, once there was one.
  [[nodiscard]] std::optional<Instant> notice();

 private:
  void watch();

  std::unique_ptr<NoticeSource> source_;
  Clock& clock_;
  std::atomic<bool> leaving_{false};
  std::mutex mutex_ = {};
  std::optional<Instant> until_ = {};
  std::thread thread_ = {};
};

}  // namespace gpubroker
