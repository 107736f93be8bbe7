#include "providers/aws/session.hpp"

#include <cstdlib>
#include <set>

#include "core/base/text.hpp"
#include "core/wire/http_date.hpp"
#include "providers/aws/codec.hpp"

namespace gpubroker::aws {
namespace {

constexpr int kMostPages = 1'000;
constexpr Millis kSkewWorthIt{4 * 60'000};  // as AWS's own SDKs: what they refuse begins at five minutes
constexpr const char* kDefaultRegion = "us-east-1";

std::string action_of(const QueryPairs& form) {
  return form.empty() ? std::string() : form.front().second;
}

}  // namespace

Session::Session(const FeedRequest& request, Files& files, Processes& processes)
    : request_(request), files_(files), processes_(processes), settings_(load_settings(files, processes)) {
  region_ = region_setting(settings_, processes_);
  if (region_.empty()) { region_ = kDefaultRegion; }
}

CredentialsRequest Session::credentials_request() const {
  return {.settings = settings_,
          .files = files_,
          .processes = processes_,
          .http = request_.http,
          .clock = request_.clock,
          .region = region_};
}

Status Session::log_in() {
  TRY(Credentials found, find_credentials(credentials_request()));
  if (found.found_in.rfind("the instance", 0) == 0 && region_setting(settings_, processes_).empty()) {
    const std::string here = region_of_instance(credentials_request());
    if (!here.empty()) { region_ = here; }
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  keys_ = std::move(found.keys);
  found_in_ = std::move(found.found_in);
  return Ok{};
}

Status Session::renew() {
  TRY(Credentials found, find_credentials(credentials_request()));
  const std::lock_guard<std::mutex> hold(mutex_);
  keys_ = std::move(found.keys);
  return Ok{};
}

/// Whether the answer's date tells that our clock is wrong; then it is put right from now on.
bool Session::learn_clock(const HttpResponse& answer) {
  const std::optional<Instant> theirs = parse_http_date(find_header(answer.headers, "date"));
  if (!theirs) { return false; }
  const Millis age{1'000 * parse_int(find_header(answer.headers, "age")).value_or(0)};
  const std::lock_guard<std::mutex> hold(mutex_);
  const Millis behind = (*theirs + age) - request_.clock.now();
  if (std::abs((behind - clock_behind_).count()) < kSkewWorthIt.count()) { return false; }
  clock_behind_ = behind;
  return true;
}

Result<HttpResponse> Session::send_signed(const HttpRequest& request, const SigV4Scope& scope) {
  AwsKeys keys;
  Millis behind{0};
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    keys = keys_;
    behind = clock_behind_;
  }
  TRY(const HttpRequest ready, sign_sigv4(request, keys, scope, request_.clock.now() + behind));
  return request_.http.send(ready);
}

Result<HttpResponse> Session::call(const std::string& service, const std::string& region,
                                   const QueryPairs& form) {
  return call_endpoint(encode_form(endpoint_of(settings_, processes_, service, region), form),
                       {.region = region, .service = service}, region + " " + action_of(form));
}

Result<HttpResponse> Session::act(const std::string& region, const QueryPairs& form) {
  HttpRequest request = encode_form(endpoint_of(settings_, processes_, "ec2", region), form);
  request.repeatable = false;
  Result<HttpResponse> answer =
      call_endpoint(request, {.region = region, .service = "ec2"}, region + " " + action_of(form));
  if (answer.ok() || answer.error().kind != ErrorKind::network || answer.error().code.empty()) {
    return answer;
  }
  // InternalError and the like: a server that failed half-way may have done it.
  Error error = answer.error();
  error.maybe_applied = true;
  return error;
}

Result<HttpResponse> Session::call_endpoint(const HttpRequest& request, const SigV4Scope& scope,
                                            const std::string& name) {
  bool renewed = false;
  bool clock_set = false;
  while (true) {
    TRY(HttpResponse answer, send_signed(request, scope));
    if (answer.status < 400) { return answer; }
    Error error = parse_error(answer, name, request_.clock.now());
    if (!clock_set && may_be_clock_skew(error) && learn_clock(answer)) {
      clock_set = true;
    } else if (!renewed && is_expired_token(error)) {
      renewed = true;
      TRY([[maybe_unused]] const Ok done, renew());
    } else {
      return error;
    }
  }
}

Status Session::call_pages(const std::string& region, const QueryPairs& form,
                           const std::function<Result<std::string>(const std::string& body)>& read) {
  std::set<std::string> seen;
  std::string token;
  for (int page = 0; page < kMostPages; ++page) {
    QueryPairs with_token = form;
    if (!token.empty()) { with_token.emplace_back("NextToken", token); }
    TRY(const HttpResponse answer, call("ec2", region, with_token));
    TRY(token, read(answer.body));
    if (token.empty()) { return Ok{}; }
    if (!seen.insert(token).second) { break; }
  }
  return Error{.kind = ErrorKind::internal,
               .message = seen.size() < kMostPages ? "the pages run in a circle" : "more pages than can be",
               .source = "aws " + region + " " + action_of(form),
               .scope = ErrorScope::region};
}

Result<std::vector<std::string>> Session::regions() {
  TRY(const HttpResponse answer, call("ec2", region_, regions_call()));
  return parse_regions(answer.body);
}

}  // namespace gpubroker::aws
