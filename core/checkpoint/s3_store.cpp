#include "core/checkpoint/s3_store.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr int kMostPages = 10'000;  // of 1,000 keys
constexpr std::size_t kMostParts = 10'000;
constexpr int kConflictTries = 3;  // AWS: "409: retry" while another put of the key is under way

Error not_a_key(const std::string& key, const std::string& source) {
  return {.kind = ErrorKind::invalid, .message = "not a key of an object: " + key, .source = source};
}

bool is_plain(std::string_view key) {
  const std::vector<std::string> parts = split(key, '/');
  return key.find('\0') == std::string_view::npos &&
         std::none_of(parts.begin(), parts.end(),
                      [](const std::string& part) { return part.empty() || part == "." || part == ".."; });
}

}  // namespace

S3Store::S3Store(StoreNetwork network, S3Settings settings, const std::string& bucket, std::string prefix,
                 S3Options options)
    : network_(network),
      settings_(std::move(settings)),
      place_(place_s3_bucket(bucket, settings_.region, settings_.endpoint)),
      prefix_(prefix.empty() ? std::string{} : std::move(prefix) + "/"),
      options_(options) {}

Result<HttpResponse> S3Store::call(const HttpRequest& request, const std::string& source) {
  const Instant now = network_.clock.now();
  TRY(const HttpRequest ready,
      sign_sigv4(request, settings_.keys, {.region = settings_.region, .service = "s3"}, now));
  TRY(HttpResponse answer, network_.http.send(ready));
  if (answer.status >= 300) { return parse_s3_error(answer, source, now); }
  return answer;
}

std::string S3Store::source_of(const std::string& verb, const std::string& key) const {
  return verb + " s3://" + place_.bucket + "/" + key;
}

Result<std::string> S3Store::full_key(const std::string& key) const {
  if (!is_plain(key)) { return not_a_key(key, source_of("S3", prefix_)); }
  return prefix_ + key;
}

std::string S3Store::make_writer() {
  return std::to_string(network_.clock.now().ms) + "-" + std::to_string(network_.random.next());
}

Status S3Store::put(const std::string& key, std::string_view bytes) {
  TRY(const std::string full, full_key(key));
  if (bytes.size() > options_.most_single) { return put_parts(full, bytes); }
  TRY([[maybe_unused]] const HttpResponse done,
      call(encode_s3_put(place_, full, bytes, {}), source_of("PUT", full)));
  return Ok{};
}

Result<bool> S3Store::put_new(const std::string& key, std::string_view bytes) {
  TRY(const std::string full, full_key(key));
  // Looked at first: a store that does not know the condition may ignore it (radosgw in versioned buckets).
  TRY(const std::optional<std::string> before, writer_of(full));
  if (before) { return false; }
  const S3Put how{.writer = make_writer(), .only_new = true};
  for (int tries = 1;; ++tries) {
    const Result<HttpResponse> put = call(encode_s3_put(place_, full, bytes, how), source_of("PUT", full));
    if (put.ok()) { return true; }
    if (put.error().code == "NotImplemented") { break; }
    const bool again = put.error().code == "ConditionalRequestConflict" && tries < kConflictTries;
    if (!again) { return settle_put_new(full, how.writer, put.error()); }
  }
  TRY([[maybe_unused]] const HttpResponse done,
      call(encode_s3_put(place_, full, bytes, {.writer = how.writer}), source_of("PUT", full)));
  TRY(const std::optional<std::string> after, writer_of(full));
  return after == how.writer;
}

/// The key may be taken by ourselves: the answer to an earlier sending of the same put was lost.
Result<bool> S3Store::settle_put_new(const std::string& full, const std::string& writer, const Error& error) {
  const bool is_taken = error.kind == ErrorKind::conflict;
  const bool is_unknown = error.kind == ErrorKind::network || error.kind == ErrorKind::throttled;
  if (!is_taken && !is_unknown) { return error; }
  const Result<std::optional<std::string>> there = writer_of(full);
  if (!there.ok() || !there.value()) { return error; }
  return *there.value() == writer;
}

Result<std::optional<std::string>> S3Store::writer_of(const std::string& full) {
  const std::string source = source_of("HEAD", full);
  const Result<HttpResponse> answer = call(encode_s3_head(place_, full), source);
  if (!answer.ok() && answer.error().kind == ErrorKind::not_found) { return std::optional<std::string>{}; }
  if (!answer.ok()) { return answer.error(); }
  TRY(S3Head found, parse_s3_head(answer.value(), source));
  return std::optional(std::move(found.writer));
}

Result<std::string> S3Store::get(const std::string& key) {
  TRY(const std::string full, full_key(key));
  const std::string source = source_of("GET", full);
  TRY(HttpResponse answer, call(encode_s3_get(place_, full), source));
  const std::string length = find_header(answer.headers, "content-length");
  if (!length.empty() && length != std::to_string(answer.body.size())) {
    return Error{
        .kind = ErrorKind::network,
        .message = "the object came with " + std::to_string(answer.body.size()) + " of " + length + " bytes",
        .source = source,
        .code = "short"};
  }
  return std::move(answer.body);
}

