#pragma once
#include <memory>
#include <mutex>

#include "core/checkpoint/checkpoint.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

/// The network of one process, opened at the first call. $GPUBROKER_CONNECT_TO (as curl's --connect-to,
/// several separated by commas) and $SSL_CERT_FILE are honoured. `not_found` where there is no libcurl. From
/// any thread.
class Network {
 public:
  /// Borrows all.
  Network(Clock& clock, Random& random, Processes& processes)
      : clock_(clock), random_(random), processes_(processes) {}

  Result<Http*> http();
  /// The same, and what passes is tried again for 30 s.
  Result<Http*> patient_http();
  /// The same for a checkpoint store.
  Result<StoreNetwork> for_store();

 private:
  Clock& clock_;
  Random& random_;
  Processes& processes_;
  std::mutex lock_ = {};
  std::unique_ptr<Http> http_ = {};
  std::unique_ptr<Http> patient_http_ = {};
};

}  // namespace gpubroker
