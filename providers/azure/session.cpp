#include "providers/azure/session.hpp"

#include <algorithm>
#include <set>

namespace gpubroker::azure {
namespace {

constexpr std::size_t kMostPages = 1'000;
constexpr Millis kMargin = std::chrono::minutes{5};

Error internal(const std::string& message) {
  return {.kind = ErrorKind::internal, .message = message, .source = "azure"};
}

/// "POST /subscriptions/…/skus": without the query.
std::string what_of(const HttpRequest& request) {
  const std::size_t host = request.url.find("://");
  const std::size_t path = host == std::string::npos ? 0 : request.url.find('/', host + 3);
  std::string what = request.method + " ";
  if (path != std::string::npos) { what += request.url.substr(path, request.url.find('?') - path); }
  return what;
}

}  // namespace

Status walk_pages(std::string url, const std::function<Result<std::string>(const std::string& url)>& page) {
  std::set<std::string> seen;
  while (!url.empty()) {
    if (!seen.insert(url).second) { return internal("the pages run in a circle"); }
    if (seen.size() > kMostPages) { return internal("more than 1000 pages"); }
    TRY(url, page(url));
  }
  return Ok{};
}

Session::Session(const FeedRequest& request, Files& files, Processes& processes)
    : request_(request), files_(files), processes_(processes), access_(find_access(files, processes)) {}

Status Session::log_in() {
  const std::lock_guard<std::mutex> hold(mutex_);
  return renew("");
}

Status Session::renew(const std::string& claims) {
  TRY(token_, acquire_token(access_, claims, request_, files_, processes_));
  const Instant now = request_.clock.now();
  // Before it runs out; one that is short of that already, half-way.
  renew_at_ = std::max(token_.expires - kMargin, now + (token_.expires - now) / 2);
  return Ok{};
}

Result<Secret> Session::token() {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (request_.clock.now() >= renew_at_) { TRY([[maybe_unused]] const Ok renewed, renew("")); }
  return token_.value;
}

Result<HttpResponse> Session::send(HttpRequest request, const Secret& token) {
  request.headers.emplace_back("Authorization", "Bearer " + token.reveal());
  return request_.http.send(request);
}

Result<HttpResponse> Session::call(HttpRequest request) {
  const std::string what = what_of(request);
  TRY(Secret used, token());
  TRY(HttpResponse answer, send(request, used));
  // Continuous access evaluation: something about the login changed, and a new token must answer for it.
  // Once.
  if (const std::string claims = claims_challenge(answer); !claims.empty()) {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      // Another thread may have been there already.
      if (token_.value.reveal() == used.reveal()) { TRY([[maybe_unused]] const Ok renewed, renew(claims)); }
      used = token_.value;
    }
    TRY(answer, send(std::move(request), used));
  }
  if (answer.status >= 400) { return parse_error(answer, what, request_.clock.now()); }
  return answer;
}

Status Session::pages(const std::string& url,
                      const std::function<Result<std::string>(const std::string& body)>& read) {
  return walk_pages(url, [&](const std::string& page) -> Result<std::string> {
    TRY(const HttpResponse answer, call(encode_get(page)));
    return read(answer.body);
  });
}

Status Session::choose_subscription() {
  if (!access_.subscription.empty()) { return Ok{}; }
  std::vector<Subscription> all;
  const auto read = [&](const std::string& body) -> Result<std::string> {
    TRY(Page<Subscription> page, parse_subscriptions(body));
    for (Subscription& one : page.rows) {
      if (one.state != "Disabled" && one.state != "Deleted") { all.push_back(std::move(one)); }
    }
    return page.next;
  };
  TRY([[maybe_unused]] const Ok listed, pages(subscriptions_url(), read));
  if (all.size() == 1) {
    access_.subscription = all.front().id;
    return Ok{};
  }
  return Error{.kind = all.empty() ? ErrorKind::not_found : ErrorKind::invalid,
               .message = all.empty() ? "this login sees no subscription"
                                      : "this login sees " + std::to_string(all.size()) + " subscriptions",
               .hint = all.empty() ? "give it the role Reader on a subscription"
                                   : "set $AZURE_SUBSCRIPTION_ID to the one to be used",
               .source = "azure"};
}

Result<std::vector<std::string>> Session::regions() {
  TRY(const HttpResponse answer, call(encode_get(locations_url(subscription()))));
  return parse_locations(answer.body);
}

}  // namespace gpubroker::azure
