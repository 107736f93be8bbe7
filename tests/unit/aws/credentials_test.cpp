// The chain of credentials, link by link.
#include "providers/aws/credentials.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::aws {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::sent;

constexpr const char* kSts = "POST https://sts.eu-west-1.amazonaws.com/";

struct Place {
  FakeHome home = {};
  FakeVisit visit = {};

  Place() { home.processes.variables["AWS_EC2_METADATA_DISABLED"] = "true"; }

  void set(const char* name, const std::string& value) { home.processes.variables[name] = value; }
  void config(const std::string& text) { home.write(".aws/config", text); }
  void credentials(const std::string& text) { home.write(".aws/credentials", text); }

  Result<Credentials> find() {
    const Settings settings = load_settings(home.files, home.processes);
    return find_credentials({.settings = settings,
                             .files = home.files,
                             .processes = home.processes,
                             .http = visit.http,
                             .clock = visit.clock,
                             .region = "eu-west-1"});
  }
  std::string id() {
    const Result<Credentials> found = find();
    return found.ok() ? found.value().keys.id : "error: " + found.error().message;
  }
};

std::string form_value(const HttpRequest& request, const std::string& name) {
  const std::string body = "&" + request.body + "&";
  const std::size_t at = body.find("&" + name + "=");
  if (at == std::string::npos) { return {}; }
  const std::size_t from = at + name.size() + 2;
  return url_decode(body.substr(from, body.find('&', from) - from));
}

TEST_CASE("aws credentials: none anywhere") {
  Place place;
  const Result<Credentials> found = place.find();
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == "no_credentials");
  CHECK(place.visit.http.requests.empty());
}

TEST_CASE("aws credentials: the environment wins over all files, with a token") {
  Place place;
  place.set("AWS_ACCESS_KEY_ID", "AKIAENV");
  place.set("AWS_SECRET_ACCESS_KEY", "env-secret");
  place.set("AWS_SESSION_TOKEN", "env-token");
  place.credentials("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n");
  const Result<Credentials> found = place.find();
  REQUIRE(found.ok());
  CHECK(found.value().keys.id == "AKIAENV");
  CHECK(found.value().keys.token.reveal() == "env-token");
  CHECK(found.value().found_in == "$AWS_ACCESS_KEY_ID");
  place.set("AWS_SECRET_ACCESS_KEY", "");  // half of it is none
  CHECK(place.id() == "AKIAFILE");
}

TEST_CASE("aws credentials: files, profiles, and where they are said to lie") {
  Place place;
  place.credentials(
      "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n"
      "[train]\nAWS_ACCESS_KEY_ID=AKIATRAIN\nAWS_SECRET_ACCESS_KEY=s\n");
  place.config(
      "[default]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = s\n"
      "[profile only]\naws_access_key_id = AKIAONLY\naws_secret_access_key = s\nregion = eu-north-1\n");
  CHECK(place.id() == "AKIAFILE");  // over the config file
  place.set("AWS_PROFILE", "train");
  CHECK(place.id() == "AKIATRAIN");
  place.set("AWS_PROFILE", "only");
  CHECK(place.id() == "AKIAONLY");
  const Settings settings = load_settings(place.home.files, place.home.processes);
  CHECK(region_setting(settings, place.home.processes) == "eu-north-1");
  place.set("AWS_DEFAULT_REGION", "us-west-2");
  CHECK(region_setting(settings, place.home.processes) == "us-west-2");
  place.set("AWS_REGION", "us-east-2");
  CHECK(region_setting(settings, place.home.processes) == "us-east-2");
  place.set("AWS_PROFILE", "nobody");
  CHECK(place.id().rfind("error: profile nobody: it is in neither ", 0) == 0);
  place.set("AWS_PROFILE", "");
  place.set("AWS_SHARED_CREDENTIALS_FILE", place.home.write("elsewhere/keys",
                                                            "[default]\naws_access_key_id = AKIAELSE\n"
                                                            "aws_secret_access_key = s\n"));
  CHECK(place.id() == "AKIAELSE");
}

