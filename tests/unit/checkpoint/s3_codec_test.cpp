#include "core/checkpoint/s3_codec.hpp"

#include <doctest/doctest.h>

#include "core/wire/http_date.hpp"

namespace gpubroker {
namespace {

constexpr Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z

HttpResponse refusal(int status, const std::string& code, const std::string& more = "") {
  return {.status = status,
          .headers = {{"date", format_http_date(kNow - std::chrono::hours{3})}},
          .body = "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>words</Message>" + more +
                  "</Error>"};
}

TEST_CASE("s3: buckets are asked for at AWS's hosts, or in the path of another endpoint") {
  struct Case {
    std::string bucket, region, endpoint, url;
  };
  const std::vector<Case> cases = {
      {"ckpt", "eu-west-1", "", "https://ckpt.s3.eu-west-1.amazonaws.com/a/b%20c%2B"},
      {"my.ckpt", "us-east-1", "", "https://s3.us-east-1.amazonaws.com/my.ckpt/a/b%20c%2B"},
      {"ckpt", "cn-north-1", "", "https://ckpt.s3.cn-north-1.amazonaws.com.cn/a/b%20c%2B"},
      {"ckpt", "x", "http://127.0.0.1:9000", "http://127.0.0.1:9000/ckpt/a/b%20c%2B"},
      {"ckpt", "x", "https://h/s3/", "https://h/s3/ckpt/a/b%20c%2B"},
  };
  for (const Case& c : cases) {
    CHECK(encode_s3_get(place_s3_bucket(c.bucket, c.region, c.endpoint), "a/b c+").url == c.url);
  }
}

TEST_CASE("s3: each refusal has its kind") {
  struct Case {
    int status;
    std::string code;
    ErrorKind kind;
    std::string hint;  // a part of it
  };
  using enum ErrorKind;
  const std::vector<Case> cases = {
      {404, "NoSuchKey", not_found, ""},
      {404, "NoSuchBucket", not_found, "aws s3 mb"},
      {404, "NoSuchUpload", network, ""},
      {400, "InvalidBucketName", invalid, "3 to 63"},
      {403, "AccessDenied", auth, "s3:ListBucket"},
      {403, "InvalidAccessKeyId", auth, "AWS_ENDPOINT_URL"},
      {403, "SignatureDoesNotMatch", auth, "AWS_SECRET_ACCESS_KEY"},
      {400, "ExpiredToken", auth, "new ones"},
      {400, "InvalidToken", auth, "AWS_SESSION_TOKEN"},
      {403, "RequestTimeTooSkewed", auth, "clock"},
      {503, "SlowDown", throttled, ""},
      {503, "ServiceUnavailable", throttled, ""},
      {503, "", throttled, ""},
      {429, "", throttled, ""},
      {500, "InternalError", network, ""},
      {400, "RequestTimeout", network, ""},
      {400, "BadDigest", network, ""},
      {400, "XAmzContentSHA256Mismatch", network, ""},
      {403, "QuotaExceeded", capacity, "full"},
      {507, "", capacity, ""},
      {507, "XMinioStorageFull", capacity, "full"},
      {412, "PreconditionFailed", conflict, ""},
      {412, "", conflict, ""},
      {409, "ConditionalRequestConflict", conflict, ""},
      {409, "OperationAborted", conflict, ""},
      {501, "NotImplemented", invalid, ""},
      {400, "KeyTooLongError", invalid, "prefix"},
      {301, "PermanentRedirect", invalid, "AWS_REGION"},
      {400, "AuthorizationHeaderMalformed", invalid, "AWS_REGION"},
      {400, "NobodyTaughtUs", invalid, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.status);
    CAPTURE(c.code);
    const Error error = parse_s3_error(refusal(c.status, c.code), "PUT s3://b/k", kNow);
    CHECK(error.kind == c.kind);
    CHECK(error.code == c.code);
    CHECK(error.source == "PUT s3://b/k");
    CHECK(error.hint.find(c.hint) != std::string::npos);
  }
}

TEST_CASE("s3: what else an answer tells goes into the error") {
  const Error skewed = parse_s3_error(refusal(403, "RequestTimeTooSkewed"), "x", kNow);
  CHECK(skewed.message.find("this machine's clock is 3h ahead of the store's") != std::string::npos);
  const Error far =
      parse_s3_error(refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), "x", kNow);
  CHECK(far.message == "the bucket is in the region eu-west-1");
  CHECK(far.hint.find("AWS_REGION=eu-west-1") != std::string::npos);
  // To a HEAD, which has no body.
  const Error head =
      parse_s3_error({.status = 301, .headers = {{"x-amz-bucket-region", "eu-west-2"}}}, "x", kNow);
  CHECK(head.kind == ErrorKind::invalid);
  CHECK(head.hint.find("AWS_REGION=eu-west-2") != std::string::npos);
  HttpResponse later = refusal(503, "SlowDown");
  later.headers.emplace_back("retry-after", "7");
  CHECK(parse_s3_error(later, "x", kNow).retry_after == Millis{7'000});
  CHECK(parse_s3_error({.status = 502, .body = "<!DOCTYPE html><html>bad gateway"}, "x", kNow).kind ==
        ErrorKind::network);
}

TEST_CASE("s3: a page of a list") {
  const S3Page page =
      parse_s3_page(
          "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
          "<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
          "<NextContinuationToken>t+/=</NextContinuationToken>"
          "<Contents><Key>a+b%2Bc%25/%C3%A9</Key><Size>7</Size></Contents>"
          "<Contents><Key>d%20e</Key><Size>0</Size></Contents></ListBucketResult>",
          "x")
          .value();
  REQUIRE(page.objects.size() == 2);
  CHECK(page.objects[0].key == "a b+c%/\xc3\xa9");
  CHECK(page.objects[0].size == 7);
  CHECK(page.objects[1].key == "d e");
  CHECK(page.next == "t+/=");
  // A store that does not encode keys does not say that it does.
  const std::string plain =
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a+%20b</Key><Size>1</Size></Contents>"
      "</ListBucketResult>";
  CHECK(parse_s3_page(plain, "x").value().objects.at(0).key == "a+%20b");
  CHECK(encode_s3_list({.base = "http://h/b"}, "p q/", "t+/=").url ==
        "http://h/b/?list-type=2&encoding-type=url&prefix=p%20q%2F&continuation-token=t%2B%2F%3D");
}

TEST_CASE("s3: what is no page, no upload and no end is refused") {
  const std::vector<std::string> bad = {
      "",
      "{}",
      "<html>hello</html>",
      "<!DOCTYPE x [<!ENTITY e 'e'>]><ListBucketResult/>",
      "<ListBucketResult/>",
      "<Other><IsTruncated>false</IsTruncated></Other>",
      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></"
      "ListBucketResult>",
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size></Contents>"
      "</ListBucketResult>",
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></"
      "ListBucketResult>"};
  for (const std::string& body : bad) {
    CAPTURE(body);
    CHECK(parse_s3_page(body, "x").error().kind == ErrorKind::internal);
    CHECK(parse_s3_upload(body, "x").error().kind == ErrorKind::internal);
    CHECK(parse_s3_complete({.status = 200, .body = body}, "x", kNow).error().kind == ErrorKind::internal);
  }
  CHECK_FALSE(parse_s3_head({.status = 200}, "x").ok());
  CHECK_FALSE(parse_s3_head({.status = 200, .headers = {{"content-length", "many"}}}, "x").ok());
}

TEST_CASE("s3: a 200 at the end of an upload may still be a failure") {
  const HttpResponse failed = {.status = 200, .body = refusal(200, "InternalError").body};
  CHECK(parse_s3_complete(failed, "x", kNow).error().kind == ErrorKind::network);
  const HttpResponse done = {.status = 200, .body = "\n\n<CompleteMultipartUploadResult/>"};
  CHECK(parse_s3_complete(done, "x", kNow).ok());
}

}  // namespace
}  // namespace gpubroker
