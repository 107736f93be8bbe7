#include "core/checkpoint/s3_codec.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/http_date.hpp"
#include "core/wire/url.hpp"
#include "core/wire/xml.hpp"

namespace gpubroker {
namespace {

constexpr const char* kWriter = "x-amz-meta-gpubroker-writer";
constexpr std::size_t kMostObject = std::size_t{5} << 30U;  // S3's own limit of a single PUT
constexpr Millis kReadTime = std::chrono::minutes{15};      // a stalled connection ends much sooner
constexpr const char* kRegionHint = "export AWS_REGION, or in the task file: envs: {AWS_REGION: …}";

struct ErrorRow {
  std::string_view code;
  ErrorKind kind;
  ErrorScope scope;
  std::string_view hint;
};

// Source: "Error responses", Amazon S3 API Reference, read 2026-11; QuotaExceeded of radosgw (403), XMinio…
// of MinIO (507).
constexpr std::array kErrors = {
    ErrorRow{"NoSuchKey", ErrorKind::not_found, ErrorScope::request, ""},
    ErrorRow{"NoSuchUpload", ErrorKind::network, ErrorScope::request, ""},  // begun anew by the next put
    ErrorRow{"NoSuchBucket", ErrorKind::not_found, ErrorScope::account,
             "make it first (`aws s3 mb s3://BUCKET`), or correct `checkpoint.store`"},
    ErrorRow{"InvalidBucketName", ErrorKind::invalid, ErrorScope::account,
             "buckets have 3 to 63 of a-z, 0-9, '.', '-'"},
    ErrorRow{"AccessDenied", ErrorKind::auth, ErrorScope::account,
             "the key needs s3:ListBucket on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject and "
             "s3:AbortMultipartUpload on what is in it"},
    ErrorRow{"AllAccessDisabled", ErrorKind::auth, ErrorScope::account, ""},
    ErrorRow{"AccountProblem", ErrorKind::auth, ErrorScope::account, ""},
    ErrorRow{"InvalidAccessKeyId", ErrorKind::auth, ErrorScope::account,
             "is AWS_ACCESS_KEY_ID of this store, and AWS_ENDPOINT_URL set if it is not AWS's?"},
    ErrorRow{"SignatureDoesNotMatch", ErrorKind::auth, ErrorScope::account,
             "is AWS_SECRET_ACCESS_KEY the one of this AWS_ACCESS_KEY_ID?"},
    ErrorRow{"ExpiredToken", ErrorKind::auth, ErrorScope::account, "temporary keys are over: get new ones"},
    ErrorRow{"TokenRefreshRequired", ErrorKind::auth, ErrorScope::account,
             "temporary keys are over: get new ones"},
    ErrorRow{"InvalidToken", ErrorKind::auth, ErrorScope::account,
             "AWS_SESSION_TOKEN is not of this AWS_ACCESS_KEY_ID; keys that last have none"},
    ErrorRow{"RequestTimeTooSkewed", ErrorKind::auth, ErrorScope::account, "set this machine's clock"},
    ErrorRow{"SlowDown", ErrorKind::throttled, ErrorScope::account, ""},
    ErrorRow{"ServiceUnavailable", ErrorKind::throttled, ErrorScope::account, ""},
    ErrorRow{"RequestTimeout", ErrorKind::network, ErrorScope::request, ""},
    ErrorRow{"InternalError", ErrorKind::network, ErrorScope::request, ""},
    ErrorRow{"BadDigest", ErrorKind::network, ErrorScope::request, ""},  // spoilt on the way
    ErrorRow{"XAmzContentSHA256Mismatch", ErrorKind::network, ErrorScope::request, ""},
    ErrorRow{"IncompleteBody", ErrorKind::network, ErrorScope::request, ""},
    ErrorRow{"QuotaExceeded", ErrorKind::capacity, ErrorScope::account, "the store is full"},
    ErrorRow{"XMinioStorageFull", ErrorKind::capacity, ErrorScope::account, "the store is full"},
    ErrorRow{"XMinioAdminBucketQuotaExceeded", ErrorKind::capacity, ErrorScope::account,
             "the bucket is full"},
    ErrorRow{"PreconditionFailed", ErrorKind::conflict, ErrorScope::request, ""},
    ErrorRow{"ConditionalRequestConflict", ErrorKind::conflict, ErrorScope::request, ""},
    ErrorRow{"OperationAborted", ErrorKind::conflict, ErrorScope::request, ""},
    ErrorRow{"NotImplemented", ErrorKind::invalid, ErrorScope::request, ""},
    ErrorRow{"EntityTooLarge", ErrorKind::invalid, ErrorScope::request, ""},
    ErrorRow{"KeyTooLongError", ErrorKind::invalid, ErrorScope::request,
             "a shorter prefix in `checkpoint.store`"},
    ErrorRow{"PermanentRedirect", ErrorKind::invalid, ErrorScope::account, kRegionHint},
    ErrorRow{"TemporaryRedirect", ErrorKind::network, ErrorScope::request, ""},  // a bucket made a moment ago
    ErrorRow{"AuthorizationHeaderMalformed", ErrorKind::invalid, ErrorScope::account, kRegionHint},
    ErrorRow{"IllegalLocationConstraintException", ErrorKind::invalid, ErrorScope::account, kRegionHint},
};

std::string object_url(const S3Place& place, const std::string& key) {
  return place.base + "/" + url_encode(key, /*keep_slash=*/true);
}

HttpRequest request_of(const std::string& method, std::string url) {
  HttpRequest request{.method = method, .url = std::move(url)};
  request.repeatable = true;
  // Lengths are checked against what is stored, not against what a proxy packed.
  request.headers.emplace_back("accept-encoding", "identity");
  return request;
}

void set_body(HttpRequest& request, std::string_view bytes) {
  constexpr std::int64_t kSlowest = 128 << 10;  // bytes a second that a line must carry
  request.body = std::string(bytes);
  request.timeout = std::chrono::seconds{60 + static_cast<std::int64_t>(bytes.size()) / kSlowest};
  request.headers.emplace_back("content-type", "application/octet-stream");
}

void add_put_headers(HttpRequest& request, const S3Put& how) {
  if (!how.writer.empty()) { request.headers.emplace_back(kWriter, how.writer); }
  if (how.only_new) { request.headers.emplace_back("if-none-match", "*"); }
}

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// As forms are encoded: AWS writes a blank as '+', Ceph as %20; a real '+' is %2B in both.
std::string decode_key(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return url_decode(text);
}

Error unreadable(const std::string& why, const std::string& source) {
  return {.kind = ErrorKind::internal, .message = "cannot read the answer: " + why, .source = source};
}

/// "3 h ahead of", in words.
std::string tell_skew(const HttpResponse& answer, Instant now) {
  const std::optional<Instant> theirs = parse_http_date(find_header(answer.headers, "date"));
  if (!theirs) { return ""; }
  const Millis off = now - *theirs;
  return ": this machine's clock is " + format_duration(off < Millis{0} ? -off : off) +
         (off < Millis{0} ? " behind" : " ahead of") + " the store's";
}

}  // namespace

S3Place place_s3_bucket(const std::string& bucket, const std::string& region, const std::string& endpoint) {
  S3Place place{.bucket = bucket, .region = region};
  std::string_view end = endpoint;
  while (!end.empty() && end.back() == '/') { end.remove_suffix(1); }
  if (!end.empty()) {
    place.base = std::string(end) + "/" + bucket;
    return place;
  }
  const std::string host =
      "s3." + region + (region.rfind("cn-", 0) == 0 ? ".amazonaws.com.cn" : ".amazonaws.com");
  const bool has_dot = bucket.find('.') != std::string::npos;
  place.base = has_dot ? "https://" + host + "/" + bucket : "https://" + bucket + "." + host;
  return place;
}

HttpRequest encode_s3_put(const S3Place& place, const std::string& key, std::string_view bytes,
                          const S3Put& how) {
  HttpRequest request = request_of("PUT", object_url(place, key));
  set_body(request, bytes);
  add_put_headers(request, how);
  return request;
}

HttpRequest encode_s3_get(const S3Place& place, const std::string& key) {
  HttpRequest request = request_of("GET", object_url(place, key));
  request.timeout = kReadTime;
  request.max_body = kMostObject;
  return request;
}

HttpRequest encode_s3_head(const S3Place& place, const std::string& key) {
  return request_of("HEAD", object_url(place, key));
}

HttpRequest encode_s3_remove(const S3Place& place, const std::string& key) {
  return request_of("DELETE", object_url(place, key));
}

HttpRequest encode_s3_list(const S3Place& place, const std::string& prefix, const std::string& token) {
  QueryPairs pairs = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}};
  if (!token.empty()) { pairs.emplace_back("continuation-token", token); }
  return request_of("GET", place.base + "/?" + encode_query(pairs));
}

