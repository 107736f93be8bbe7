#pragma once
// A network made of answers: for the thin callers around codecs. The wire itself is tested with
// tests/testcloud.
#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "tests/manual_clock.hpp"

namespace gpubroker::testing {

/// Answers by the beginning of "METHOD URL": the longest that fits. Several answers of one come in their
/// order, the last one for ever. What fits none is answered by 404 and kept in `unexpected`.
class FakeHttp final : public Http {
 public:
  void answer(const std::string& prefix, HttpResponse response) {
    routes_[prefix].push_back(std::move(response));
  }
  void answer(const std::string& prefix, std::string body) {
    answer(prefix, HttpResponse{.status = 200, .body = std::move(body)});
  }
  void fail(const std::string& prefix, Error error) { routes_[prefix].push_back(std::move(error)); }

  Result<HttpResponse> send(const HttpRequest& request) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    requests.push_back(request);
    requests.back().sink = nullptr;
    Result<HttpResponse> answer = take(request.method + " " + request.url);
    if (!answer.ok() || !request.sink || answer.value().status >= 300) { return answer; }
    const std::string body = std::exchange(answer.value().body, {});
    // In small pieces, so that every border between two of them is met.
    for (std::size_t at = 0; at < body.size(); at += kPiece) {
      const Status taken = request.sink(std::string_view(body).substr(at, kPiece));
      if (!taken.ok()) { return taken.error(); }
    }
    return answer;
  }

  std::vector<HttpRequest> requests = {};
  std::vector<std::string> unexpected = {};

 private:
  static constexpr std::size_t kPiece = 61;

  Result<HttpResponse> take(const std::string& line) {
    std::deque<Result<HttpResponse>>* best = nullptr;
    std::size_t length = 0;
    for (auto& [prefix, answers] : routes_) {
      if (line.rfind(prefix, 0) != 0 || prefix.size() < length) { continue; }
      best = &answers;
      length = prefix.size();
    }
    if (best == nullptr) {
      unexpected.push_back(line);
      return HttpResponse{.status = 404, .body = "no such route"};
    }
    Result<HttpResponse> first = best->front();
    if (best->size() > 1) { best->pop_front(); }
    return first;
  }

  std::mutex mutex_ = {};
  std::map<std::string, std::deque<Result<HttpResponse>>> routes_ = {};
};

/// The header of a request as it was written.
inline std::string sent(const HttpRequest& request, std::string_view name) {
  return find_header(request.headers, name);
}

/// What a feed is asked with: a fake network, time that stands still, jobs one after the other.
struct FakeVisit {
  FakeHttp http = {};
  ManualClock clock = {};
  InTurn fan_out = {};
  Validators validators = {};
  FeedRequest request() {
    return {.http = http, .fan_out = fan_out, .clock = clock, .validators = validators};
  }
};

}  // namespace gpubroker::testing