TEST_CASE("aws credentials: warnings about a file that others can read, and about two sources") {
  Place place;
  place.credentials("[default]\naws_access_key_id = A\naws_secret_access_key = very-secret\n");
  CHECK(load_settings(place.home.files, place.home.processes).warnings.empty());
  std::filesystem::permissions(place.home.folder / ".aws/credentials", std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  const std::vector<std::string> warnings = load_settings(place.home.files, place.home.processes).warnings;
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("can be read by others: chmod 600 ") != std::string::npos);
  CHECK(warnings[0].find("very-secret") == std::string::npos);
  std::filesystem::permissions(place.home.folder / ".aws/credentials", std::filesystem::perms::group_read,
                               std::filesystem::perm_options::remove);
  place.set("AWS_PROFILE", "default");
  place.set("AWS_ACCESS_KEY_ID", "A");
  place.set("AWS_SECRET_ACCESS_KEY", "s");
  CHECK(load_settings(place.home.files, place.home.processes).warnings.size() == 1);
}

TEST_CASE("aws credentials: a role is assumed with its source's keys, along a chain") {
  Place place;
  place.visit.http.answer(kSts, fixture("aws/assume_role.xml"));
  place.credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n");
  place.config(
      "[profile middle]\nrole_arn = arn:aws:iam::1:role/middle\nsource_profile = base\nduration_seconds = "
      "7200\n"
      "[profile top]\nrole_arn = arn:aws:iam::2:role/top\nsource_profile = middle\nexternal_id = x/1\n"
      "role_session_name = my job\nduration_seconds = 7200\n");
  place.set("AWS_PROFILE", "top");
  const Result<Credentials> found = place.find();
  REQUIRE(found.ok());
  CHECK(found.value().keys.id == "ASIAROLE");
  CHECK(found.value().keys.token.reveal() == "role-token");
  CHECK(format_utc(*found.value().expires) == "2026-11-24T13:00:00Z");
  CHECK(found.value().found_in == "arn:aws:iam::2:role/top, profile top");
  REQUIRE(place.visit.http.requests.size() == 2);
  const HttpRequest& middle = place.visit.http.requests[0];
  CHECK(form_value(middle, "RoleArn") == "arn:aws:iam::1:role/middle");
  CHECK(form_value(middle, "DurationSeconds") == "7200");
  CHECK(form_value(middle, "RoleSessionName") == "gpubroker");
  CHECK(sent(middle, "authorization").find("Credential=AKIABASE/20261124/eu-west-1/sts/aws4_request") !=
        std::string::npos);
  const HttpRequest& top = place.visit.http.requests[1];
  CHECK(form_value(top, "RoleArn") == "arn:aws:iam::2:role/top");
  CHECK(form_value(top, "DurationSeconds") == "3600");  // a role from a role has no more
  CHECK(form_value(top, "ExternalId") == "x/1");
  CHECK(form_value(top, "RoleSessionName") == "my-job");
  CHECK(sent(top, "authorization").find("Credential=ASIAROLE/") != std::string::npos);
  CHECK(sent(top, "x-amz-security-token") == "role-token");
}

TEST_CASE("aws credentials: profiles that lead in a circle, to nothing, or to themselves") {
  Place place;
  place.visit.http.answer(kSts, fixture("aws/assume_role.xml"));
  place.config(
      "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n"
      "[profile gone]\nrole_arn = r\nsource_profile = nobody\n"
      "[profile half]\nrole_arn = r\n"
      "[profile long]\nrole_arn = r\nsource_profile = long\nduration_seconds = 60\n"
      "[profile mfa]\nrole_arn = r\nsource_profile = self\nmfa_serial = arn:aws:iam::1:mfa/me\n"
      "[profile self]\nrole_arn = r\nsource_profile = self\n");
  place.credentials("[self]\naws_access_key_id = AKIASELF\naws_secret_access_key = s\n");
  const auto with = [&](const char* profile) {
    place.set("AWS_PROFILE", profile);
    return place.id();
  };
  CHECK(with("a") == "error: profile a: its source_profile leads back to it");
  CHECK(with("gone") == "error: profile gone: no profile nobody");
  CHECK(with("half") ==
        "error: profile half: role_arn without source_profile, credential_source or web_identity_token_file");
  CHECK(with("long") == "error: profile long: duration_seconds must be 900 to 43200");
  CHECK(with("mfa").find("MFA") != std::string::npos);
  CHECK(place.visit.http.requests.empty());
  CHECK(with("self") == "ASIAROLE");
  CHECK(sent(place.visit.http.requests[0], "authorization").find("AKIASELF") != std::string::npos);
}

