#include "providers/aws/credentials_codec.hpp"

#include <array>

#include <openssl/evp.h>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/digest.hpp"
#include "providers/aws/codec_xml.hpp"

namespace gpubroker::aws {
namespace {

Error broken(const std::string& what) {
  return {.kind = ErrorKind::internal, .message = "cannot read the answer: " + what, .source = "aws"};
}

Result<Instant> time_of(const std::string& text) {
  // SSO's cache has been written as "2026-01-15T12:36:00UTC" too.
  if (text.size() > 3 && text.compare(text.size() - 3, 3, "UTC") == 0) {
    return parse_utc(text.substr(0, text.size() - 3) + "Z");
  }
  return parse_utc(text);
}

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash = {};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash.data(), &length, EVP_sha1(), nullptr);
  const void* const start = hash.data();
  return to_hex({static_cast<const char*>(start), length});
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      json += "\\u00" + to_hex({&c, 1});
      continue;
    }
    if (c == '"' || c == '\\') { json += '\\'; }
    json += c;
  }
  return json + "\"";
}

/// Id, secret and token by the names that this source has for them.
Result<Credentials> read_keys(const AnswerValue& from, const char* id, const char* secret,
                              const char* token) {
  Credentials found;
  found.keys = {.id = from.at(id).text(),
                .secret = Secret(from.at(secret).text()),
                .token = Secret(from.text_or(token))};
  if (found.keys.id.empty() || found.keys.secret.empty()) { return broken("the keys are empty"); }
  return found;
}

Result<std::optional<Instant>> read_expiration(const AnswerValue& from) {
  const std::string text = from.text_or("Expiration");
  if (text.empty()) { return std::optional<Instant>(); }
  TRY(const Instant at, time_of(text));
  return std::optional(at);
}

}  // namespace

QueryPairs assume_role_call(const RoleRequest& role) {
  QueryPairs form = {{"Action", "AssumeRole"},
                     {"Version", "2011-06-15"},
                     {"RoleArn", role.role_arn},
                     {"RoleSessionName", role.session_name},
                     {"DurationSeconds", std::to_string(role.duration_seconds)}};
  if (!role.external_id.empty()) { form.emplace_back("ExternalId", role.external_id); }
  return form;
}

QueryPairs web_identity_call(const RoleRequest& role, const Secret& token) {
  return {{"Action", "AssumeRoleWithWebIdentity"},
          {"Version", "2011-06-15"},
          {"RoleArn", role.role_arn},
          {"RoleSessionName", role.session_name},
          {"DurationSeconds", std::to_string(role.duration_seconds)},
          {"WebIdentityToken", token.reveal()}};
}

Result<Credentials> parse_sts_credentials(std::string_view body) {
  return read_xml(body, "aws sts", [](const pugi::xml_node& root) -> Result<Credentials> {
    const pugi::xml_node keys = root.first_child().child("Credentials");
    Credentials found;
    found.keys = {.id = text_or_empty(keys, "AccessKeyId"),
                  .secret = Secret(text_or_empty(keys, "SecretAccessKey")),
                  .token = Secret(text_or_empty(keys, "SessionToken"))};
    if (found.keys.id.empty() || found.keys.secret.empty()) { return broken("no credentials in it"); }
    TRY(const Instant expires, parse_utc(text_or_empty(keys, "Expiration")));
    found.expires = expires;
    return found;
  });
}

std::string session_name(std::string_view wanted) {
  constexpr std::string_view kMay = "_+=,.@-";
  std::string name;
  for (const char c : wanted.substr(0, 64)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += letter || kMay.find(c) != std::string_view::npos ? c : '-';
  }
  return name.size() < 2 ? "gpubroker" : name;
}

std::string sso_cache_name(std::string_view session_or_url) {
  return sha1_hex(session_or_url) + ".json";
}

Result<SsoToken> parse_sso_token(std::string_view file) {
  return read_answer(file, "aws sso cache", [](const AnswerValue& root) -> Result<SsoToken> {
    SsoToken token;
    token.access = Secret(root.at("accessToken").text());
    TRY(token.expires, time_of(root.at("expiresAt").text()));
    token.refresh = Secret(root.text_or("refreshToken"));
    token.client_id = root.text_or("clientId");
    token.client_secret = Secret(root.text_or("clientSecret"));
    TRY(token.registration_expires, time_of(root.text_or("registrationExpiresAt", "1970-01-01")));
    token.region = root.text_or("region");
    token.start_url = root.text_or("startUrl");
    return token;
  });
}

