#pragma once
// S3's requests and answers. Pure. Source: "Amazon S3 API Reference", read 2026-11; what other stores do
// differently is said where it matters (Ceph radosgw 17, OpenStack Swift 2.30 s3api, MinIO's documentation).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/http.hpp"
#include "core/ports/object_store.hpp"

namespace gpubroker {

/// Where the objects of one bucket are asked for.
struct S3Place {
  std::string bucket = {};
  std::string region = {};
  std::string base = {};  // "https://b.s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000/b": no last slash
};

/// AWS's own hosts by the bucket's name, unless its dots would not fit their certificate; any other
/// `endpoint` (a URL, may have a path) with the bucket in the path.
S3Place place_s3_bucket(const std::string& bucket, const std::string& region, const std::string& endpoint);

/// How an object is put.
struct S3Put {
  std::string writer = {};  // kept with the object: who wrote it
  bool only_new = false;    // refused by 412 where the key is taken
};

// Every request may be sent twice (HttpRequest::repeatable) but encode_s3_complete's.
HttpRequest encode_s3_put(const S3Place& place, const std::string& key, std::string_view bytes,
                          const S3Put& how);
HttpRequest encode_s3_get(const S3Place& place, const std::string& key);
HttpRequest encode_s3_head(const S3Place& place, const std::string& key);
HttpRequest encode_s3_remove(const S3Place& place, const std::string& key);
/// One page; `token` of the page before, empty for the first. Keys come URL-encoded: XML cannot hold all.
HttpRequest encode_s3_list(const S3Place& place, const std::string& prefix, const std::string& token);

HttpRequest encode_s3_begin_parts(const S3Place& place, const std::string& key, const S3Put& how);
/// `number` from 1 to 10,000; 5 MiB to 5 GiB each, the last one may be smaller.
HttpRequest encode_s3_part(const S3Place& place, const std::string& key, const std::string& upload,
                           int number, std::string_view bytes);
/// `tags`: what each part was answered with, in order.
HttpRequest encode_s3_complete(const S3Place& place, const std::string& key, const std::string& upload,
                               const std::vector<std::string>& tags);
HttpRequest encode_s3_abort(const S3Place& place, const std::string& key, const std::string& upload);

struct S3Page {
  std::vector<ObjectInfo> objects = {};
  std::string next = {};  // token of the next page; empty: this was the last
};
/// `internal` for what is no page, for a size that cannot be, and for more pages without a way to them.
Result<S3Page> parse_s3_page(std::string_view body, const std::string& source);
Result<std::string> parse_s3_upload(std::string_view body, const std::string& source);
/// A 200 may still tell of a failure: it is sent before the parts are put together.
Status parse_s3_complete(const HttpResponse& answer, const std::string& source, Instant now);

/// An object's size and who wrote it, from the answer to a HEAD. `internal` without a length.
struct S3Head {
  std::int64_t size = 0;
  std::string writer = {};
};
Result<S3Head> parse_s3_head(const HttpResponse& answer, const std::string& source);

/// What an answer of 300 and above means. `now`: this machine's time, for how far its clock is off.
Error parse_s3_error(const HttpResponse& answer, const std::string& source, Instant now);

}  // namespace gpubroker