TEST_CASE("aws credentials: a role from the environment, the container or the instance") {
  Place place;
  place.visit.http.answer(kSts, fixture("aws/assume_role.xml"));
  const std::string role_of = "[profile r]\nrole_arn = r\ncredential_source = ";
  place.set("AWS_PROFILE", "r");
  SUBCASE("the environment, which then is no source of its own") {
    place.config(role_of + "Environment\n");
    place.set("AWS_ACCESS_KEY_ID", "AKIAENV");
    CHECK(place.id() == "error: profile r: no keys to assume r with");
  }
  SUBCASE("the container") {
    place.config(role_of + "EcsContainer\n");
    place.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
    place.visit.http.answer(
        "GET http://169.254.170.2/v2/credentials/1",
        R"({"AccessKeyId":"ASIACONT","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-24T18:00:00Z"})");
    CHECK(place.id() == "ASIAROLE");
    CHECK(sent(place.visit.http.requests[1], "authorization").find("ASIACONT") != std::string::npos);
  }
}

TEST_CASE("aws credentials: a web identity is exchanged unsigned") {
  Place place;
  const std::string file = place.home.write("token", "jwt-of-the-cluster\n");
  place.visit.http.answer(kSts, fixture("aws/web_identity.xml"));
  SUBCASE("by variables") {
    place.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/ci");
    place.set("AWS_WEB_IDENTITY_TOKEN_FILE", file);
    place.set("AWS_ROLE_SESSION_NAME", "run-7");
    CHECK(place.id() == "ASIAWEB");
    CHECK(form_value(place.visit.http.requests[0], "RoleSessionName") == "run-7");
  }
  SUBCASE("by profile") {
    place.config("[default]\nrole_arn = arn:aws:iam::1:role/ci\nweb_identity_token_file = " + file + "\n");
    CHECK(place.id() == "ASIAWEB");
  }
  REQUIRE(place.visit.http.requests.size() == 1);
  const HttpRequest& request = place.visit.http.requests[0];
  CHECK(form_value(request, "Action") == "AssumeRoleWithWebIdentity");
  CHECK(form_value(request, "WebIdentityToken") == "jwt-of-the-cluster");
  CHECK(sent(request, "authorization").empty());
}

TEST_CASE("aws credentials: who issued the token could not be reached: asked once more") {
  Place place;
  place.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/ci");
  place.set("AWS_WEB_IDENTITY_TOKEN_FILE", place.home.write("token", "jwt"));
  place.visit.http.answer(
      kSts, {.status = 400,
             .body = "<ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>m</Message>"
                     "</Error></ErrorResponse>"});
  SUBCASE("then it works") {
    place.visit.http.answer(kSts, fixture("aws/web_identity.xml"));
    CHECK(place.id() == "ASIAWEB");
  }
  SUBCASE("twice is enough") {
    CHECK(place.id() == "error: HTTP 400: m");
  }
  CHECK(place.visit.http.requests.size() == 2);
}

TEST_CASE("aws credentials: GitHub Actions gives a token for STS") {
  Place place;
  place.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/ci");
  place.set("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.example/x?api-version=2.0");
  place.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "github-secret");
  place.visit.http.answer("GET https://token.actions.example/x?api-version=2.0&audience=sts.amazonaws.com",
                          R"({"count":1,"value":"github-jwt"})");
  place.visit.http.answer(kSts, fixture("aws/web_identity.xml"));
  CHECK(place.id() == "ASIAWEB");
  REQUIRE(place.visit.http.requests.size() == 2);
  CHECK(sent(place.visit.http.requests[0], "Authorization") == "bearer github-secret");
  CHECK(form_value(place.visit.http.requests[1], "WebIdentityToken") == "github-jwt");
}

constexpr const char* kSsoKeys =
    R"({"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":1795525200000}})";
constexpr const char* kPortal =
    "GET "
    "https://portal.sso.eu-central-1.amazonaws.com/federation/"
    "credentials?role_name=Train&account_id=123456789012";

