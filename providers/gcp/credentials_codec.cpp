#include "providers/gcp/credentials_codec.hpp"

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::gcp {
namespace {

constexpr const char* kJwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr const char* kExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr const char* kAccessTokenType = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::int64_t kLongest = 3'600;  // seconds: what Google grants without an organisation's leave
constexpr std::int64_t kSkew = 10;        // Google refuses a token that was issued in its future
constexpr int kDeepest = 4;               // impersonations of impersonations

Error unusable(const std::string& where, const std::string& why, const std::string& hint = "") {
  return {.kind = ErrorKind::auth,
          .message = where + ": " + why,
          .hint = hint,
          .source = "gcp",
          .scope = ErrorScope::account};
}

HttpRequest post_form(const std::string& url, const QueryPairs& pairs) {
  return {.method = "POST",
          .url = url,
          .headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}},
          .body = encode_query(pairs),
          .repeatable = true};
}

void require_universe(const AnswerValue& root) {
  const std::string universe = root.text_or("universe_domain", "googleapis.com");
  if (universe != "googleapis.com") { AnswerValue::refuse("it is of the universe " + universe); }
}

void read_service_account(const AnswerValue& root, Adc& adc) {
  require_universe(root);
  adc.kind = CredentialKind::service_account;
  adc.identity = root.at("client_email").text();
  adc.private_key = Secret(root.at("private_key").text());
  adc.private_key_id = root.text_or("private_key_id");
  adc.token_url = root.text_or("token_uri", kTokenUrl);
  adc.project = root.text_or("project_id");
}

void read_user(const AnswerValue& root, Adc& adc) {
  adc.kind = CredentialKind::authorized_user;
  adc.client_id = root.at("client_id").text();
  adc.client_secret = Secret(root.at("client_secret").text());
  adc.refresh_token = Secret(root.at("refresh_token").text());
  adc.identity = root.text_or("account");
  adc.token_url = root.text_or("token_uri", kTokenUrl);
}

SubjectSource read_source(const AnswerValue& from) {
  SubjectSource source;
  source.file = from.text_or("file");
  source.url = from.text_or("url");
  if (from.find("environment_id")) { AnswerValue::refuse("credential_source of AWS is not supported"); }
  if (const auto headers = from.find("headers")) {
    for (const auto& [name, value] : headers->members()) { source.headers.emplace_back(name, value.text()); }
  }
  if (const auto executable = from.find("executable")) {
    source.executable = executable->at("command").text();
    source.timeout = Millis{executable->whole_or<std::int32_t>("timeout_millis", 30'000)};
  }
  if (const auto format = from.find("format"); format && format->text_or("type") == "json") {
    source.json_field = format->at("subject_token_field_name").text();
  }
  if (source.file.empty() && source.url.empty() && source.executable.empty()) {
    AnswerValue::refuse("credential_source has no file, url or executable");
  }
  return source;
}

void read_external(const AnswerValue& root, Adc& adc) {
  require_universe(root);
  adc.kind = CredentialKind::external_account;
  adc.audience = root.at("audience").text();
  adc.subject_token_type = root.at("subject_token_type").text();
  adc.token_url = root.text_or("token_url", kStsUrl);
  adc.subject = read_source(root.at("credential_source"));
  adc.impersonation_url = root.text_or("service_account_impersonation_url");
  adc.identity = impersonated_email(adc.impersonation_url);
  if (adc.identity.empty()) { adc.identity = adc.audience; }
}

void read_account(const AnswerValue& root, Adc& adc, int depth) {
  if (depth > kDeepest) { AnswerValue::refuse("impersonations are nested too deeply"); }
  const std::string type = root.at("type").text();
  adc.quota_project = root.text_or("quota_project_id");
  if (type == "service_account") { return read_service_account(root, adc); }
  if (type == "authorized_user") { return read_user(root, adc); }
  if (type == "external_account") { return read_external(root, adc); }
  if (type != "impersonated_service_account") {
    AnswerValue::refuse("credentials of the type '" + type.substr(0, 40) + "' are not supported");
  }
  adc.kind = CredentialKind::impersonated;
  adc.impersonation_url = root.at("service_account_impersonation_url").text();
  adc.identity = impersonated_email(adc.impersonation_url);
  if (const auto delegates = root.find("delegates")) {
    for (const AnswerValue& delegate : delegates->list()) { adc.delegates.push_back(delegate.text()); }
  }
  read_account(root.at("source_credentials"), adc.source.emplace_back(), depth + 1);
}

}  // namespace

Result<Adc> parse_adc(std::string_view text, const std::string& where) {
  Result<Adc> read = read_answer(text, where, [&](const AnswerValue& root) -> Result<Adc> {
    Adc adc;
    read_account(root, adc, 0);
    return adc;
  });
  if (read.ok()) { return read; }
  // "cannot read the answer: …" is of an answer, not of a file. A mismatch may quote a value: it names the
  // field alone, since this file is made of secrets.
  std::string why = read.error().message.substr(read.error().message.find(": ") + 2);
  if (why.find('\'') != std::string::npos && why.find("of the type '") == std::string::npos) {
    why = "a field is not what it should be";
  }
  return unusable(where, why, "gcloud auth application-default login, or a new key");
}

Result<HttpRequest> encode_jwt_grant(const Adc& account, Instant now) {
  const std::int64_t issued = now.ms / 1'000 - kSkew;
  Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!account.private_key_id.empty()) { header["kid"] = account.private_key_id; }
  // The audience is Google's, wherever the assertion is sent: gcloud does the same.
  const Json claims = {{"iss", account.identity},
                       {"scope", kScope},
                       {"aud", kTokenUrl},
                       {"iat", issued},
                       {"exp", issued + kLongest}};
  std::string assertion = to_base64url(dump_json(header)) + ".";
  assertion += to_base64url(dump_json(claims));
  TRY(const std::string signature, sign_rs256(account.private_key, assertion));
  assertion += ".";
  assertion += to_base64url(signature);
  return post_form(account.token_url, {{"grant_type", kJwtGrant}, {"assertion", assertion}});
}

