#pragma once
#include <string>
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
};

struct HttpResponse {
  int status = 0;
  Headers headers = {};
  std::string body = {};
};

/// One exchange. A status of 400 and above is an answer, not an error: the codec reads it. Errors: `network`,
/// with maybe_applied when the request may have reached the server.
class Http {
 public:
  virtual ~Http() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace gpubroker
