#include "core/wire/sigv4.hpp"

#include <algorithm>
#include <map>

#include "core/base/text.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// "20260115T123600Z"
std::string stamp_of(Instant now) {
  const std::string full = format_utc({now.ms / 1'000 * 1'000});
  std::string stamp;
  for (const char c : full) {
    if (c != '-' && c != ':') { stamp += c; }
  }
  return stamp;
}

std::string scope_text(const SigV4Scope& scope, const std::string& stamp) {
  return stamp.substr(0, 8) + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

/// RFC 3986, 5.2.4 as AWS means it: empty and "." segments go, ".." takes one back; a last slash stays.
std::string normalise(const std::string& path) {
  std::vector<std::string> kept;
  const std::vector<std::string> segments = split(path, '/');
  for (const std::string& segment : segments) {
    if (segment == "..") {
      if (!kept.empty()) { kept.pop_back(); }
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(segment);
    }
  }
  const std::string& last = segments.back();
  const bool open = !kept.empty() && (last.empty() || last == "." || last == "..");
  return "/" + join(kept, "/") + (open ? "/" : "");
}

std::string canonical_path(const std::string& path, const SigV4Scope& scope) {
  return scope.is_s3() ? path : url_encode(normalise(path), /*keep_slash=*/true);
}

/// Sorted by encoded name, then value; a name alone gets its "=".
std::string canonical_query(const std::string& query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& part : split(query, '&')) {
    if (part.empty()) { continue; }
    const std::size_t equals = part.find('=');
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    pairs.emplace_back(url_encode(url_decode(part.substr(0, equals))), url_encode(url_decode(value)));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) { text += '&'; }
    text += name;
    text += '=';
    text += value;
  }
  return text;
}

std::string collapse(std::string_view value) {
  std::string text;
  for (const char c : trim(value)) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank || (!text.empty() && text.back() != ' ')) { text += blank ? ' ' : c; }
  }
  return text;
}

/// Headers that a proxy or libcurl may change are not signed.
bool is_signed(const std::string& name) {
  constexpr std::array kUnsigned = {
      "accept-encoding",   "authorization", "connection", "expect",          "keep-alive",    "te", "trailer",
      "transfer-encoding", "upgrade",       "user-agent", "x-amzn-trace-id", "content-length"};
  return name.rfind("proxy-", 0) != 0 &&
         std::find(kUnsigned.begin(), kUnsigned.end(), name) == kUnsigned.end();
}

std::map<std::string, std::string> canonical_headers(const Headers& headers) {
  std::map<std::string, std::string> canonical;
  for (const auto& [name, value] : headers) {
    const std::string key = lower(trim(name));
    if (!is_signed(key)) { continue; }
    const auto [at, fresh] = canonical.try_emplace(key, collapse(value));
    if (!fresh) { at->second += "," + collapse(value); }
  }
  return canonical;
}

std::string signed_names(const Headers& headers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : canonical_headers(headers)) { names.push_back(name); }
  return join(names, ";");
}

std::string signature_of(const std::string& canonical, const AwsKeys& keys, const SigV4Scope& scope,
                         const std::string& stamp) {
  std::string to_sign(kAlgorithm);
  for (const std::string& line : {stamp, scope_text(scope, stamp), to_hex(sha256(canonical))}) {
    to_sign += '\n';
    to_sign += line;
  }
  std::string key = hmac_sha256("AWS4" + keys.secret.reveal(), stamp.substr(0, 8));
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  key = hmac_sha256(key, "aws4_request");
  return to_hex(hmac_sha256(key, to_sign));
}

void set_header(Headers& headers, const std::string& name, const std::string& value) {
  std::erase_if(headers, [&](const auto& header) { return lower(header.first) == name; });
  headers.emplace_back(name, value);
}

}  // namespace

std::string sigv4_canonical_request(const HttpRequest& request, const SigV4Scope& scope,
                                    const std::string& payload_hash) {
  const Result<UrlParts> parts = split_url(request.url);
  if (!parts.ok()) { return {}; }
  std::string text = request.method + "\n" + canonical_path(parts.value().path, scope) + "\n" +
                     canonical_query(parts.value().query) + "\n";
  for (const auto& [name, value] : canonical_headers(request.headers)) {
    text += name;
    text += ':';
    text += value;
    text += '\n';
  }
  return text + "\n" + signed_names(request.headers) + "\n" + payload_hash;
}

Result<HttpRequest> sign_sigv4(HttpRequest request, const AwsKeys& keys, const SigV4Scope& scope,
                               Instant now) {
  TRY(const UrlParts parts, split_url(request.url));
  const std::string stamp = stamp_of(now);
  const std::string payload = find_header(request.headers, "x-amz-content-sha256");
  const std::string payload_hash = payload.empty() ? to_hex(sha256(request.body)) : payload;
  set_header(request.headers, "host", parts.host);
  set_header(request.headers, "x-amz-date", stamp);
  if (!keys.token.empty()) { set_header(request.headers, "x-amz-security-token", keys.token.reveal()); }
  if (scope.is_s3()) { set_header(request.headers, "x-amz-content-sha256", payload_hash); }
  const std::string canonical = sigv4_canonical_request(request, scope, payload_hash);
  std::string authorization(kAlgorithm);
  authorization += " Credential=" + keys.id + "/" + scope_text(scope, stamp);
  authorization += ", SignedHeaders=" + signed_names(request.headers);
  authorization += ", Signature=" + signature_of(canonical, keys, scope, stamp);
  set_header(request.headers, "authorization", authorization);
  return request;
}

Result<std::string> presign_sigv4(const std::string& method, const std::string& url, const AwsKeys& keys,
                                  const SigV4Scope& scope, Instant now, Millis expires) {
  TRY(const UrlParts parts, split_url(url));
  const std::string stamp = stamp_of(now);
  QueryPairs pairs = {{"X-Amz-Algorithm", std::string(kAlgorithm)},
                      {"X-Amz-Credential", keys.id + "/" + scope_text(scope, stamp)},
                      {"X-Amz-Date", stamp},
                      {"X-Amz-Expires", std::to_string(expires.count() / 1'000)},
                      {"X-Amz-SignedHeaders", "host"}};
  if (!keys.token.empty()) { pairs.emplace_back("X-Amz-Security-Token", keys.token.reveal()); }
  const std::string query = (parts.query.empty() ? "" : parts.query + "&") + encode_query(pairs);
  const std::string base = parts.scheme + "://" + parts.host + parts.path + "?" + query;
  const HttpRequest request{.method = method, .url = base, .headers = {{"host", parts.host}}};
  const std::string payload = scope.is_s3() ? "UNSIGNED-PAYLOAD" : to_hex(sha256(""));
  const std::string canonical = sigv4_canonical_request(request, scope, payload);
  return base + "&X-Amz-Signature=" + signature_of(canonical, keys, scope, stamp);
}

}  // namespace gpubroker
