#pragma once
#include <optional>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"

namespace gpubroker {

/// Whether sending it twice does no more than once.
bool may_repeat(const HttpRequest& request);

struct RetryOptions {
  int most_tries = 5;
  Millis first_pause{250};  // doubled each time, with full jitter
  Millis most_pause{10'000};
  Millis total{60'000};  // from the first try; a pause that would pass it is not begun
};

/// Sends again what may be sent again: GET, HEAD and requests marked `repeatable`, after no answer and after
/// 429, 500, 502, 503 and 504. Waits as Retry-After says. A body whose first piece has reached the sink is
/// not asked for again. Anything else, and the last failure, goes to the caller as it is. Borrows all.
class RetryHttp final : public Http {
 public:
  RetryHttp(Http& inner, Clock& clock, Random& random, RetryOptions options = {})
      : inner_(inner), clock_(clock), random_(random), options_(options) {}

  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  Http& inner_;
  Clock& clock_;
  Random& random_;
  RetryOptions options_;
};

}  // namespace gpubroker
