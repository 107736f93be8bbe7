// Application Default Credentials: the order, the flows, and what is never shown.
#include "providers/gcp/credentials.hpp"

#include <optional>

#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::gcp {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;

constexpr const char* kToken = "POST https://oauth2.googleapis.com/token";
constexpr const char* kSts = "POST https://sts.googleapis.com/v1/token";
constexpr const char* kGenerate =
    "POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "run@p.iam.gserviceaccount.com:generateAccessToken";
constexpr const char* kGenerated = R"({"accessToken":"ya29.generated","expireTime":"2026-11-24T13:00:00Z"})";
const Instant kNow{1'795'521'600'000};

/// A home without any credential, on no machine of Google's.
struct World {
  FakeHome home = {};
  std::optional<FakeVisit> visit{std::in_place};  // emplaced anew: a network that knows nothing

  World() {
    set("NO_GCE_CHECK", "true");
    visit->http.answer(kToken, R"({"access_token":"ya29.secret","expires_in":3599,"token_type":"Bearer"})");
    visit->http.answer(kSts, R"({"access_token":"ya29.federated","expires_in":3600})");
    visit->http.answer(kGenerate, kGenerated);
  }
  void set(const std::string& name, const std::string& value) { home.processes.variables[name] = value; }

  Result<Access> find() {
    const Settings settings = read_settings(home.files, home.processes);
    return find_access({.settings = settings,
                        .files = home.files,
                        .processes = home.processes,
                        .http = visit->http,
                        .clock = visit->clock});
  }
  const HttpRequest& asked(std::size_t index) { return visit->http.requests.at(index); }
};

std::string service_account(const std::string& token_uri = "https://oauth2.googleapis.com/token") {
  MutableJson file = MutableJson::parse(fixture("gcp/adc_service_account.json"));
  file["private_key"] = fixture("gcp/test_key.pem");
  file["token_uri"] = token_uri;
  return file.dump();
}

const char* const kDefaultFile = ".config/gcloud/application_default_credentials.json";

TEST_CASE("gcp credentials: a service account signs what Google's libraries would sign") {
  World world;
  world.home.write(kDefaultFile, service_account());
  const Result<Access> access = world.find();
  REQUIRE(access.ok());
  CHECK(access.value().token.value.reveal() == "ya29.secret");
  CHECK(access.value().token.expires == kNow + Millis{3'599'000});
  CHECK(access.value().identity == "sa@key-proj.iam.gserviceaccount.com");
  CHECK(access.value().project == "key-proj");
  CHECK(access.value().found_in == "~/.config/gcloud/application_default_credentials.json");
  const std::string body = world.asked(0).body;
  const std::string prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  REQUIRE(body.rfind(prefix, 0) == 0);
  // Signed by Python's cryptography with the same key and claims: RS256 has one answer. kid is in the header,
  // iat ten seconds back, exp an hour after it.
  CHECK(to_hex(sha256(url_decode(body.substr(prefix.size())))) ==
        "1fb4c93bbc29d56ad0d2a4f93f689ad99e1677e35c799c265cb234568d895ddd");
}

TEST_CASE("gcp credentials: the audience stays Google's when the assertion goes elsewhere") {
  World world;
  world.visit->http.answer("POST http://127.0.0.1:1/token", R"({"access_token":"ya29.x","expires_in":10})");
  world.home.write(kDefaultFile, service_account("http://127.0.0.1:1/token"));
  REQUIRE(world.find().ok());
  const std::string& body = world.asked(0).body;
  CHECK(to_hex(sha256(url_decode(body.substr(body.find("assertion=") + 10)))) ==
        "1fb4c93bbc29d56ad0d2a4f93f689ad99e1677e35c799c265cb234568d895ddd");
}

