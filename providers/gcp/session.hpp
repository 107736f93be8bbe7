#pragma once
// One visit to Google: logged in once, tokens renewed when they run out.
#include <functional>
#include <mutex>
#include <string>

#include "core/ports/price_feed.hpp"
#include "core/wire/url.hpp"
#include "providers/gcp/credentials.hpp"

namespace gpubroker::gcp {

/// Borrows all. May be used from many threads after log_in().
class Session {
 public:
  Session(const FeedRequest& request, Files& files, Processes& processes);

  /// Finds a credential and gets a token. `auth` when there is none.
  Status log_in();
  /// As log_in(), and a project that is looked into. `auth` with code "no_credentials" when none is named.
  Status log_in_with_project();
  /// The API key in place of a token: good for prices alone.
  void use_api_key();

  /// With the authorization added. A status of 400 and above is an error here, told in Google's words.
  Result<HttpResponse> send(HttpRequest request, const std::string& what);
  Result<HttpResponse> get(const std::string& url, const std::string& what);
  Result<HttpResponse> post(const std::string& url, const std::string& body, const std::string& what);

  /// All pages: `read` takes a body and gives the next page's token, empty at the end.
  Status get_pages(const std::string& url, const QueryPairs& query, const std::string& what,
                   const std::function<Result<std::string>(const std::string& body)>& read);

  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Access& access() const { return access_; }
  [[nodiscard]] const std::string& project() const { return project_; }
  /// "https://compute.googleapis.com/compute/v1/projects/P/…".
  [[nodiscard]] std::string compute_url(const std::string& path) const;

 private:
  Result<Secret> token(const Secret& refused);
  [[nodiscard]] Error refusal(const HttpRequest& request, const HttpResponse& answer,
                              const std::string& what) const;
  [[nodiscard]] CredentialsRequest credentials_request() const;

  const FeedRequest& request_;
  Files& files_;
  Processes& processes_;
  Settings settings_;
  std::string project_ = {};
  bool by_key_ = false;
  std::mutex mutex_ = {};
  Access access_ = {};  // its token under the mutex
};

}  // namespace gpubroker::gcp