/// A home with an SSO session, logged in until `expires`.
void log_in_to_sso(Place& place, const std::string& expires) {
  place.config(
      "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Train\n"
      "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n");
  place.home.write(
      ".aws/sso/cache/" + sso_cache_name("corp"),
      R"({"startUrl":"https://corp.awsapps.com/start","region":"eu-central-1","accessToken":"sso-access",)"
      R"("expiresAt":")" +
          expires +
          R"(","clientId":"client","clientSecret":"client-secret","refreshToken":"refresh\/1",)"
          R"("registrationExpiresAt":"2027-01-01T00:00:00Z"})");
}

TEST_CASE("aws credentials: SSO gives keys for the token of the login") {
  Place place;
  CHECK(sso_cache_name("corp") == "ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
  log_in_to_sso(place, "2026-11-24T20:00:00Z");
  place.visit.http.answer(kPortal, kSsoKeys);
  const Result<Credentials> found = place.find();
  REQUIRE(found.ok());
  CHECK(found.value().keys.id == "ASIASSO");
  CHECK(found.value().expires->ms == 1'795'525'200'000);
  CHECK(sent(place.visit.http.requests[0], "x-amz-sso_bearer_token") == "sso-access");
}

TEST_CASE("aws credentials: an SSO token that ends soon is renewed and kept") {
  Place place;
  log_in_to_sso(place, "2026-11-24T12:10:00UTC");
  place.visit.http.answer(
      "POST https://oidc.eu-central-1.amazonaws.com/token",
      R"({"accessToken":"fresh","expiresIn":3600,"refreshToken":"refresh-2","tokenType":"Bearer"})");
  place.visit.http.answer(kPortal, kSsoKeys);
  CHECK(place.id() == "ASIASSO");
  REQUIRE(place.visit.http.requests.size() == 2);
  CHECK(
      place.visit.http.requests[0].body ==
      R"({"clientId":"client","clientSecret":"client-secret","grantType":"refresh_token","refreshToken":"refresh/1"})");
  CHECK(sent(place.visit.http.requests[1], "x-amz-sso_bearer_token") == "fresh");
  const auto kept = parse_sso_token(
      place.home.files.read(place.home.folder.path() + "/.aws/sso/cache/" + sso_cache_name("corp")).value());
  REQUIRE(kept.ok());
  CHECK(kept.value().access.reveal() == "fresh");
  CHECK(kept.value().refresh.reveal() == "refresh-2");
  CHECK(format_utc(kept.value().expires) == "2026-11-24T13:00:00Z");
  CHECK(kept.value().client_secret.reveal() == "client-secret");
}

TEST_CASE("aws credentials: an SSO login that has ended says what to type") {
  Place place;
  SUBCASE("nobody has logged in") {
    log_in_to_sso(place, "2026-11-24T20:00:00Z");
    std::filesystem::remove_all(place.home.folder / ".aws/sso");
    CHECK(place.id() == "error: nobody has logged in to SSO");
  }
  SUBCASE("expired, and the renewal is refused") {
    log_in_to_sso(place, "2026-11-24T11:00:00Z");
    place.visit.http.answer("POST https://oidc.eu-central-1.amazonaws.com/token",
                            {.status = 400, .body = R"({"error":"invalid_grant"})"});
    CHECK(place.id() == "error: the SSO login has expired");
  }
  SUBCASE("revoked") {
    log_in_to_sso(place, "2026-11-24T20:00:00Z");
    place.visit.http.answer(kPortal,
                            {.status = 401, .body = R"({"message":"Session token not found or invalid"})"});
    CHECK(place.id() == "error: the SSO login is no longer good");
  }
  const Result<Credentials> found = place.find();
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().hint == "aws sso login --profile default");
  CHECK(found.error().kind == ErrorKind::auth);
}

TEST_CASE("aws credentials: a legacy SSO profile is cached by its start URL") {
  Place place;
  place.config(
      "[default]\nsso_start_url = https://old.awsapps.com/start\nsso_region = eu-central-1\n"
      "sso_account_id = 123456789012\nsso_role_name = Train\n");
  place.home.write(".aws/sso/cache/" + sso_cache_name("https://old.awsapps.com/start"),
                   R"({"accessToken":"old-access","expiresAt":"2026-11-24T20:00:00Z"})");
  place.visit.http.answer(kPortal, kSsoKeys);
  CHECK(place.id() == "ASIASSO");
}