std::string format_sso_token(const SsoToken& token) {
  std::string json = "{";
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) { return; }
    if (json.size() > 1) { json += ", "; }
    json += quoted(name);
    json += ": ";
    json += quoted(value);
  };
  add("startUrl", token.start_url);
  add("region", token.region);
  add("accessToken", token.access.reveal());
  add("expiresAt", format_utc({token.expires.ms / 1'000 * 1'000}));
  add("clientId", token.client_id);
  add("clientSecret", token.client_secret.reveal());
  add("registrationExpiresAt", format_utc(token.registration_expires));
  add("refreshToken", token.refresh.reveal());
  return json + "}";
}

HttpRequest encode_sso_refresh(const std::string& endpoint, const SsoToken& token) {
  HttpRequest request{.method = "POST", .url = endpoint + "/token"};
  request.headers = {{"content-type", "application/json"}};
  request.body = "{\"clientId\":";
  request.body += quoted(token.client_id);
  request.body += ",\"clientSecret\":";
  request.body += quoted(token.client_secret.reveal());
  request.body += ",\"grantType\":\"refresh_token\",\"refreshToken\":";
  request.body += quoted(token.refresh.reveal());
  request.body += "}";
  return request;
}

Result<SsoToken> parse_sso_refresh(std::string_view body, SsoToken token, Instant now) {
  return read_answer(body, "aws sso", [&](const AnswerValue& root) -> Result<SsoToken> {
    token.access = Secret(root.at("accessToken").text());
    token.expires = now + Millis{std::int64_t{1'000} * root.at("expiresIn").whole<std::int32_t>()};
    const std::string refresh = root.text_or("refreshToken");
    if (!refresh.empty()) { token.refresh = Secret(refresh); }
    return token;
  });
}

HttpRequest encode_sso_credentials(const std::string& endpoint, const std::string& account,
                                   const std::string& role, const Secret& access) {
  HttpRequest request;
  request.url =
      endpoint + "/federation/credentials?" + encode_query({{"role_name", role}, {"account_id", account}});
  request.headers = {{"x-amz-sso_bearer_token", access.reveal()}};
  return request;
}

Result<Credentials> parse_sso_credentials(std::string_view body) {
  return read_answer(body, "aws sso", [](const AnswerValue& root) -> Result<Credentials> {
    const AnswerValue keys = root.at("roleCredentials");
    TRY(Credentials found, read_keys(keys, "accessKeyId", "secretAccessKey", "sessionToken"));
    found.expires = Instant{keys.at("expiration").whole<std::int64_t>()};
    return found;
  });
}

Result<Credentials> parse_process_credentials(std::string_view text) {
  return read_answer(text, "credential_process", [](const AnswerValue& root) -> Result<Credentials> {
    if (root.at("Version").whole<int>() != 1) { return broken("its Version is not 1"); }
    TRY(Credentials found, read_keys(root, "AccessKeyId", "SecretAccessKey", "SessionToken"));
    TRY(found.expires, read_expiration(root));
    return found;
  });
}

Result<Credentials> parse_metadata_credentials(std::string_view body, std::string_view source) {
  return read_answer(body, source, [](const AnswerValue& root) -> Result<Credentials> {
    const std::string code = root.text_or("Code", "Success");
    if (code != "Success") { return broken("it says " + code); }
    TRY(Credentials found, read_keys(root, "AccessKeyId", "SecretAccessKey", "Token"));
    TRY(found.expires, read_expiration(root));
    return found;
  });
}

Result<Secret> parse_github_token(std::string_view body) {
  return read_answer(body, "GitHub's OIDC", [](const AnswerValue& root) -> Result<Secret> {
    return Secret(root.at("value").text());
  });
}

std::vector<std::string> split_command(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '\0' && (c == ' ' || c == '\t')) {
      in_word = false;
      continue;
    }
    if (!in_word) { words.emplace_back(); }
    in_word = true;
    if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote && quote != '\0') {
      quote = '\0';
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

}  // namespace gpubroker::aws