TEST_CASE("gcp credentials: the order is that of Google's libraries") {
  World world;
  CHECK(world.find().error().code == "no_credentials");
  CHECK(world.visit->http.requests.empty());
  // Last gcloud's own login …
  world.home.write("bin/gcloud", "#!/bin/sh\necho \"ya29.$1-$2\"\n", /*executable=*/true);
  world.set("PATH", world.home.folder.path() + "/bin");
  CHECK(world.find().error().code == "no_credentials");  // nobody can be logged in: it is not even asked
  world.home.write(".config/gcloud/credentials.db", "");
  CHECK(world.find().value().token.value.reveal() == "ya29.auth-print-access-token");
  // … before it the metadata server …
  const std::string root = "GET http://meta.test/computeMetadata/v1";
  const Headers google = {{"metadata-flavor", "Google"}};
  world.set("NO_GCE_CHECK", "");
  world.set("GCE_METADATA_HOST", "meta.test");
  world.visit->http.answer(root + "/instance/service-accounts/default/token",
                           {.status = 200,
                            .headers = google,
                            .body = R"({"access_token":"ya29.vm","expires_in":1800,"token_type":"Bearer"})"});
  world.visit->http.answer(root + "/instance/service-accounts/default/email",
                           {.status = 200, .headers = google, .body = "vm@p.iam.gserviceaccount.com\n"});
  world.visit->http.answer(root + "/project/project-id",
                           {.status = 200, .headers = google, .body = "vm-proj"});
  const Access of_machine = world.find().value();
  CHECK(of_machine.token.value.reveal() == "ya29.vm");
  CHECK(of_machine.identity == "vm@p.iam.gserviceaccount.com");
  CHECK(of_machine.project == "vm-proj");
  CHECK(testing::sent(world.asked(0), "Metadata-Flavor") == "Google");
  // … before it the default file, and first the one that is named.
  world.home.write(kDefaultFile, service_account());
  CHECK(world.find().value().identity == "sa@key-proj.iam.gserviceaccount.com");
  world.set("GOOGLE_APPLICATION_CREDENTIALS",
            world.home.write("key.json", fixture("gcp/adc_impersonated.json")));
  CHECK(world.find().value().identity == "run@p.iam.gserviceaccount.com");
}

TEST_CASE("gcp credentials: a file that is named and not there is not passed over") {
  World world;
  world.home.write(kDefaultFile, service_account());
  world.set("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json");
  const Error error = world.find().error();
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.code.empty());
  CHECK(error.message.find("/nowhere/key.json") != std::string::npos);
}

TEST_CASE("gcp credentials: what answers without Metadata-Flavor is not Google's") {
  World world;
  world.set("NO_GCE_CHECK", "");
  world.set("GCE_METADATA_HOST", "hotel.test");
  world.visit->http.answer("GET http://hotel.test/", "<html>please log in</html>");
  CHECK(world.find().error().kind == ErrorKind::auth);
}

TEST_CASE("gcp credentials: an impersonation starts from its source and goes through its delegates") {
  World world;
  world.home.write(kDefaultFile, fixture("gcp/adc_impersonated.json"));
  const Access access = world.find().value();
  CHECK(access.token.value.reveal() == "ya29.generated");
  CHECK(format_utc(access.token.expires) == "2026-11-24T13:00:00Z");
  CHECK(world.asked(0).body ==
        "grant_type=refresh_token&client_id=id.apps&client_secret=client-secret-1&refresh_token=refresh-"
        "secret-1");
  CHECK(testing::sent(world.asked(1), "Authorization") == "Bearer ya29.secret");
  CHECK(MutableJson::parse(world.asked(1).body) ==
        MutableJson{
            {"scope", MutableJson::array({"https://www.googleapis.com/auth/cloud-platform"})},
            {"lifetime", "3600s"},
            {"delegates", MutableJson::array({"projects/-/serviceAccounts/mid@p.iam.gserviceaccount.com"})}});
}