HttpRequest encode_s3_begin_parts(const S3Place& place, const std::string& key, const S3Put& how) {
  HttpRequest request = request_of("POST", object_url(place, key) + "?uploads=");
  set_body(request, "");
  add_put_headers(request, how);
  return request;
}

HttpRequest encode_s3_part(const S3Place& place, const std::string& key, const std::string& upload,
                           int number, std::string_view bytes) {
  HttpRequest request =
      request_of("PUT", object_url(place, key) + "?" +
                            encode_query({{"partNumber", std::to_string(number)}, {"uploadId", upload}}));
  set_body(request, bytes);
  return request;
}

HttpRequest encode_s3_complete(const S3Place& place, const std::string& key, const std::string& upload,
                               const std::vector<std::string>& tags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + escape_xml(tags[i]) +
            "</ETag></Part>";
  }
  body += "</CompleteMultipartUpload>";
  HttpRequest request =
      request_of("POST", object_url(place, key) + "?" + encode_query({{"uploadId", upload}}));
  set_body(request, body);
  request.headers.back().second = "application/xml";
  request.timeout = std::chrono::minutes{10};  // the store puts the parts together first
  request.repeatable = false;                  // the second one finds no upload any more
  return request;
}

HttpRequest encode_s3_abort(const S3Place& place, const std::string& key, const std::string& upload) {
  return request_of("DELETE", object_url(place, key) + "?" + encode_query({{"uploadId", upload}}));
}

