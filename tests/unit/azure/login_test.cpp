// Tokens and who they are for, as each of the sources gives them.
#include <doctest/doctest.h>

#include "providers/azure/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::azure {
namespace {

using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};

TEST_CASE("azure login: with a secret, with an assertion, with the claims of a challenge") {
  const ClientLogin login{.authority = "https://login.microsoftonline.com",
                          .tenant = "t/1",
                          .client = "c",
                          .secret = Secret("s&=")};
  const HttpRequest request = encode_login(login);
  CHECK(request.url == "https://login.microsoftonline.com/t%2F1/oauth2/v2.0/token");
  CHECK(request.method == "POST");
  CHECK(request.repeatable);
  CHECK(request.body ==
        "grant_type=client_credentials&client_id=c&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&"
        "client_secret=s%26%3D");
  ClientLogin federated = login;
  federated.assertion = Secret("a.b.c");
  federated.claims = R"({"x":1})";
  CHECK(encode_login(federated).body ==
        "grant_type=client_credentials&client_id=c&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&"
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
        "client_assertion=a.b.c&claims=%7B%22x%22%3A1%7D");
}

TEST_CASE("azure login: tokens and when they run out, numbers being texts too") {
  const Result<Token> token = parse_token(fixture("azure/token.json"), kNow);
  REQUIRE(token.ok());
  CHECK(token.value().expires == kNow + std::chrono::seconds{3'599});
  CHECK(read_token(token.value().value).app == "11111111-1111-1111-1111-111111111111");
  const Result<Token> machine = parse_token(fixture("azure/managed_identity.json"), kNow);
  REQUIRE(machine.ok());
  CHECK(machine.value().expires == Instant{1'795'608'000'000});
  CHECK_FALSE(parse_token(R"({"access_token":"","expires_in":1})", kNow).ok());
  CHECK_FALSE(parse_token(R"({"access_token":"x"})", kNow).ok());
  CHECK(parse_token(R"({"access_token":"x","expires_in":9000000000000000000})", kNow).ok());
}

TEST_CASE("azure login: az tells local time without a zone, so the token's own time holds") {
  const Result<Token> old = parse_az_token(fixture("azure/az_token.json"), kNow);
  REQUIRE(old.ok());
  CHECK(old.value().expires == Instant{1'795'525'000'000});  // "exp" in the token, not 21:18 of somewhere
  CHECK(read_token(old.value().value).user == "alice@contoso.com");
  MutableJson newer = MutableJson::parse(fixture("azure/az_token.json"));
  newer["expires_on"] = 1'795'525'100;
  CHECK(parse_az_token(newer.dump(), kNow).value().expires == Instant{1'795'525'100'000});
  // A token that is no JWT: what az promises at least.
  CHECK(parse_az_token(R"({"accessToken":"opaque"})", kNow).value().expires ==
        kNow + std::chrono::minutes{5});
}

TEST_CASE("azure login: az's profile begins with a byte order mark") {
  const std::string text = fixture("azure/azureProfile.json");
  REQUIRE(text.rfind("\xEF\xBB\xBF", 0) == 0);
  const auto profile = parse_profile(text);
  REQUIRE(profile.ok());
  REQUIRE(profile.value().size() == 2);
  CHECK_FALSE(profile.value()[0].is_default);
  CHECK(profile.value()[1].is_default);
  CHECK(profile.value()[1].id == "11111111-2222-3333-4444-555555555555");
  CHECK(parse_profile(text.substr(3)).ok());
  CHECK(parse_profile("{}").value().empty());
}

TEST_CASE("azure login: refusals by their AADSTS number, without the lines for support") {
  const Error error = parse_login_error({.status = 401, .body = fixture("azure/login_error.json")}, kNow);
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.code == "AADSTS7000215");
  CHECK(error.hint == "make a new secret: az ad app credential reset --id $AZURE_CLIENT_ID");
  CHECK(error.message.find("Invalid client secret provided") != std::string::npos);
  CHECK(error.message.find("Trace") == std::string::npos);
  CHECK(parse_login_error({.status = 400, .body = R"({"error":"invalid_request"})"}, kNow).kind ==
        ErrorKind::auth);
  CHECK(parse_login_error({.status = 503, .body = "<html>"}, kNow).kind == ErrorKind::network);
}

TEST_CASE("azure login: the questions of a machine and of a GitHub job") {
  const HttpRequest machine = encode_managed_identity("c 1");
  CHECK(machine.url ==
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&"
        "resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=c%201");
  CHECK(testing::sent(machine, "Metadata") == "true");
  CHECK(encode_managed_identity("").url.find("client_id") == std::string::npos);
  const HttpRequest job = encode_github_token("https://actions.example/token?v=1", Secret("b"));
  CHECK(job.url == "https://actions.example/token?v=1&audience=api%3A%2F%2FAzureADTokenExchange");
  CHECK(testing::sent(job, "Authorization") == "Bearer b");
}

TEST_CASE("azure login: a token that is none says nothing") {
  for (const char* text : {"", "a", "a.b", "a.b.c", "..", "a.bm90IGpzb24.c", "a.W10.c", "a.eyJ1cG4iOjF9.c"}) {
    CAPTURE(text);
    const TokenFacts facts = read_token(Secret(text));
    CHECK(facts.app.empty());
    CHECK(facts.expires == Instant{});
  }
}

TEST_CASE("azure login: mutants are refused or told, never thrown over") {
  const auto each = [](const char* name, const auto& parse) {
    testing::for_each_mutant(MutableJson::parse(fixture(name)), parse);
  };
  each("azure/token.json", [](const std::string& text) { static_cast<void>(parse_token(text, kNow)); });
  each("azure/managed_identity.json",
       [](const std::string& text) { static_cast<void>(parse_token(text, kNow)); });
  each("azure/az_token.json", [](const std::string& text) { static_cast<void>(parse_az_token(text, kNow)); });
  each("azure/login_error.json", [](const std::string& text) {
    static_cast<void>(parse_login_error({.status = 400, .body = text}, kNow));
  });
  testing::for_each_mutant(MutableJson::parse(fixture("azure/azureProfile.json").substr(3)),
                           [](const std::string& text) { static_cast<void>(parse_profile(text)); });
}

}  // namespace
}  // namespace gpubroker::azure
