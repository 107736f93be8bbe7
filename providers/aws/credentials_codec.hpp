#pragma once
// The requests and answers that lead to AWS keys: STS, IAM Identity Center (SSO), containers, instances,
// GitHub.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/http.hpp"
#include "core/wire/sigv4.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::aws {

struct Credentials {
  AwsKeys keys = {};
  std::string found_in = {};            // for a person
  std::optional<Instant> expires = {};  // absent: they do not
};

// --- STS ---

struct RoleRequest {
  std::string role_arn = {};
  std::string session_name = {};
  int duration_seconds = 3'600;
  std::string external_id = {};
};
QueryPairs assume_role_call(const RoleRequest& role);
/// Goes unsigned: the token is the proof.
QueryPairs web_identity_call(const RoleRequest& role, const Secret& token);
/// Of both calls: the first Credentials in it.
Result<Credentials> parse_sts_credentials(std::string_view body);
/// 2 to 64 of what a session's name may hold; others become '-'.
std::string session_name(std::string_view wanted);

// --- SSO ---

struct SsoToken {
  Secret access = {};
  Instant expires = {};
  Secret refresh = {};
  std::string client_id = {};
  Secret client_secret = {};
  Instant registration_expires = {};
  std::string region = {};
  std::string start_url = {};
};
/// "<40 hex digits>.json": the file in ~/.aws/sso/cache of a session's name, or of a start URL.
std::string sso_cache_name(std::string_view session_or_url);
Result<SsoToken> parse_sso_token(std::string_view file);
/// The same as the aws command writes it.
std::string format_sso_token(const SsoToken& token);
HttpRequest encode_sso_refresh(const std::string& endpoint, const SsoToken& token);
/// `token` with what the answer renews.
Result<SsoToken> parse_sso_refresh(std::string_view body, SsoToken token, Instant now);
HttpRequest encode_sso_credentials(const std::string& endpoint, const std::string& account,
                                   const std::string& role, const Secret& access);
Result<Credentials> parse_sso_credentials(std::string_view body);

// --- The others ---

/// What a credential_process prints.
Result<Credentials> parse_process_credentials(std::string_view text);
/// A container's or an instance's answer.
Result<Credentials> parse_metadata_credentials(std::string_view body, std::string_view source);
/// GitHub Actions: {"value": "<JWT>"}.
Result<Secret> parse_github_token(std::string_view body);
/// Splits as a shell does it: quotes and backslashes, nothing else.
std::vector<std::string> split_command(std::string_view line);

}  // namespace gpubroker::aws