Result<S3Page> parse_s3_page(std::string_view body, const std::string& source) {
  return read_xml(body, source, [&](const pugi::xml_node& root) -> Result<S3Page> {
    if (std::string_view(root.name()) != "ListBucketResult") {
      return unreadable("no list of objects", source);
    }
    const bool encoded = text_or_empty(root, "EncodingType") == "url";
    S3Page page;
    for (const pugi::xml_node& row : root.children("Contents")) {
      const std::string key = text_or_empty(row, "Key");
      const std::optional<std::int64_t> size = parse_int(text_or_empty(row, "Size"));
      if (key.empty() || !size || *size < 0) { return unreadable("an object without key or size", source); }
      page.objects.push_back({.key = encoded ? decode_key(key) : key, .size = *size});
    }
    const std::string more = text_or_empty(root, "IsTruncated");
    if (more != "true" && more != "false") { return unreadable("is this the last page?", source); }
    page.next = more == "true" ? text_or_empty(root, "NextContinuationToken") : "";
    if (more == "true" && page.next.empty()) { return unreadable("more pages, and no way to them", source); }
    return page;
  });
}

Result<std::string> parse_s3_upload(std::string_view body, const std::string& source) {
  return read_xml(body, source, [&](const pugi::xml_node& root) -> Result<std::string> {
    std::string upload = text_or_empty(root, "UploadId");
    if (upload.empty()) { return unreadable("an upload without its id", source); }
    return upload;
  });
}

Status parse_s3_complete(const HttpResponse& answer, const std::string& source, Instant now) {
  return read_xml(answer.body, source, [&](const pugi::xml_node& root) -> Status {
    const std::string_view name = root.name();
    if (name == "CompleteMultipartUploadResult") { return Ok{}; }
    if (name != "Error") { return unreadable("neither done nor failed", source); }
    HttpResponse failure = answer;
    failure.status = 500;  // what it would have been, had the store waited with its status
    return parse_s3_error(failure, source, now);
  });
}

Result<S3Head> parse_s3_head(const HttpResponse& answer, const std::string& source) {
  const std::optional<std::int64_t> size = parse_int(find_header(answer.headers, "content-length"));
  if (!size || *size < 0) { return unreadable("an object without its length", source); }
  return S3Head{.size = *size, .writer = find_header(answer.headers, kWriter)};
}

Error parse_s3_error(const HttpResponse& answer, const std::string& source, Instant now) {
  std::string code;
  std::string message;
  std::string region = find_header(answer.headers, "x-amz-bucket-region");
  // No body after HEAD, and a proxy's page is not theirs: the status speaks for itself then.
  static_cast<void>(visit_xml(answer.body, source, [&](const pugi::xml_node& root) {
    code = text_or_empty(root, "Code");
    message = text_or_empty(root, "Message");
    if (region.empty()) { region = text_or_empty(root, "Region"); }
  }));
  Error error = error_from_answer(answer, source, code, message, now);
  if (answer.status == 503) { error.kind = ErrorKind::throttled; }
  if (answer.status == 507) {
    error.kind = ErrorKind::capacity;
    error.scope = ErrorScope::account;
  }
  if (answer.status == 412) { error.kind = ErrorKind::conflict; }
  if (answer.status == 301) { error.hint = kRegionHint; }  // to a HEAD, without a body
  for (const ErrorRow& row : kErrors) {
    if (row.code != code) { continue; }
    error.kind = row.kind;
    error.scope = row.scope;
    error.hint = row.hint;
  }
  if (error.hint == kRegionHint && !region.empty()) {
    error.message = "the bucket is in the region " + region;
    error.hint = "export AWS_REGION=" + region + ", or in the task file: envs: {AWS_REGION: " + region + "}";
  }
  if (code == "RequestTimeTooSkewed") { error.message += tell_skew(answer, now); }
  return error;
}

}  // namespace gpubroker
