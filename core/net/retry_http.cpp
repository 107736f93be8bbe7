#include "core/net/retry_http.hpp"

#include <algorithm>
#include <array>

#include "core/wire/http_date.hpp"

namespace gpubroker {
namespace {

bool is_passing(int status) {
  constexpr std::array kPassing = {429, 500, 502, 503, 504};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

}  // namespace

bool may_repeat(const HttpRequest& request) {
  return request.repeatable || request.method == "GET" || request.method == "HEAD";
}

Result<HttpResponse> RetryHttp::send(const HttpRequest& request) {
  const Millis began = clock_.monotonic();
  Millis pause = options_.first_pause;
  bool delivered = false;  // what the sink has taken cannot be taken back
  HttpRequest watched = request;
  if (request.sink) {
    watched.sink = [&](std::string_view piece) {
      delivered = true;
      return request.sink(piece);
    };
  }
  for (int tries = 1;; ++tries) {
    Result<HttpResponse> answer = inner_.send(watched);
    const bool failed =
        answer.ok() ? is_passing(answer.value().status) : answer.error().kind == ErrorKind::network;
    if (!failed || delivered || !may_repeat(request) || tries >= options_.most_tries) { return answer; }
    std::optional<Millis> asked;
    if (answer.ok()) { asked = retry_after(answer.value().headers, clock_.now()); }
    const auto range = static_cast<std::uint64_t>(pause.count());
    const Millis wait = asked.value_or(Millis{static_cast<std::int64_t>(random_.next() % (range + 1))});
    if (clock_.monotonic() - began + wait > options_.total) { return answer; }
    clock_.sleep_until(clock_.now() + wait);
    pause = std::min(pause * 2, options_.most_pause);
  }
}

}  // namespace gpubroker
