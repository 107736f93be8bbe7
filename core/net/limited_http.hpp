#pragma once
#include <atomic>
#include <cstdint>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"

namespace gpubroker {

/// Holds one errand to a deadline and counts what it moves: a request may take no longer than what is left,
/// and none is begun after it. Borrows all. May be used from many threads.
class LimitedHttp final : public Http {
 public:
  /// `deadline` is of clock.monotonic().
  LimitedHttp(Http& inner, Clock& clock, Millis deadline)
      : inner_(inner), clock_(clock), deadline_(deadline) {}

  Result<HttpResponse> send(const HttpRequest& request) override;

  [[nodiscard]] std::int64_t requests() const { return requests_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }  // of bodies that came, as far as they came

 private:
  Http& inner_;
  Clock& clock_;
  Millis deadline_;
  std::atomic<std::int64_t> requests_ = 0;
  std::atomic<std::int64_t> bytes_ = 0;
};

}  // namespace gpubroker
