#include "core/net/retry_http.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

bool may_repeat(const HttpRequest& request) {
  return request.repeatable || request.method == "GET" || request.method == "HEAD";
}

bool is_passing(int status) {
  constexpr std::array kPassing = {429, 500, 502, 503, 504};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

/// "Tue, 24 Nov 2026 16:00:00 GMT", the one form that servers must send (RFC 9110, 5.6.7).
std::optional<Instant> parse_http_date(std::string_view text) {
  const std::vector<std::string> words = split(text, ' ');
  if (words.size() != 6 || words[5] != "GMT") { return std::nullopt; }
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const month = std::find(kMonths.begin(), kMonths.end(), words[2]);
  if (month == kMonths.end()) { return std::nullopt; }
  const std::string number = std::to_string(month - kMonths.begin() + 1);
  const Result<Instant> at = parse_utc(words[3] + "-" + (number.size() < 2 ? "0" : "") + number + "-" +
                                       words[1] + "T" + words[4] + "Z");
  if (!at.ok()) { return std::nullopt; }
  return at.value();
}

}  // namespace

std::optional<Millis> retry_after(const Headers& headers, Instant now) {
  const std::string text = find_header(headers, "retry-after");
  if (const std::optional<std::int64_t> seconds = parse_int(text);
      seconds && *seconds >= 0 && *seconds < 1'000'000) {
    return std::chrono::seconds{*seconds};
  }
  const std::optional<Instant> at = parse_http_date(text);
  if (!at) { return std::nullopt; }
  return std::max(*at - now, Millis{0});
}

Result<HttpResponse> RetryHttp::send(const HttpRequest& request) {
  const Millis began = clock_.monotonic();
  Millis pause = options_.first_pause;
  bool delivered = false;  // what the sink has taken cannot be taken back
  HttpRequest watched = request;
  if (request.sink) {
    watched.sink = [&](std::string_view piece) {
      delivered = true;
      return request.sink(piece);
    };
  }
  for (int tries = 1;; ++tries) {
    Result<HttpResponse> answer = inner_.send(watched);
    const bool failed =
        answer.ok() ? is_passing(answer.value().status) : answer.error().kind == ErrorKind::network;
    if (!failed || delivered || !may_repeat(request) || tries >= options_.most_tries) { return answer; }
    std::optional<Millis> asked;
    if (answer.ok()) { asked = retry_after(answer.value().headers, clock_.now()); }
    const auto range = static_cast<std::uint64_t>(pause.count());
    const Millis wait = asked.value_or(Millis{static_cast<std::int64_t>(random_.next() % (range + 1))});
    if (clock_.monotonic() - began + wait > options_.total) { return answer; }
    clock_.sleep_until(clock_.now() + wait);
    pause = std::min(pause * 2, options_.most_pause);
  }
}

}  // namespace gpubroker
