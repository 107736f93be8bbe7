#include "cmd/agent/network.hpp"

#include "core/base/text.hpp"
#include "core/net/curl_http.hpp"
#include "core/net/retry_http.hpp"

namespace gpubroker {

Result<Http*> Network::http() {
  const std::lock_guard<std::mutex> hold(lock_);
  if (!http_) {
    CurlOptions options{.user_agent = std::string("gpubroker/") + GPUBROKER_VERSION,
                        .ca_file = processes_.env("SSL_CERT_FILE").value_or("")};
    for (const std::string& rule : split(processes_.env("GPUBROKER_CONNECT_TO").value_or(""), ',')) {
      if (!rule.empty()) { options.connect_to.push_back(rule); }
    }
    TRY(http_, make_curl_http(std::move(options)));
  }
  return http_.get();
}

Result<Http*> Network::patient_http() {
  TRY(Http* const network, http());
  const std::lock_guard<std::mutex> hold(lock_);
  if (!patient_http_) {
    patient_http_ = std::make_unique<RetryHttp>(*network, clock_, random_,
                                                RetryOptions{.total = std::chrono::seconds{30}});
  }
  return patient_http_.get();
}

Result<StoreNetwork> Network::for_store() {
  TRY(Http* const network, patient_http());
  return StoreNetwork{.http = *network, .clock = clock_, .random = random_};
}

}  // namespace gpubroker
