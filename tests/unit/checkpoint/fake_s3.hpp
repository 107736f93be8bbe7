#pragma once
// The wire of one bucket in memory, for S3Store: what it puts there is what it finds. Signatures and
// strictness are tested over tests/testcloud, where the aws command has judged the other side.
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/text.hpp"
#include "core/checkpoint/s3_store.hpp"
#include "core/wire/url.hpp"
#include "tests/manual_clock.hpp"

namespace gpubroker::testing {

/// The marks differ, and a run is like the last one.
class CountingRandom final : public Random {
 public:
  std::uint64_t next() override { return ++count_; }

 private:
  std::atomic<std::uint64_t> count_{0};
};

class FakeS3 final : public Http {
 public:
  enum class Conditions { kept, ignored, refused };
  struct Object {
    std::string bytes = {};
    std::string writer = {};
  };

  Result<HttpResponse> send(const HttpRequest& request) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    log.push_back(request.method + " " + request.url);
    if (before) {
      if (std::optional<Result<HttpResponse>> answer = before(request)) { return *answer; }
    }
    const UrlParts url = split_url(request.url).value();
    const std::string key = url_decode(url.path).substr(std::string("/ckpt/").size());
    if (request.method == "POST" || !url.query.empty()) { return in_query(request, url.query, key); }
    if (request.method == "PUT") { return put(request, key); }
    const auto at = objects.find(key);
    if (request.method == "DELETE") {
      objects.erase(key);
      return HttpResponse{.status = 204};
    }
    if (at == objects.end()) { return refuse(404, "NoSuchKey", request.method); }
    HttpResponse answer{.status = 200,
                        .headers = {{"content-length", std::to_string(at->second.bytes.size())},
                                    {"x-amz-meta-gpubroker-writer", at->second.writer}}};
    if (request.method == "GET") { answer.body = at->second.bytes; }
    return answer;
  }

  static HttpResponse refuse(int status, const std::string& code, const std::string& method = "GET") {
    HttpResponse answer{.status = status};
    if (method != "HEAD") { answer.body = "<Error><Code>" + code + "</Code><Message>no</Message></Error>"; }
    return answer;
  }

  /// Said instead of the bucket's own answer, if anything.
  std::function<std::optional<Result<HttpResponse>>(const HttpRequest&)> before = {};
  Conditions conditions = Conditions::kept;
  std::size_t page = 1'000;
  std::map<std::string, Object> objects = {};
  std::map<int, std::string> parts = {};  // of the one upload
  std::vector<std::string> log = {};

 private:
  HttpResponse put(const HttpRequest& request, const std::string& key) {
    const bool only_new = !find_header(request.headers, "if-none-match").empty();
    if (only_new && conditions == Conditions::refused) { return refuse(501, "NotImplemented"); }
    if (only_new && conditions == Conditions::kept && objects.count(key) != 0) {
      return refuse(412, "PreconditionFailed");
    }
    objects[key] = {.bytes = request.body,
                    .writer = find_header(request.headers, "x-amz-meta-gpubroker-writer")};
    return {.status = 200};
  }

  HttpResponse in_query(const HttpRequest& request, const std::string& query, const std::string& key) {
    std::map<std::string, std::string> asked;
    for (const std::string& pair : split(query, '&')) {
      const std::size_t equals = pair.find('=');
      asked[pair.substr(0, equals)] = url_decode(pair.substr(equals + 1));
    }
    if (asked.count("list-type") != 0) { return list(asked); }
    if (asked.count("uploads") != 0) {
      writer_ = find_header(request.headers, "x-amz-meta-gpubroker-writer");
      return {.status = 200, .body = "<R><UploadId>u+1/=</UploadId></R>"};
    }
    if (asked["uploadId"] != "u+1/=") { return refuse(404, "NoSuchUpload"); }
    if (request.method == "PUT") {
      parts[static_cast<int>(parse_int(asked["partNumber"]).value())] = request.body;
      return {.status = 200, .headers = {{"etag", "\"t" + asked["partNumber"] + "\""}}};
    }
    if (request.method == "POST") {
      Object whole{.writer = writer_};
      for (const auto& [number, bytes] : parts) { whole.bytes += bytes; }
      objects[key] = whole;
    }
    parts.clear();
    return {.status = request.method == "POST" ? 200 : 204, .body = "<CompleteMultipartUploadResult/>"};
  }

  HttpResponse list(std::map<std::string, std::string>& asked) {
    const auto start = static_cast<std::size_t>(parse_int(asked["continuation-token"]).value_or(0));
    std::string rows;
    std::size_t count = 0;
    for (const auto& [key, object] : objects) {
      if (key.rfind(asked["prefix"], 0) != 0) { continue; }
      if (++count <= start || count > start + page) { continue; }
      rows += "<Contents><Key>" + url_encode(key, /*keep_slash=*/true) + "</Key><Size>" +
              std::to_string(object.bytes.size()) + "</Size></Contents>";
    }
    const std::string more = count > start + page ? "true" : "false";
    return {.status = 200,
            .body = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" + more +
                    "</IsTruncated><NextContinuationToken>" + std::to_string(start + page) +
                    "</NextContinuationToken>" + rows + "</ListBucketResult>"};
  }

  std::mutex mutex_ = {};
  std::string writer_ = {};
};

/// A store over it.
struct S3World {
  S3World() : S3World(S3Options{}) {}
  explicit S3World(S3Options options) : store(network, settings, "ckpt", "job/x", options) {}

  FakeS3 wire = {};
  ManualClock clock = {};
  CountingRandom random = {};
  StoreNetwork network{wire, clock, random};
  S3Settings settings = {.keys = {.id = "AKIATEST", .secret = Secret("s")},
                         .region = "us-east-1",
                         .endpoint = "http://s3.test:9000"};
  S3Store store;
};

}  // namespace gpubroker::testing
