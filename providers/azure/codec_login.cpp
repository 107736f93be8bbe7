#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"
#include "providers/azure/codec.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kSource = "azure login";
constexpr std::int64_t kMostSeconds = 10'000'000'000;  // the year 2286

Instant instant_of(std::int64_t seconds) {
  return {std::clamp<std::int64_t>(seconds, 0, kMostSeconds) * 1'000};
}

/// "AADSTS7000215" of a description that begins with it.
std::string aadsts_of(std::string_view description) {
  constexpr std::string_view kName = "AADSTS";
  if (description.rfind(kName, 0) != 0) { return {}; }
  const std::size_t end = description.find_first_not_of("0123456789", kName.size());
  return std::string(description.substr(0, end));
}

std::string hint_of(std::string_view code) {
  if (code == "AADSTS7000215" || code == "AADSTS7000222") {
    return "make a new secret: az ad app credential reset --id $AZURE_CLIENT_ID";
  }
  if (code == "AADSTS700213" || code == "AADSTS70021") {
    return "issuer and subject of the token must be those of a federated credential of the app, to the "
           "letter";
  }
  if (code == "AADSTS700016") { return "the app $AZURE_CLIENT_ID is not in the tenant $AZURE_TENANT_ID"; }
  if (code == "AADSTS90002") { return "there is no tenant $AZURE_TENANT_ID"; }
  return {};
}

/// The middle part of a token, as JSON. Empty: it is no JWT.
std::string payload_of(std::string_view token) {
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) { return {}; }
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) { return {}; }
  std::string text(token.substr(first + 1, second - first - 1));
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) { text += '='; }
  const Result<std::string> json = from_base64(text);
  return json.ok() ? json.value() : std::string();
}

Error no_token() {
  return {.kind = ErrorKind::internal,
          .message = "cannot read the answer: there is no token in it",
          .source = std::string(kSource)};
}

}  // namespace

HttpRequest encode_login(const ClientLogin& login) {
  QueryPairs form = {{"grant_type", "client_credentials"},
                     {"client_id", login.client},
                     {"scope", "https://management.azure.com/.default"}};
  if (login.assertion.empty()) {
    form.emplace_back("client_secret", login.secret.reveal());
  } else {
    form.emplace_back("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    form.emplace_back("client_assertion", login.assertion.reveal());
  }
  if (!login.claims.empty()) { form.emplace_back("claims", login.claims); }
  HttpRequest request = encode_get(login.authority + "/" + url_encode(login.tenant) + "/oauth2/v2.0/token");
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = encode_query(form);
  request.repeatable = true;
  return request;
}

Result<Token> parse_token(std::string_view body, Instant now) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Token> {
    Token token{.value = Secret(root.at("access_token").text())};
    if (token.value.empty()) { return no_token(); }
    if (const auto at = root.find("expires_on")) {
      token.expires = instant_of(at->whole<std::int64_t>());
    } else {
      const auto seconds = root.at("expires_in").whole<std::int64_t>();
      token.expires = now + std::chrono::seconds{std::clamp<std::int64_t>(seconds, 0, kMostSeconds)};
    }
    return token;
  });
}

Error parse_login_error(const HttpResponse& answer, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    code = root.text_or("error");
    message = root.text_or("error_description");
  }));
  // What follows the first line is for their support.
  message = message.substr(0, message.find_first_of("\r\n"));
  if (const std::string number = aadsts_of(message); !number.empty()) { code = number; }
  Error error = error_from_answer(answer, std::string(kSource), code, message, now);
  error.code = code;
  error.hint = hint_of(code);
  if (answer.status == 400 || answer.status == 401) {
    error.kind = ErrorKind::auth;
    error.scope = ErrorScope::account;
  }
  return error;
}

HttpRequest encode_managed_identity(std::string_view client) {
  QueryPairs query = {{"api-version", "2018-02-01"}, {"resource", "https://management.azure.com/"}};
  if (!client.empty()) { query.emplace_back("client_id", client); }
  HttpRequest request =
      encode_get("http://169.254.169.254/metadata/identity/oauth2/token?" + encode_query(query));
  request.headers.emplace_back("Metadata", "true");
  // A machine that is not Azure's answers nothing at all, and is not worth waiting for.
  request.timeout = Millis{1'000};
  return request;
}

HttpRequest encode_github_token(std::string_view url, const Secret& bearer) {
  HttpRequest request = encode_get(std::string(url) + "&audience=api%3A%2F%2FAzureADTokenExchange");
  request.headers.emplace_back("Authorization", "Bearer " + bearer.reveal());
  return request;
}

Result<Secret> parse_github_token(std::string_view body) {
  return read_answer(body, "GitHub's OIDC", [](const AnswerValue& root) -> Result<Secret> {
    return Secret(root.at("value").text());
  });
}

Result<Token> parse_az_token(std::string_view text, Instant now) {
  return read_answer(text, "az", [&](const AnswerValue& root) -> Result<Token> {
    Token token{.value = Secret(root.at("accessToken").text())};
    if (token.value.empty()) { return no_token(); }
    token.expires = read_token(token.value).expires;
    if (const auto at = root.find("expires_on")) { token.expires = instant_of(at->whole<std::int64_t>()); }
    // az renews what would not last for five minutes.
    if (token.expires == Instant{}) { token.expires = now + std::chrono::minutes{5}; }
    return token;
  });
}

Result<std::vector<Subscription>> parse_profile(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.substr(0, kMark.size()) == kMark) { text.remove_prefix(kMark.size()); }
  return read_answer(text, "azureProfile.json",
                     [](const AnswerValue& root) -> Result<std::vector<Subscription>> {
                       std::vector<Subscription> all;
                       const std::optional<AnswerValue> list = root.find("subscriptions");
                       if (!list) { return all; }
                       for (const AnswerValue& row : list->list()) {
                         all.push_back({.id = row.at("id").text(),
                                        .name = row.text_or("name"),
                                        .state = row.text_or("state"),
                                        .tenant = row.text_or("tenantId"),
                                        .is_default = row.boolean_or("isDefault", false)});
                       }
                       return all;
                     });
}

TokenFacts read_token(const Secret& token) {
  TokenFacts facts;
  // Whatever is wrong with it, the cloud is the one to refuse it.
  static_cast<void>(visit_answer(payload_of(token.reveal()), kSource, [&](const AnswerValue& root) {
    facts.user = root.text_or("upn", root.text_or("unique_name", root.text_or("preferred_username")));
    facts.app = root.text_or("appid", root.text_or("azp"));
    facts.object = root.text_or("oid");
    facts.issuer = root.text_or("iss");
    facts.subject = root.text_or("sub");
    if (const auto at = root.find("exp")) { facts.expires = instant_of(at->rounded()); }
  }));
  return facts;
}

}  // namespace gpubroker::azure