TEST_CASE("aws credentials: credential_process is run without a shell") {
  Place place;
  const std::string tool = place.home.write(
      "my tools/give",
      "#!/bin/sh\nprintf '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\"}' \"$1\"\n",
      /*executable=*/true);
  place.config("[default]\ncredential_process = \"" + tool + "\" 'AKIA PROC;$HOME'\n");
  // The quotes of an INI value are the line's own here: only the first pair is taken off.
  const std::vector<std::string> words = split_command("\"/a b/c\" 'd e' f\\ g \"h\\\"i\" ''");
  CHECK(words == std::vector<std::string>{"/a b/c", "d e", "f g", "h\"i", ""});
  place.home.write(
      "give", "#!/bin/sh\nprintf '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\"}' \"$1\"\n",
      true);
  place.config("[default]\ncredential_process = " + place.home.folder.path() + "/give 'AKIA PROC'\n");
  const Result<Credentials> found = place.find();
  REQUIRE(found.ok());
  CHECK(found.value().keys.id == "AKIA PROC");
  CHECK_FALSE(found.value().expires.has_value());
  place.home.write("give", "#!/bin/sh\necho 'the vault is sealed' >&2\nexit 3\n", true);
  CHECK(place.id() == "error: the credential_process of profile default failed: the vault is sealed");
}

TEST_CASE("aws credentials: aws login is said to be unsupported") {
  Place place;
  place.config("[default]\nlogin_session = arn:aws:iam::1:user/me\n");
  CHECK(place.id() == "error: profile default: keys of `aws login` (login_session) are not supported");
}

TEST_CASE("aws credentials: a container's role, and where its address may lead") {
  Place place;
  const std::string keys =
      R"({"AccessKeyId":"ASIACONT","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-24T18:00:00Z"})";
  SUBCASE("ECS") {
    place.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
    place.visit.http.answer("GET http://169.254.170.2/v2/credentials/1", keys);
    CHECK(place.id() == "ASIACONT");
  }
  SUBCASE("EKS: a file holds the authorization") {
    place.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    place.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "old");
    place.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", place.home.write("pod", "pod-token\n"));
    place.visit.http.answer("GET http://169.254.170.23/v1/credentials", keys);
    CHECK(place.id() == "ASIACONT");
    CHECK(sent(place.visit.http.requests[0], "Authorization") == "pod-token");
  }
  SUBCASE("elsewhere only by https") {
    place.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/keys");
    CHECK(place.id().rfind("error: $AWS_CONTAINER_CREDENTIALS_FULL_URI names evil.example", 0) == 0);
    CHECK(place.visit.http.requests.empty());
  }
}

