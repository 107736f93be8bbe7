#include "core/checkpoint/s3_store.hpp"

#include <doctest/doctest.h>

#include "core/system/files.hpp"
#include "core/wire/sha256.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/checkpoint/fake_s3.hpp"
#include "tests/unit/checkpoint/store_contract.hpp"

namespace gpubroker {
namespace {

using testing::FakeS3;
using testing::S3World;
using Said = std::optional<Result<HttpResponse>>;

const Error kLost = {.kind = ErrorKind::network, .message = "response lost", .maybe_applied = true};

/// The bucket does what is asked, and the answer does not arrive.
void lose_answer(S3World& world, const std::string& method) {
  world.wire.before = [&world, method](const HttpRequest& request) -> Said {
    if (request.method != method) { return std::nullopt; }
    const UrlParts parts = split_url(request.url).value();
    world.wire.objects[url_decode(parts.path).substr(6)] = {
        .bytes = request.body, .writer = find_header(request.headers, "x-amz-meta-gpubroker-writer")};
    return kLost;
  };
}

TEST_CASE("s3: the store keeps the contract of all stores") {
  testing::check_store_contract([] {
    const auto world = std::make_shared<S3World>();
    world->wire.page = 2;
    return std::shared_ptr<ObjectStore>(world, &world->store);
  });
}

TEST_CASE("s3: requests are signed, below the prefix, and say that they may be repeated") {
  S3World world;
  std::vector<HttpRequest> seen;
  world.wire.before = [&](const HttpRequest& request) -> Said {
    seen.push_back(request);
    return std::nullopt;
  };
  REQUIRE(world.store.put("w/a", "x").ok());
  REQUIRE(world.store.get("w/a").ok());
  REQUIRE(seen.size() == 2);
  for (const HttpRequest& request : seen) {
    CHECK(request.url == "http://s3.test:9000/ckpt/job/x/w/a");
    CHECK(request.repeatable);
    CHECK(find_header(request.headers, "authorization").find("/us-east-1/s3/aws4_request") !=
          std::string::npos);
  }
  CHECK(find_header(seen[0].headers, "x-amz-content-sha256") == sha256_hex("x"));
}

TEST_CASE("s3: lists go over all pages, and their ends are bounded") {
  S3World world;
  world.wire.page = 3;
  for (int i = 0; i < 10; ++i) { REQUIRE(world.store.put("w/k" + std::to_string(i), "x").ok()); }
  world.wire.objects["job/x/w/"] = {};  // a "folder" made in a console
  world.wire.objects["job/xy/w/other"] = {};
  world.wire.log.clear();
  CHECK(world.store.list("w/").value().size() == 10);
  CHECK(world.wire.log.size() == 4);
  world.wire.before = [](const HttpRequest&) -> Said {
    return HttpResponse{.status = 200,
                        .body =
                            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                            "</NextContinuationToken></ListBucketResult>"};
  };
  CHECK(world.store.list("w/").error().kind == ErrorKind::internal);
  world.wire.before = [](const HttpRequest&) -> Said {
    return HttpResponse{.status = 200,
                        .body =
                            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>elsewhere</Key>"
                            "<Size>1</Size></Contents></ListBucketResult>"};
  };
  CHECK(world.store.list("w/").error().kind == ErrorKind::internal);
}

TEST_CASE("s3: errors come through every verb, and only the gone may be removed") {
  S3World world;
  struct Case {
    int status;
    std::string code;
    ErrorKind kind;
  };
  using enum ErrorKind;
  for (const Case& c : {Case{404, "NoSuchBucket", not_found}, Case{403, "AccessDenied", auth},
                        Case{503, "SlowDown", throttled}, Case{403, "QuotaExceeded", capacity},
                        Case{500, "InternalError", network}}) {
    CAPTURE(c.code);
    world.wire.before = [&](const HttpRequest&) -> Said { return FakeS3::refuse(c.status, c.code); };
    CHECK(world.store.put("w/a", "x").error().kind == c.kind);
    CHECK(world.store.put_new("w/a", "x").error().kind == c.kind);
    CHECK(world.store.get("w/a").error().kind == c.kind);
    CHECK(world.store.head("w/a").error().kind == c.kind);
    CHECK(world.store.list("w/").error().kind == c.kind);
    CHECK(world.store.remove("w/a").error().kind == c.kind);
  }
  world.wire.before = [&](const HttpRequest&) -> Said { return kLost; };
  CHECK(world.store.put("w/a", "x").error().kind == network);
  CHECK(world.store.put_new("w/a", "x").error().kind == network);
  world.wire.before = [&](const HttpRequest&) -> Said { return FakeS3::refuse(404, "NoSuchKey"); };
  CHECK(world.store.remove("w/a").ok());
}

TEST_CASE("s3: an object that comes short is no object") {
  S3World world;
  world.wire.before = [](const HttpRequest&) -> Said {
    return HttpResponse{.status = 200, .headers = {{"content-length", "5"}}, .body = "hell"};
  };
  const Result<std::string> got = world.store.get("w/a");
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().kind == ErrorKind::network);
  CHECK(got.error().code == "short");
}

TEST_CASE("s3: put_new when its own answer was lost has won") {
  S3World world;
  lose_answer(world, "PUT");
  CHECK(world.store.put_new("w/a", "mine").value());
  CHECK_FALSE(world.store.put_new("w/a", "again").value());
  CHECK(world.wire.objects.at("job/x/w/a").bytes == "mine");
}

TEST_CASE("s3: put_new that was sent twice finds itself") {
  S3World world;
  world.wire.before = [&](const HttpRequest& request) -> Said {
    if (request.method != "PUT") { return std::nullopt; }
    world.wire.objects["job/x/w/a"] = {.bytes = request.body,
                                       .writer = find_header(request.headers, "x-amz-meta-gpubroker-writer")};
    return FakeS3::refuse(412, "PreconditionFailed");  // as the repetition of RetryHttp is answered
  };
  CHECK(world.store.put_new("w/a", "mine").value());
}

TEST_CASE("s3: put_new beside another one") {
  S3World world;
  int conflicts = 2;
  world.wire.before = [&](const HttpRequest& request) -> Said {
    if (request.method != "PUT" || conflicts == 0) { return std::nullopt; }
    --conflicts;
    return FakeS3::refuse(409, "ConditionalRequestConflict");
  };
  CHECK(world.store.put_new("w/a", "x").value());
  conflicts = 100;
  CHECK(world.store.put_new("w/b", "x").error().kind == ErrorKind::conflict);
  CHECK(conflicts == 97);
  // Between the look and the put somebody else was quicker.
  world.wire.before = [&](const HttpRequest& request) -> Said {
    if (request.method == "PUT") { world.wire.objects["job/x/w/c"] = {.bytes = "theirs", .writer = "them"}; }
    return std::nullopt;
  };
  CHECK_FALSE(world.store.put_new("w/c", "mine").value());
  CHECK(world.wire.objects.at("job/x/w/c").bytes == "theirs");
}

TEST_CASE("s3: put_new at a store without conditions looks, puts and reads back") {
  for (const auto conditions : {FakeS3::Conditions::refused, FakeS3::Conditions::ignored}) {
    S3World world;
    world.wire.conditions = conditions;
    CHECK(world.store.put_new("w/a", "mine").value());
    CHECK_FALSE(world.store.put_new("w/a", "again").value());
    CHECK(world.wire.objects.at("job/x/w/a").bytes == "mine");
  }
  S3World world;
  world.wire.conditions = FakeS3::Conditions::refused;
  int heads = 0;
  world.wire.before = [&](const HttpRequest& request) -> Said {
    // Another one puts after us, before we read back.
    if (request.method == "HEAD" && ++heads == 2) { world.wire.objects["job/x/w/b"].writer = "them"; }
    return std::nullopt;
  };
  CHECK_FALSE(world.store.put_new("w/b", "mine").value());
}

TEST_CASE("s3: what is large goes in parts, and nothing is left of a failure") {
  const std::string bytes = "0123456789abcdefghij!";
  const S3Options options = {.most_single = 20, .part = 8};
  S3World world(options);
  REQUIRE(world.store.put("w/a", bytes).ok());
  CHECK(world.wire.objects.at("job/x/w/a").bytes == bytes);
  CHECK(world.wire.log.size() == 5);  // begin, three parts, end

  // Every request fails once, by an error and by a refusal.
  for (std::size_t at = 1; at <= 5; ++at) {
    for (const Result<HttpResponse>& failure :
         {Result<HttpResponse>(kLost), Result<HttpResponse>(FakeS3::refuse(503, "SlowDown")),
          Result<HttpResponse>(
              HttpResponse{.status = 200, .body = FakeS3::refuse(0, "InternalError").body})}) {
      S3World broken(options);
      broken.wire.before = [&](const HttpRequest&) -> Said {
        return broken.wire.log.size() == at ? Said(failure) : std::nullopt;
      };
      CAPTURE(at);
      const Status put = broken.store.put("w/a", bytes);
      // A part's answer has no body that anyone reads: a 200 is a 200.
      const bool is_no_failure = failure.ok() && failure.value().status == 200 && at > 1 && at < 5;
      CHECK(put.ok() == is_no_failure);
      CHECK(broken.wire.objects.empty() == !is_no_failure);
      CHECK(broken.wire.parts.empty());
      if (at > 1 && !put.ok()) { CHECK(broken.wire.log.back().rfind("DELETE", 0) == 0); }
    }
  }
}

TEST_CASE("s3: the end of an upload whose answer alone was lost is one") {
  S3World world({.most_single = 4, .part = 4});
  world.wire.before = [&](const HttpRequest& request) -> Said {
    if (request.method != "POST" || request.url.find("uploadId") == std::string::npos) {
      return std::nullopt;
    }
    world.wire.objects["job/x/w/a"] = {.bytes = "12345678",
                                       .writer = std::to_string(world.clock.now().ms) + "-1"};
    return kLost;
  };
  CHECK(world.store.put("w/a", "12345678").ok());
}

// --- opening ---

struct Opening {
  testing::TemporaryFolder temporary = {};
  PosixFiles files = {};
  S3World world = {};
  std::map<std::string, std::string> near = {};
  std::map<std::string, std::string> far = {};
  bool reads_user_files = true;

