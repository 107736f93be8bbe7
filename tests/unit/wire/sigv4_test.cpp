// Vectors: computed with botocore 1.43 and, independently, with Python's hmac (2026-11); "get-vanilla" and
// its family are facts of AWS's published signing test suite (aws-c-auth, v4).
#include "core/wire/sigv4.hpp"

#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"

namespace gpubroker {
namespace {

const AwsKeys kKeys{.id = "AKIDEXAMPLE", .secret = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
const Instant kThen = parse_utc("2026-01-15T12:36:00Z").value();

AwsKeys with_token() {
  AwsKeys keys = kKeys;
  keys.token = Secret("TOKEN/abc+1==");
  return keys;
}

std::string signature(const HttpRequest& request) {
  const std::string header = find_header(request.headers, "authorization");
  return header.substr(header.rfind('=') + 1);
}

HttpRequest must(Result<HttpRequest> signed_request) {
  REQUIRE_MESSAGE(signed_request.ok(), signed_request.error().message);
  return std::move(signed_request).value();
}

}  // namespace

TEST_CASE("sigv4: an EC2 form") {
  const HttpRequest request{
      .method = "POST",
      .url = "https://ec2.us-east-1.amazonaws.com/",
      .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
      .body =
          "Action=RunInstances&Version=2016-11-15&ClientToken=job-7%2Frank0&ImageId=ami-0abcdef1234567890"
          "&InstanceType=p5.48xlarge&MaxCount=2&MinCount=2&TagSpecification.1.ResourceType=instance"
          "&TagSpecification.1.Tag.1.Key=gpubroker%3Ajob&TagSpecification.1.Tag.1.Value=train%20A%2BB~1"
          "&UserData=IyEvYmluL3NoCg%3D%3D"};
  REQUIRE(request.body.size() == 304);
  CHECK(to_hex(sha256(request.body)) == "c3f0ebba5d700805dba625886b9b7869a052b20197d312f8a4695a09c627373e");
  const HttpRequest sent = must(sign_sigv4(request, kKeys, {"us-east-1", "ec2"}, kThen));
  CHECK(to_hex(sha256(sigv4_canonical_request(sent, {"us-east-1", "ec2"}, to_hex(sha256(sent.body))))) ==
        "114037a7ab23dbf1c926c62658994e29227bd97188b6e4de0f962726cacf1ed8");
  CHECK(signature(sent) == "1e7df08820a7b227d8736029f1e0f47cd502ef77edb142eab11c026774d72c3c");
}

TEST_CASE("sigv4: an S3 part with a token, an odd key and a query") {
  const HttpRequest request{
      .method = "PUT",
      .url =
          "https://my-bucket.s3.us-west-2.amazonaws.com/ckpt/run%201/"
          "rank%3D0%2B%C3%A9~.bin?uploadId=VXBsb2Fk%2BSUQ%3D&partNumber=3",
      .headers = {{"x-amz-checksum-crc32c", "4waSgw=="}, {"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}},
      .body = "not looked at"};
  const HttpRequest sent = must(sign_sigv4(request, with_token(), {"us-west-2", "s3"}, kThen));
  CHECK(signature(sent) == "c2414f3b3890fa7e9ed989188e4218496949336d2e87a1d63a357deadc994f55");
  CHECK(find_header(sent.headers, "x-amz-security-token") == "TOKEN/abc+1==");
}

TEST_CASE("sigv4: a presigned URL") {
  const auto url = presign_sigv4("GET", "https://my-bucket.s3.us-west-2.amazonaws.com/ckpt/latest.json",
                                 with_token(), {"us-west-2", "s3"}, kThen, Millis{900'000});
  REQUIRE(url.ok());
  CHECK(url.value().substr(url.value().rfind('=') + 1) ==
        "b77f38f8f3bd510cff55c3926b190de5fa095293f7afb52e966de809765ecb3c");
}

TEST_CASE("sigv4: a JSON target") {
  const HttpRequest sent = must(sign_sigv4({.method = "POST",
                                            .url = "https://api.pricing.us-east-1.amazonaws.com/",
                                            .headers = {{"Content-Type", "application/x-amz-json-1.1"},
                                                        {"X-Amz-Target", "AWSPriceListService.GetProducts"}},
                                            .body = R"({"ServiceCode":"AmazonEC2","MaxResults":1})"},
                                           kKeys, {"us-east-1", "pricing"}, kThen));
  CHECK(signature(sent) == "a50e397a2174e246c44cf709a097d8362d03867a0e0fe57e93e9f5dc4ece081c");
}

TEST_CASE("sigv4: paths, queries and headers of the published suite") {
  const Instant at = parse_utc("2015-08-30T12:36:00Z").value();
  const SigV4Scope scope{"us-east-1", "service"};
  const std::string host = "https://example.amazonaws.com";
  const std::string vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
  for (const std::string path : {"/", "//", "/./", "/example/..", "/example1/example2/../..", ""}) {
    CAPTURE(path);
    CHECK(signature(must(sign_sigv4({.url = host + path}, kKeys, scope, at))) == vanilla);
  }
  const HttpRequest sorted =
      must(sign_sigv4({.url = host + "/?Param2=value2&Param1=value1"}, kKeys, scope, at));
  const HttpRequest same =
      must(sign_sigv4({.url = host + "/?Param1=value1&Param2=value2"}, kKeys, scope, at));
  CHECK(signature(sorted) == signature(same));
  CHECK(signature(sorted) == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST_CASE("digest: base64, hex and RS256") {
  CHECK(to_hex(std::string("\x00\xff\x10", 3)) == "00ff10");
  for (const auto& [bytes, text] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                    {"f", "Zg=="},
                                                                                    {"fo", "Zm8="},
                                                                                    {"foo", "Zm9v"},
                                                                                    {"foobar", "Zm9vYmFy"},
                                                                                    {"\xfb\xff", "+/8="}}) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text).value() == bytes);
  }
  CHECK(to_base64url("\xfb\xff") == "-_8");
  for (const std::string bad : {"Zg=", "Zg", "Z===", "Zm9v\n", "Zm=v", "*m9v"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad).ok());
  }
  CHECK(sign_rs256(Secret("no key"), "x").error().kind == ErrorKind::auth);
}

TEST_CASE("url: encoding and parts") {
  CHECK(url_encode("a b+c/é~") == "a%20b%2Bc%2F%C3%A9~");
  CHECK(url_encode("a/b", /*keep_slash=*/true) == "a/b");
  CHECK(url_decode("a%20b%2Bc+%zz%4") == "a b+c+%zz%4");
  CHECK(encode_query({{"b", "1 2"}, {"a", ""}}) == "b=1%202&a=");
  const UrlParts parts = split_url("https://host:8443/a/b?c=d#e").value();
  CHECK(parts.host == "host:8443");
  CHECK(parts.path == "/a/b");
  CHECK(parts.query == "c=d");
  CHECK(split_url("http://host").value().path == "/");
  for (const std::string bad : {"", "host/path", "ftp://host/", "https:///path"}) {
    CHECK_FALSE(split_url(bad).ok());
  }
}

TEST_CASE("hmac: a key longer than a block (RFC 4231, case 6)") {
  CHECK(to_hex(hmac_sha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace gpubroker