TEST_CASE("gcp credentials: a subject token from a URL is exchanged, then a service account impersonated") {
  World world;
  world.visit->http.answer("GET https://ci.example/token", R"({"value":"subject-jwt"})");
  world.home.write(kDefaultFile, fixture("gcp/adc_external.json"));
  const Access access = world.find().value();
  CHECK(access.token.value.reveal() == "ya29.generated");
  CHECK(access.identity == "run@p.iam.gserviceaccount.com");
  CHECK(testing::sent(world.asked(0), "Authorization") == "Bearer ci-secret");
  const std::string& exchange = world.asked(1).body;
  CHECK(exchange.rfind(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.", 0) ==
        0);
  CHECK(exchange.find("&subject_token=subject-jwt&") != std::string::npos);
  CHECK(testing::sent(world.asked(2), "Authorization") == "Bearer ya29.federated");
}

TEST_CASE("gcp credentials: subject tokens from files and programs") {
  World world;
  MutableJson file = MutableJson::parse(fixture("gcp/adc_external.json"));
  file.erase("service_account_impersonation_url");
  const auto subject_of = [&](const MutableJson& source) {
    file["credential_source"] = source;
    world.home.write(kDefaultFile, file.dump());
    world.visit->http.requests.clear();
    const Result<Access> access = world.find();
    if (!access.ok()) { return "error: " + access.error().message; }
    CHECK(access.value().token.value.reveal() == "ya29.federated");
    const std::string& body = world.asked(0).body;
    const std::size_t at = body.find("subject_token=") + 14;
    return body.substr(at, body.find('&', at) - at);
  };
  CHECK(subject_of({{"file", world.home.write("token", "file-jwt\n")}}) == "file-jwt");
  CHECK(subject_of({{"file", world.home.write("token.json", R"({"t":"json-jwt"})")},
                    {"format", {{"type", "json"}, {"subject_token_field_name", "t"}}}}) == "json-jwt");
  const std::string program = world.home.write("token.sh",
                                               "#!/bin/sh\necho "
                                               "'{\"version\":1,\"success\":true,\"token_type\":\"x\",\"id_"
                                               "token\":\"'$1-$GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE'\"}'\n",
                                               /*executable=*/true);
  const MutableJson executable = {
      {"executable", {{"command", program + " hello"}, {"timeout_millis", 5000}}}};
  CHECK(subject_of(executable) ==
        "error: the credential file names a program to run, and nobody has allowed it");
  world.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
  CHECK(subject_of(executable) == "hello-0");
  CHECK(subject_of({{"file", "/nowhere"}}).rfind("error: the subject token: ", 0) == 0);
  CHECK(subject_of({{"environment_id", "aws1"}}).find("AWS is not supported") != std::string::npos);
}

TEST_CASE("gcp credentials: programs fail in their own words") {
  const auto message = [](const std::string& text) {
    const Result<Secret> token = read_executable_answer(text, kNow);
    return token.ok() ? "token" : token.error().message;
  };
  CHECK(message(R"({"version":1,"success":true,"saml_response":"x","expiration_time":1795521601})") ==
        "token");
  CHECK(message(R"({"version":1,"success":false,"code":"401","message":"who?"})") ==
        "the credential executable: it failed: 401 who?");
  CHECK(message(R"({"version":2,"success":true,"id_token":"x"})") ==
        "the credential executable: it speaks another version than 1");
  CHECK(message(R"({"version":1,"success":true,"id_token":"x","expiration_time":1795521600})") ==
        "the credential executable: its token has expired");
  CHECK(message("secret-token") == "the credential executable: what it printed cannot be read");
}

TEST_CASE("gcp credentials: a GitHub Actions run whose workflow names its provider") {
  World world;
  world.set("ACTIONS_ID_TOKEN_REQUEST_URL", "https://run.actions.test/token?api=1");
  world.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret");
  CHECK(world.find().error().code == "no_credentials");
  const std::string provider = "projects/7/locations/global/workloadIdentityPools/ci/providers/hub";
  world.set("GPUBROKER_GCP_WORKLOAD_IDENTITY_PROVIDER", provider);
  world.set("GPUBROKER_GCP_SERVICE_ACCOUNT", "run@p.iam.gserviceaccount.com");
  world.visit->http.answer("GET https://run.actions.test/token", R"({"value":"actions-jwt"})");
  const Access access = world.find().value();
  CHECK(access.token.value.reveal() == "ya29.generated");
  CHECK(access.found_in == "GitHub Actions");
  CHECK(world.asked(0).url == "https://run.actions.test/token?api=1&audience=" +
                                  url_encode("https://iam.googleapis.com/" + provider));
  CHECK(testing::sent(world.asked(0), "Authorization") == "Bearer request-secret");
  CHECK(world.asked(1).body.find("audience=" + url_encode("//iam.googleapis.com/" + provider)) !=
        std::string::npos);
}

TEST_CASE("gcp credentials: a refused grant is told in Google's words and without the secret") {
  World world;
  world.visit.emplace();
  world.visit->http.answer(
      kToken,
      {.status = 400,
       .body = R"({"error":"invalid_grant","error_description":"Token has been expired or revoked."})"});
  world.home.write(kDefaultFile, fixture("gcp/adc_impersonated.json"));
  const Error error = world.find().error();
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.message == "HTTP 400: Token has been expired or revoked.");
  CHECK_FALSE(error.hint.empty());
}