  static Environment look_up_in(const std::map<std::string, std::string>& values) {
    return [&values](const std::string& name) -> std::optional<std::string> {
      const auto at = values.find(name);
      return at == values.end() ? std::nullopt : std::optional(at->second);
    };
  }
  [[nodiscard]] StoreAccess access() {
    return {.network = [this]() -> Result<StoreNetwork> { return world.network; },
            .places = {look_up_in(near), look_up_in(far)},
            .reads_user_files = reads_user_files};
  }
  Result<S3Settings> settings() { return read_s3_settings(access(), files); }
};

TEST_CASE("s3: keys come whole from the nearest place that has some") {
  Opening opening;
  CHECK(opening.settings().error().kind == ErrorKind::auth);
  opening.far = {{"AWS_ACCESS_KEY_ID", "far"},
                 {"AWS_SECRET_ACCESS_KEY", "f"},
                 {"AWS_SESSION_TOKEN", "t"},
                 {"AWS_REGION", "eu-west-1"},
                 {"AWS_ENDPOINT_URL", "http://far:1"}};
  S3Settings settings = opening.settings().value();
  CHECK(settings.keys.id == "far");
  CHECK(settings.keys.token.reveal() == "t");
  CHECK(settings.region == "eu-west-1");
  opening.near = {{"AWS_ACCESS_KEY_ID", "near"},
                  {"AWS_SECRET_ACCESS_KEY", "n"},
                  {"AWS_ENDPOINT_URL_S3", "http://near:1"},
                  {"AWS_ENDPOINT_URL", "http://near:2"},
                  {"AWS_REGION", ""}};
  settings = opening.settings().value();
  CHECK(settings.keys.id == "near");
  CHECK(settings.keys.secret.reveal() == "n");
  CHECK(settings.keys.token.empty());  // the other place's would be of another key
  CHECK(settings.endpoint == "http://near:1");
  CHECK(settings.region == "eu-west-1");
  opening.near.erase("AWS_SECRET_ACCESS_KEY");
  CHECK(opening.settings().error().message == "AWS_SECRET_ACCESS_KEY is not set");
  opening.near = {{"AWS_ENDPOINT_URL", "127.0.0.1:9000"}};
  CHECK(opening.settings().error().kind == ErrorKind::invalid);
}

TEST_CASE("s3: the user's own files, where they count") {
  Opening opening;
  const std::string folder = opening.temporary / "home/.aws/";
  REQUIRE(opening.files
              .write_atomic(folder + "credentials",
                            "[default]\naws_access_key_id = D\naws_secret_access_key = d\n"
                            "[work]\naws_access_key_id = W\naws_secret_access_key = w\n"
                            "aws_session_token = wt\n",
                            0600, /*durable=*/false)
              .ok());
  REQUIRE(opening.files
              .write_atomic(folder + "config",
                            "[default]\nregion = eu-west-3\n[profile work]\nregion = eu-west-2\n"
                            "endpoint_url = http://h:9\n",
                            0600, /*durable=*/false)
              .ok());
  opening.far = {{"HOME", opening.temporary / "home"}};
  CHECK(opening.settings().value().keys.id == "D");
  CHECK(opening.settings().value().region == "eu-west-3");
  CHECK(opening.settings().value().endpoint.empty());
  opening.far["AWS_PROFILE"] = "work";
  CHECK(opening.settings().value().keys.token.reveal() == "wt");
  CHECK(opening.settings().value().region == "eu-west-2");
  CHECK(opening.settings().value().endpoint == "http://h:9");
  opening.near = {{"AWS_ACCESS_KEY_ID", "N"}, {"AWS_SECRET_ACCESS_KEY", "n"}};
  CHECK(opening.settings().value().keys.id == "N");
  CHECK(opening.settings().value().keys.token.empty());
  opening.near.clear();
  opening.reads_user_files = false;  // as on a node
  CHECK(opening.settings().error().kind == ErrorKind::auth);
}

TEST_CASE("s3: only what can be a bucket is opened, and nobody is asked yet") {
  Opening opening;
  opening.near = {{"AWS_ACCESS_KEY_ID", "N"}, {"AWS_SECRET_ACCESS_KEY", "n"}};
  for (const char* url : {"s3://", "s3:///x", "s3://a b/x", "s3://b/x/../y", "s3://b/x//y", "s3://user@b"}) {
    CAPTURE(url);
    CHECK(open_object_store(url, opening.files, opening.access()).error().kind == ErrorKind::invalid);
  }
  for (const char* url : {"s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b/"}) {
    CAPTURE(url);
    CHECK(open_object_store(url, opening.files, opening.access()).ok());
  }
  CHECK(opening.world.wire.log.empty());
  CHECK(open_object_store("s3://bucket", opening.files).error().kind == ErrorKind::invalid);  // no network
}

}  // namespace
}  // namespace gpubroker
