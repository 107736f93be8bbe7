#include "providers/gcp/session.hpp"

#include <set>

#include "providers/gcp/codec.hpp"

namespace gpubroker::gcp {
namespace {

constexpr Millis kRenewBefore{225'000};  // as Google's own libraries do
constexpr std::size_t kMostPages = 1'000;

}  // namespace

Session::Session(const FeedRequest& request, Files& files, Processes& processes)
    : request_(request), files_(files), processes_(processes), settings_(read_settings(files, processes)) {}

CredentialsRequest Session::credentials_request() const {
  return {.settings = settings_,
          .files = files_,
          .processes = processes_,
          .http = request_.http,
          .clock = request_.clock};
}

Status Session::log_in() {
  TRY(access_, find_access(credentials_request()));
  by_key_ = false;
  project_ = settings_.project.empty() ? access_.project : settings_.project;
  if (!settings_.quota_project.empty()) { access_.quota_project = settings_.quota_project; }
  // A user's file names no project but the one that pays for the calls.
  if (project_.empty()) { project_ = access_.quota_project; }
  return Ok{};
}

Status Session::log_in_with_project() {
  TRY([[maybe_unused]] const Ok in, log_in());
  if (!project_.empty()) { return Ok{}; }
  return Error{.kind = ErrorKind::auth,
               .message = "no Google Cloud project is named",
               .hint = "set $GOOGLE_CLOUD_PROJECT, or `gcloud config set project PROJECT`",
               .source = "gcp",
               .code = "no_credentials",
               .scope = ErrorScope::account};
}

void Session::use_api_key() {
  by_key_ = true;
}

/// A token that is good for a while, and not the one that was just refused.
Result<Secret> Session::token(const Secret& refused) {
  const std::lock_guard<std::mutex> hold(mutex_);
  const bool is_refused = !refused.empty() && refused.reveal() == access_.token.value.reveal();
  if (is_refused || access_.token.expires < request_.clock.now() + kRenewBefore) {
    TRY(Access renewed, find_access(credentials_request()));
    access_.token = std::move(renewed.token);
  }
  return access_.token.value;
}

Result<HttpResponse> Session::send(HttpRequest request, const std::string& what) {
  request.headers.emplace_back("Accept", "application/json");
  if (by_key_) {
    request.headers.emplace_back("x-goog-api-key", settings_.api_key.reveal());
    TRY(HttpResponse answer, request_.http.send(request));
    if (answer.status >= 400) { return refusal(request, answer, what); }
    return answer;
  }
  if (!access_.quota_project.empty()) {
    request.headers.emplace_back("x-goog-user-project", access_.quota_project);
  }
  request.headers.emplace_back("Authorization", "");
  Secret bearer;
  for (int attempt = 0;; ++attempt) {
    TRY(bearer, token(bearer));
    request.headers.back().second = "Bearer " + bearer.reveal();
    TRY(HttpResponse answer, request_.http.send(request));
    // A token that was revoked or cut short is renewed, once.
    if (answer.status == 401 && attempt == 0) { continue; }
    if (answer.status >= 400) { return refusal(request, answer, what); }
    return answer;
  }
}

Error Session::refusal(const HttpRequest& request, const HttpResponse& answer,
                       const std::string& what) const {
  Error error = parse_error(answer, what, request_.clock.now());
  // A server that failed half-way may have done it.
  error.maybe_applied = error.kind == ErrorKind::network && request.method != "GET";
  return error;
}

Result<HttpResponse> Session::get(const std::string& url, const std::string& what) {
  return send({.url = url}, "GET " + what);
}

Result<HttpResponse> Session::post(const std::string& url, const std::string& body, const std::string& what) {
  return send({.method = "POST",
               .url = url,
               .headers = {{"Content-Type", "application/json"}},
               .body = body,
               .repeatable = true},  // questions, all of them
              "POST " + what);
}

Status Session::get_pages(const std::string& url, const QueryPairs& query, const std::string& what,
                          const std::function<Result<std::string>(const std::string& body)>& read) {
  std::set<std::string> seen;
  std::string page;
  do {
    QueryPairs pairs = query;
    if (!page.empty()) { pairs.emplace_back("pageToken", page); }
    std::string target = url;
    if (!pairs.empty()) { target += "?" + encode_query(pairs); }
    TRY(const HttpResponse answer, get(target, what));
    TRY(page, read(answer.body));
    if (!page.empty() && (!seen.insert(page).second || seen.size() >= kMostPages)) {
      return Error{
          .kind = ErrorKind::internal, .message = "the pages run in a circle", .source = "gcp GET " + what};
    }
  } while (!page.empty());
  return Ok{};
}

std::string Session::compute_url(const std::string& path) const {
  std::string url(kComputeUrl);
  url += "/projects/" + url_encode(project_);
  return url + path;
}

}  // namespace gpubroker::gcp
