#include "core/net/limited_http.hpp"

#include <algorithm>

namespace gpubroker {

Result<HttpResponse> LimitedHttp::send(const HttpRequest& request) {
  const Millis left = deadline_ - clock_.monotonic();
  if (left <= Millis{0}) {
    return Error{
        .kind = ErrorKind::network, .message = "the time for this source is over", .code = "time_limit"};
  }
  HttpRequest limited = request;
  limited.timeout = std::min(request.timeout, left);
  if (request.sink) {
    limited.sink = [&](std::string_view piece) {
      bytes_ += static_cast<std::int64_t>(piece.size());
      return request.sink(piece);
    };
  }
  ++requests_;
  Result<HttpResponse> answer = inner_.send(limited);
  if (answer.ok()) { bytes_ += static_cast<std::int64_t>(answer.value().body.size()); }
  return answer;
}

}  // namespace gpubroker