Result<ObjectInfo> S3Store::head(const std::string& key) {
  TRY(const std::string full, full_key(key));
  const std::string source = source_of("HEAD", full);
  TRY(const HttpResponse answer, call(encode_s3_head(place_, full), source));
  TRY(const S3Head found, parse_s3_head(answer, source));
  return ObjectInfo{.key = key, .size = found.size};
}

Result<std::vector<ObjectInfo>> S3Store::list(const std::string& prefix) {
  const std::string full = prefix_ + prefix;
  const std::string source = source_of("LIST", full);
  std::vector<ObjectInfo> objects;
  std::string token;
  for (int page = 0; page < kMostPages; ++page) {
    TRY(const HttpResponse answer, call(encode_s3_list(place_, full, token), source));
    TRY(S3Page found, parse_s3_page(answer.body, source));
    for (ObjectInfo& object : found.objects) {
      if (object.key.rfind(full, 0) != 0) {
        return Error{.kind = ErrorKind::internal,
                     .message = "the list has " + object.key + ", which was not asked for",
                     .source = source};
      }
      object.key.erase(0, prefix_.size());
      // A folder that somebody made in a console is an object "folder/": not one of ours.
      if (is_plain(object.key)) { objects.push_back(std::move(object)); }
    }
    if (found.next.empty()) {
      std::sort(objects.begin(), objects.end(),
                [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
      return objects;
    }
    if (found.next == token) { break; }
    token = std::move(found.next);
  }
  return Error{.kind = ErrorKind::internal, .message = "the list of objects does not end", .source = source};
}

Status S3Store::remove(const std::string& key) {
  TRY(const std::string full, full_key(key));
  const Result<HttpResponse> done = call(encode_s3_remove(place_, full), source_of("DELETE", full));
  if (done.ok() || (done.error().kind == ErrorKind::not_found && done.error().code != "NoSuchBucket")) {
    return Ok{};
  }
  return done.error();
}

Status S3Store::put_parts(const std::string& full, std::string_view bytes) {
  const std::string source = source_of("PUT", full);
  const std::string writer = make_writer();
  TRY(const HttpResponse begun, call(encode_s3_begin_parts(place_, full, {.writer = writer}), source));
  TRY(const std::string upload, parse_s3_upload(begun.body, source));
  const Result<std::vector<std::string>> tags = send_parts(full, upload, bytes);
  Status done = tags.ok() ? complete(full, upload, tags.value(), writer) : Status(tags.error());
  // Parts of an upload that is not ended are paid for, and no list of objects shows them.
  if (!done.ok()) { (void)call(encode_s3_abort(place_, full, upload), source); }
  return done;
}

Result<std::vector<std::string>> S3Store::send_parts(const std::string& full, const std::string& upload,
                                                     std::string_view bytes) {
  const std::string source = source_of("PUT", full);
  const std::size_t size = std::max(options_.part, (bytes.size() + kMostParts - 1) / kMostParts);
  std::vector<std::string> tags;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    const int number = static_cast<int>(tags.size()) + 1;
    TRY(const HttpResponse sent,
        call(encode_s3_part(place_, full, upload, number, bytes.substr(at, size)), source));
    tags.push_back(find_header(sent.headers, "etag"));
  }
  return tags;
}

Status S3Store::complete(const std::string& full, const std::string& upload,
                         const std::vector<std::string>& tags, const std::string& writer) {
  const std::string source = source_of("PUT", full);
  const Result<HttpResponse> answer = call(encode_s3_complete(place_, full, upload, tags), source);
  Status done =
      answer.ok() ? parse_s3_complete(answer.value(), source, network_.clock.now()) : Status(answer.error());
  if (done.ok() || done.error().kind != ErrorKind::network) { return done; }
  const Result<std::optional<std::string>> there = writer_of(full);  // the answer alone may be lost
  return there.ok() && there.value() == writer ? Status(Ok{}) : done;
}

Result<std::unique_ptr<ObjectStore>> open_s3_store(const std::string& url, const StoreAccess& access,
                                                   Files& files) {
  constexpr std::string_view kScheme = "s3://";
  constexpr std::string_view kOfBuckets = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  const std::string_view rest = std::string_view(url).substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string bucket(rest.substr(0, slash));
  std::string_view prefix = rest.substr(slash);
  while (!prefix.empty() && prefix.front() == '/') { prefix.remove_prefix(1); }
  while (!prefix.empty() && prefix.back() == '/') { prefix.remove_suffix(1); }
  if (bucket.empty() || bucket.find_first_not_of(kOfBuckets) != std::string::npos ||
      (!prefix.empty() && !is_plain(prefix))) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "no bucket can be called by " + url,
                 .hint = "s3://BUCKET or s3://BUCKET/PREFIX",
                 .source = "checkpoint.store"};
  }
  if (!access.network) {
    return Error{
        .kind = ErrorKind::invalid, .message = "no network to reach " + url, .source = "checkpoint.store"};
  }
  TRY(S3Settings settings, read_s3_settings(access, files));
  TRY(const StoreNetwork network, access.network());
  return std::unique_ptr<ObjectStore>(
      std::make_unique<S3Store>(network, std::move(settings), bucket, std::string(prefix)));
}

}  // namespace gpubroker