TEST_CASE("gcp credentials: a file that cannot be read is told without its values") {
  const auto message = [](const std::string& text) { return parse_adc(text, "f").error().message; };
  CHECK(message("{}") == "f: the field type is missing");
  CHECK(message(R"({"type":"gdch_service_account"})") ==
        "f: credentials of the type 'gdch_service_account' are not supported");
  CHECK(message(R"({"type":"authorized_user","client_id":["s3cret"]})") == "f: a list is not a text");
  CHECK(
      message(
          R"({"type":"external_account","audience":"a","subject_token_type":"t","credential_source":"s3cret"})") ==
      "f: a field is not what it should be");
  CHECK(message("s3cret") == "f: no JSON at byte 0");
  MutableJson other = MutableJson::parse(service_account());
  other["universe_domain"] = "example.cloud";
  CHECK(message(other.dump()) == "f: it is of the universe example.cloud");
  std::string nested = R"({"type":"x"})";
  for (int i = 0; i < 9; ++i) {
    nested =
        R"({"type":"impersonated_service_account","service_account_impersonation_url":"u","source_credentials":)" +
        nested + "}";
  }
  CHECK(message(nested) == "f: impersonations are nested too deeply");
  Adc no_key = parse_adc(service_account(), "f").value();
  no_key.private_key = Secret("s3cret");
  const Error unsigned_error = encode_jwt_grant(no_key, kNow).error();
  CHECK(unsigned_error.kind == ErrorKind::auth);
  CHECK(unsigned_error.message.find("s3cret") == std::string::npos);
}

TEST_CASE("gcp credentials: settings come from variables and gcloud's active configuration") {
  World world;
  const auto project = [&] { return read_settings(world.home.files, world.home.processes).project; };
  CHECK(project().empty());
  world.home.write(".config/gcloud/configurations/config_default", "[core]\nproject = default-proj\n");
  CHECK(project() == "default-proj");
  world.home.write(".config/gcloud/active_config", "work\n");
  world.home.write(".config/gcloud/configurations/config_work", "[core]\nproject = work-proj\n");
  CHECK(project() == "work-proj");
  world.set("CLOUDSDK_CORE_PROJECT", "sdk-proj");
  CHECK(project() == "sdk-proj");
  world.set("GOOGLE_CLOUD_PROJECT", "env-proj");
  CHECK(project() == "env-proj");
  world.set("GOOGLE_API_KEY", "key-2");
  world.set("GPUBROKER_GCP_API_KEY", "key-1");
  const Settings settings = read_settings(world.home.files, world.home.processes);
  CHECK(settings.api_key.reveal() == "key-1");
  CHECK(settings.api_key_in == "$GPUBROKER_GCP_API_KEY");
  CHECK(settings.warnings.empty());
}

TEST_CASE("gcp credentials: a file that others can read is warned of") {
  World world;
  const std::string path = world.home.write(kDefaultFile, service_account());
  std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  const Settings settings = read_settings(world.home.files, world.home.processes);
  REQUIRE(settings.warnings.size() == 1);
  CHECK(settings.warnings[0] ==
        "~/.config/gcloud/application_default_credentials.json can be read by others: chmod 600 "
        "~/.config/gcloud/application_default_credentials.json");
}

TEST_CASE("gcp credentials: mutants are refused, never thrown over") {
  for (const char* name : {"adc_impersonated.json", "adc_external.json", "adc_service_account.json"}) {
    testing::for_each_mutant(MutableJson::parse(fixture(std::string("gcp/") + name)),
                             [](const std::string& text) { static_cast<void>(parse_adc(text, "f")); });
  }
  testing::for_each_mutant(MutableJson::parse(kGenerated), [](const std::string& text) {
    static_cast<void>(parse_generated_token(text));
    static_cast<void>(parse_token(text, kNow));
    static_cast<void>(parse_token_info(text));
    static_cast<void>(read_executable_answer(text, kNow));
  });
}

}  // namespace
}  // namespace gpubroker::gcp
