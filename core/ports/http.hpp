#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};
  Headers headers = {};
  std::string body = {};
  Millis timeout{30'000};
  std::size_t max_body = 64U << 20U;  // a longer answer is an error, never a truncation
  bool repeatable = false;            // sending it twice does no more than once: GET and HEAD always are
  /// Takes the body of a 2xx answer in pieces as it comes, on the caller's thread, instead of
  /// HttpResponse::body. A slow sink makes the server wait; an error of it ends the exchange and is the
  /// result. The body of another status is in HttpResponse::body.
  std::function<Status(std::string_view)> sink = {};
  std::string ca_pem = {};  // whom this server's certificate must be signed by; empty: as for all others
};

struct HttpResponse {
  int status = 0;
  Headers headers = {};  // names in lower case
  std::string body = {};
};

/// The first header of that name (given in lower case); empty when there is none.
std::string find_header(const Headers& headers, std::string_view name);

/// One exchange. A status of 400 and above is an answer, not an error: the codec reads it. Errors: `network`,
/// with maybe_applied when the request may have reached the server.
class Http {
 public:
  virtual ~Http() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace gpubroker