HttpRequest encode_refresh(const Adc& user) {
  return post_form(user.token_url, {{"grant_type", "refresh_token"},
                                    {"client_id", user.client_id},
                                    {"client_secret", user.client_secret.reveal()},
                                    {"refresh_token", user.refresh_token.reveal()}});
}

HttpRequest encode_exchange(const Adc& external, const Secret& subject_token) {
  return post_form(external.token_url, {{"grant_type", kExchangeGrant},
                                        {"audience", external.audience},
                                        {"scope", kScope},
                                        {"requested_token_type", kAccessTokenType},
                                        {"subject_token", subject_token.reveal()},
                                        {"subject_token_type", external.subject_token_type}});
}

HttpRequest encode_impersonation(const Adc& target, const Secret& token) {
  Json body = {{"scope", Json::array({kScope})}, {"lifetime", std::to_string(kLongest) + "s"}};
  if (!target.delegates.empty()) { body["delegates"] = target.delegates; }
  return {.method = "POST",
          .url = target.impersonation_url,
          .headers = {{"Authorization", "Bearer " + token.reveal()}, {"Content-Type", "application/json"}},
          .body = dump_json(body),
          .repeatable = true};
}

HttpRequest encode_token_info(const Secret& token) {
  // In the body: URLs are kept in logs.
  return post_form(kTokenInfoUrl, {{"access_token", token.reveal()}});
}

Result<AccessToken> parse_token(std::string_view body, Instant now) {
  return read_answer(body, "gcp token", [&](const AnswerValue& root) -> Result<AccessToken> {
    const auto seconds = root.whole_or<std::int32_t>("expires_in", kLongest);
    return AccessToken{.value = Secret(root.at("access_token").text()),
                       .expires = now + Millis{seconds * std::int64_t{1'000}}};
  });
}

Result<AccessToken> parse_generated_token(std::string_view body) {
  return read_answer(body, "gcp generateAccessToken", [](const AnswerValue& root) -> Result<AccessToken> {
    TRY(const Instant expires, parse_utc(root.at("expireTime").text()));
    return AccessToken{.value = Secret(root.at("accessToken").text()), .expires = expires};
  });
}

std::string parse_token_info(std::string_view body) {
  std::string email;
  static_cast<void>(
      visit_answer(body, "gcp tokeninfo", [&](const AnswerValue& root) { email = root.text_or("email"); }));
  return email;
}

Result<Secret> read_subject_token(std::string_view text, const SubjectSource& source) {
  if (source.json_field.empty()) { return Secret(std::string(trim(text))); }
  Secret token;
  const std::optional<Error> error = visit_answer(
      text, "gcp", [&](const AnswerValue& root) { token = Secret(root.at(source.json_field).text()); });
  if (error) { return unusable("the subject token", "there is no field " + source.json_field); }
  return token;
}

Result<Secret> read_executable_answer(std::string_view text, Instant now) {
  const std::string where = "the credential executable";
  std::string problem;
  Secret token;
  const std::optional<Error> error = visit_answer(text, "gcp", [&](const AnswerValue& root) {
    if (root.whole_or<int>("version", 0) != 1) {
      problem = "it speaks another version than 1";
    } else if (!root.boolean_or("success", false)) {
      problem = "it failed: " + root.text_or("code") + " " + root.text_or("message");
    } else if (const auto until = root.whole_or<std::int64_t>("expiration_time", now.ms / 1'000 + 1);
               until <= now.ms / 1'000) {
      problem = "its token has expired";
    } else {
      const auto id_token = root.find("id_token");
      token = Secret(id_token ? id_token->text() : root.at("saml_response").text());
    }
  });
  if (error) { return unusable(where, "what it printed cannot be read"); }
  if (!problem.empty()) { return unusable(where, problem); }
  return token;
}

Adc github_account(const std::string& provider, const std::string& service_account,
                   const std::string& request_url, const Secret& request_token) {
  Adc adc;
  adc.kind = CredentialKind::external_account;
  adc.audience = "//iam.googleapis.com/" + provider;
  adc.subject_token_type = "urn:ietf:params:oauth:token-type:jwt";
  adc.token_url = kStsUrl;
  // Here with "https:", unlike the audience of the exchange.
  adc.subject.url = request_url + "&audience=" + url_encode("https:" + adc.audience);
  adc.subject.headers = {{"Authorization", "Bearer " + request_token.reveal()}};
  adc.subject.json_field = "value";
  adc.identity = service_account.empty() ? adc.audience : service_account;
  if (!service_account.empty()) {
    adc.impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
    adc.impersonation_url += service_account + ":generateAccessToken";
  }
  return adc;
}

std::string impersonated_email(std::string_view url) {
  constexpr std::string_view kAction = ":generateAccessToken";
  const std::size_t slash = url.rfind('/');
  const std::size_t end = url.rfind(kAction);
  if (slash == std::string_view::npos || end == std::string_view::npos || end < slash) { return {}; }
  return std::string(url.substr(slash + 1, end - slash - 1));
}

}  // namespace gpubroker::gcp
