#pragma once
// One visit to Azure's Resource Manager: a login that is found once and renewed when it runs out or is
// challenged.
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "providers/azure/credentials.hpp"

namespace gpubroker::azure {

/// Calls `page` with the URL of each page; it gives the next one, empty at the end. `internal` when they run
/// in a circle or are too many.
Status walk_pages(std::string url, const std::function<Result<std::string>(const std::string& url)>& page);

/// Borrows all. May be used from many threads after log_in().
class Session {
 public:
  Session(const FeedRequest& request, Files& files, Processes& processes);

  /// Gets a token. `auth` when there is no login, or a refused one.
  Status log_in();
  /// Finds the subscription: the environment's, az's default one, or the only one that the login sees.
  /// `invalid` when it sees several, `not_found` when none.
  Status choose_subscription();

  /// With our token. A status of 400 and above is an error here, told in the cloud's words.
  Result<HttpResponse> call(HttpRequest request);
  /// All pages from `url` on: `read` takes a body and gives the URL of the next page.
  Status pages(const std::string& url,
               const std::function<Result<std::string>(const std::string& body)>& read);
  /// Where the subscription may have machines.
  Result<std::vector<std::string>> regions();

  [[nodiscard]] const std::string& subscription() const { return access_.subscription; }
  [[nodiscard]] const Access& access() const { return access_; }
  /// Whose token it is. After log_in().
  [[nodiscard]] TokenFacts who() const { return read_token(token_.value); }

 private:
  Result<Secret> token();
  Status renew(const std::string& claims);  // under the mutex
  Result<HttpResponse> send(HttpRequest request, const Secret& token);

  const FeedRequest& request_;
  Files& files_;
  Processes& processes_;
  Access access_;
  std::mutex mutex_ = {};
  Token token_ = {};       // under the mutex
  Instant renew_at_ = {};  // under the mutex
};

}  // namespace gpubroker::azure
