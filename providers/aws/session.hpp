#pragma once
// One visit to AWS with keys: found once, renewed when they run out, and a clock that is put right when ours
// is wrong.
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "providers/aws/credentials.hpp"

namespace gpubroker::aws {

/// Borrows all. May be used from many threads after log_in().
class Session {
 public:
  Session(const FeedRequest& request, Files& files, Processes& processes);

  /// Finds the keys. `auth` when there are none.
  Status log_in();

  /// A signed call of "ec2" or "sts". A status of 400 and above is an error here, told in the cloud's words.
  Result<HttpResponse> call(const std::string& service, const std::string& region, const QueryPairs& form);

  /// A signed call of EC2 that does something: never repeated in here. The error has maybe_applied when it
  /// may have been done all the same.
  Result<HttpResponse> act(const std::string& region, const QueryPairs& form);

  /// All pages: `read` takes a body and gives the next page's token, empty at the end.
  Status call_pages(const std::string& region, const QueryPairs& form,
                    const std::function<Result<std::string>(const std::string& body)>& read);

  /// The regions that the account may use.
  Result<std::vector<std::string>> regions();

  /// Where calls go that are of no region.
  [[nodiscard]] const std::string& home_region() const { return region_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const std::string& found_in() const { return found_in_; }

 private:
  Result<HttpResponse> call_endpoint(const HttpRequest& request, const SigV4Scope& scope,
                                     const std::string& name);
  Result<HttpResponse> send_signed(const HttpRequest& request, const SigV4Scope& scope);
  bool learn_clock(const HttpResponse& answer);
  Status renew();
  [[nodiscard]] CredentialsRequest credentials_request() const;

  const FeedRequest& request_;
  Files& files_;
  Processes& processes_;
  Settings settings_;
  std::string region_ = {};
  std::string found_in_ = {};
  std::mutex mutex_ = {};
  AwsKeys keys_ = {};       // under the mutex
  Millis clock_behind_{0};  // under the mutex: what their clock is ahead of ours
};

}  // namespace gpubroker::aws
