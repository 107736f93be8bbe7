#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/ports/http.hpp"

namespace gpubroker {

struct CurlOptions {
  std::string user_agent = "gpubroker";
  std::string ca_file = {};  // PEM; empty: the system's
  /// "HOST:PORT:CONNECT-TO-HOST:CONNECT-TO-PORT", as curl's --connect-to; an empty HOST is any. URLs, Host
  /// headers, TLS names and so signatures stay those of the real cloud: this is how an emulator stands in for
  /// all of them.
  std::vector<std::string> connect_to = {};
  long most_connections = 256;
  long most_per_host = 6;  // connections; HTTP/2 carries many requests on each
};

/// All requests of the process over one libcurl multi handle: connections are kept and shared, HTTP/2
/// requests to one host travel together. send() blocks its caller and may be called from any thread.
/// http_proxy, https_proxy and no_proxy are honoured by libcurl itself. Redirects are followed for GET and
/// HEAD, five at most.
///
/// Errors: `network`, with maybe_applied when bytes of the request had left; `auth` never: a refusal is an
/// answer. The text names method, host and path, never the query or a header: there are the keys.
Result<std::unique_ptr<Http>> make_curl_http(const CurlOptions& options);

}  // namespace gpubroker
