#include "core/wire/cloud_answer.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/http_date.hpp"

namespace gpubroker {
namespace {

template <std::size_t count>
bool mentions(const std::string& text, const std::array<std::string_view, count>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

ErrorKind kind_of(int status, const std::string& words) {
  constexpr std::array<std::string_view, 7> kStock = {
      "capacity",  "no longer any instances", "out of stock", "out_of_stock", "not available", "sold out",
      "not enough"};
  constexpr std::array<std::string_view, 3> kLimit = {"quota", "limit", "verification"};
  if (status == 401) { return ErrorKind::auth; }
  if (status == 402) { return ErrorKind::quota; }
  if (status == 403) { return mentions(words, kLimit) ? ErrorKind::quota : ErrorKind::auth; }
  if (status == 404 || status == 410) { return ErrorKind::not_found; }
  if (status == 429) { return ErrorKind::throttled; }
  if ((status == 400 || status == 409 || status == 422 || status == 503) && mentions(words, kStock)) {
    return ErrorKind::capacity;
  }
  if (status == 409) { return ErrorKind::conflict; }
  if (status >= 500) { return ErrorKind::network; }
  return ErrorKind::invalid;
}

}  // namespace

Error error_from_answer(const HttpResponse& answer, const std::string& source, const std::string& code,
                        const std::string& message, Instant now) {
  const ErrorKind kind = kind_of(answer.status, lower(code + " " + message));
  std::string text = "HTTP " + std::to_string(answer.status);
  if (!message.empty()) { text += ": " + message.substr(0, 400); }
  return {.kind = kind,
          .message = text,
          .source = source,
          .code = code,
          .scope = kind == ErrorKind::auth ? ErrorScope::account : ErrorScope::request,
          .retry_after = retry_after(answer.headers, now)};
}

Error error_from_answer(const HttpResponse& answer, const std::string& source, Instant now) {
  return error_from_answer(answer, source, "", "", now);
}

void judge_by_code(Error& error, std::string_view code, std::span<const CodeRow> rows) {
  for (const CodeRow& row : rows) {
    if (row.code != code) { continue; }
    error.kind = row.kind;
    error.scope = row.scope;
  }
}

AccessReport::State access_state(const Result<HttpResponse>& answer) {
  if (answer.ok()) { return AccessReport::State::valid; }
  return answer.error().kind == ErrorKind::auth ? AccessReport::State::refused
                                                : AccessReport::State::unreachable;
}

void add_conditions(HttpRequest& request, const Validators& validators, const std::string& key) {
  if (const auto tag = validators.find(key + " etag"); tag != validators.end()) {
    request.headers.emplace_back("If-None-Match", tag->second);
  }
  if (const auto date = validators.find(key + " last-modified"); date != validators.end()) {
    request.headers.emplace_back("If-Modified-Since", date->second);
  }
}

void keep_validators(const HttpResponse& answer, const std::string& key, Validators& validators) {
  if (const std::string tag = find_header(answer.headers, "etag"); !tag.empty()) {
    validators[key + " etag"] = tag;
  }
  if (const std::string date = find_header(answer.headers, "last-modified"); !date.empty()) {
    validators[key + " last-modified"] = date;
  }
}

}  // namespace gpubroker
