#pragma once
// Google's credential files and the requests that turn them into tokens. Source: google-auth-library of
// 2026-03 and the traffic of gcloud 528 and google-auth-library 10.9, read 2026-11.
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"

namespace gpubroker::gcp {

inline constexpr const char* kScope = "https://www.googleapis.com/auth/cloud-platform";
inline constexpr const char* kTokenUrl = "https://oauth2.googleapis.com/token";
inline constexpr const char* kTokenInfoUrl = "https://oauth2.googleapis.com/tokeninfo";
inline constexpr const char* kStsUrl = "https://sts.googleapis.com/v1/token";

struct AccessToken {
  Secret value = {};
  Instant expires = {};
};

/// Where the token comes from that proves to Google who runs us: exactly one of file, url and executable.
struct SubjectSource {
  std::string file = {};
  std::string url = {};
  Headers headers = {};
  std::string executable = {};
  Millis timeout{30'000};
  std::string json_field = {};  // empty: the answer is the token
};

enum class CredentialKind { service_account, authorized_user, external_account, impersonated };

/// Application Default Credentials. Only the fields of its kind are set.
struct Adc {
  CredentialKind kind = CredentialKind::service_account;
  std::string project = {};
  std::string quota_project = {};
  std::string identity = {};   // an e-mail, where the file has one
  std::string token_url = {};  // where the grant or exchange goes
  // service_account
  Secret private_key = {};
  std::string private_key_id = {};
  // authorized_user
  std::string client_id = {};
  Secret client_secret = {};
  Secret refresh_token = {};
  // external_account
  std::string audience = {};
  std::string subject_token_type = {};
  SubjectSource subject = {};
  // external_account (optional), impersonated
  std::string impersonation_url = {};
  std::vector<std::string> delegates = {};
  std::vector<Adc> source = {};  // impersonated: one
};

/// `auth` with what is wrong with it; `where` names the file. No value of it is shown.
Result<Adc> parse_adc(std::string_view text, const std::string& where);

/// A signed assertion for a token of an hour. `auth` when the key cannot be read.
Result<HttpRequest> encode_jwt_grant(const Adc& account, Instant now);
HttpRequest encode_refresh(const Adc& user);
HttpRequest encode_exchange(const Adc& external, const Secret& subject_token);
HttpRequest encode_impersonation(const Adc& target, const Secret& token);
HttpRequest encode_token_info(const Secret& token);

/// {"access_token","expires_in"}: of oauth2, STS and the metadata server.
Result<AccessToken> parse_token(std::string_view body, Instant now);
/// {"accessToken","expireTime"}: of generateAccessToken alone.
Result<AccessToken> parse_generated_token(std::string_view body);
/// The e-mail in an answer of tokeninfo; empty when the token's scopes do not tell it.
std::string parse_token_info(std::string_view body);

/// The subject token in what a file or URL gave.
Result<Secret> read_subject_token(std::string_view text, const SubjectSource& source);
/// The subject token in what an executable printed, version 1 of its protocol.
Result<Secret> read_executable_answer(std::string_view text, Instant now);

/// The external account of a GitHub Actions run, where the workflow has told the provider
/// ("projects/NUM/locations/global/workloadIdentityPools/POOL/providers/PROV") and, optionally, a service
/// account.
Adc github_account(const std::string& provider, const std::string& service_account,
                   const std::string& request_url, const Secret& request_token);

/// The account that an impersonation URL names.
std::string impersonated_email(std::string_view url);

}  // namespace gpubroker::gcp