TEST_CASE("aws credentials: an instance's role by IMDSv2") {
  Place place;
  const std::string base = "http://169.254.169.254/latest/";
  const std::string roles = base + "meta-data/iam/security-credentials/";
  place.home.processes.variables.erase("AWS_EC2_METADATA_DISABLED");
  SUBCASE("with a role") {
    place.visit.http.answer("PUT " + base + "api/token", "imds-token");
    place.visit.http.answer("GET " + roles, "train-role");
    place.visit.http.answer(
        "GET " + roles + "train-role",
        R"({"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAIMDS","SecretAccessKey":"s",)"
        R"("Token":"t","Expiration":"2026-11-24T18:00:00Z","LastUpdated":"2026-11-24T11:00:00Z"})");
    const Result<Credentials> found = place.find();
    REQUIRE(found.ok());
    CHECK(found.value().keys.id == "ASIAIMDS");
    CHECK(found.value().found_in == "the instance's role train-role");
    REQUIRE(place.visit.http.requests.size() == 3);
    CHECK(sent(place.visit.http.requests[0], "x-aws-ec2-metadata-token-ttl-seconds") == "21600");
    CHECK(sent(place.visit.http.requests[2], "x-aws-ec2-metadata-token") == "imds-token");
    CHECK(place.visit.http.requests[0].timeout == Millis{1'000});
  }
  SUBCASE("and the region that it is in") {
    place.visit.http.answer("PUT " + base + "api/token", "imds-token");
    place.visit.http.answer("GET " + base + "meta-data/placement/region", "eu-north-1");
    const Settings settings = load_settings(place.home.files, place.home.processes);
    CHECK(region_of_instance({.settings = settings,
                              .files = place.home.files,
                              .processes = place.home.processes,
                              .http = place.visit.http,
                              .clock = place.visit.clock}) == "eu-north-1");
  }
  SUBCASE("without one") {
    place.visit.http.answer("PUT " + base + "api/token", "imds-token");
    place.visit.http.answer("GET " + roles, {.status = 404});
    CHECK(place.find().error().code == "no_credentials");
  }
  SUBCASE("no instance") {
    place.visit.http.fail("PUT " + base, {.kind = ErrorKind::network, .message = "no route"});
    CHECK(place.find().error().code == "no_credentials");
    CHECK(place.visit.http.requests.size() == 1);
  }
}

TEST_CASE("aws credentials: endpoints of tests and of private networks") {
  Place place;
  const auto ec2 = [&] {
    const Settings settings = load_settings(place.home.files, place.home.processes);
    return endpoint_of(settings, place.home.processes, "ec2", "eu-west-1");
  };
  CHECK(ec2() == "https://ec2.eu-west-1.amazonaws.com");
  place.config("[default]\nendpoint_url = http://localhost:1\n");
  CHECK(ec2() == "http://localhost:1");
  place.set("AWS_ENDPOINT_URL", "http://localhost:2/");
  CHECK(ec2() == "http://localhost:2");
  place.set("AWS_ENDPOINT_URL_EC2", "http://localhost:3");
  CHECK(ec2() == "http://localhost:3");
  place.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
  CHECK(ec2() == "https://ec2.eu-west-1.amazonaws.com");
  const Settings settings = load_settings(place.home.files, place.home.processes);
  CHECK(endpoint_of(settings, place.home.processes, "ec2", "cn-north-1") ==
        "https://ec2.cn-north-1.amazonaws.com.cn");
  CHECK(endpoint_of(settings, place.home.processes, "sso", "us-east-1") ==
        "https://portal.sso.us-east-1.amazonaws.com");
}

TEST_CASE("aws credentials: an SSO token is kept as it is, whatever is in it") {
  SsoToken token{
      .access = Secret("a\"b\\c\nd\x01"), .expires = Instant{1'795'525'200'000}, .region = "eu-central-1"};
  const auto again = parse_sso_token(format_sso_token(token));
  REQUIRE(again.ok());
  CHECK(again.value().access.reveal() == token.access.reveal());
  CHECK(again.value().expires == token.expires);
  CHECK(again.value().region == "eu-central-1");
}

TEST_CASE("aws credentials: mutants of what gives keys are refused") {
  using testing::MutableJson;
  const auto each = [](const std::string& good, auto parse) {
    testing::for_each_mutant(MutableJson::parse(good), parse);
  };
  each(
      R"({"Version":1,"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-11-24T13:00:00Z"})",
      [](const std::string& text) { static_cast<void>(parse_process_credentials(text)); });
  each(
      R"({"Code":"Success","AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-24T13:00:00Z"})",
      [](const std::string& text) { static_cast<void>(parse_metadata_credentials(text, "x")); });
  each(kSsoKeys, [](const std::string& text) { static_cast<void>(parse_sso_credentials(text)); });
  each(
      R"({"accessToken":"a","expiresAt":"2026-11-24T13:00:00Z","registrationExpiresAt":"2026-11-24T13:00:00Z"})",
      [](const std::string& text) { static_cast<void>(parse_sso_token(text)); });
  CHECK_FALSE(parse_process_credentials(R"({"Version":2,"AccessKeyId":"a","SecretAccessKey":"s"})").ok());
  CHECK_FALSE(parse_metadata_credentials(R"({"Code":"AssumeRoleUnauthorizedAccess"})", "x").ok());
  CHECK_FALSE(parse_sts_credentials("<AssumeRoleResponse/>").ok());
}

}  // namespace
}  // namespace gpubroker::aws
