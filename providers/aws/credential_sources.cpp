#include "providers/aws/credential_sources.hpp"

#include "core/base/text.hpp"
#include "core/wire/cloud_answer.hpp"
#include "providers/aws/codec.hpp"

namespace gpubroker::aws {
namespace {

constexpr Millis kRenewBefore{15 * 60'000};
constexpr Millis kProcessTimeout{60'000};
constexpr Millis kMetadataTimeout{1'000};  // where nobody listens, nobody answers

std::string env(const CredentialsRequest& request, const char* name) {
  return request.processes.env(name).value_or("");
}

Error refused(const std::string& message, const std::string& hint) {
  return {.kind = ErrorKind::auth,
          .message = message,
          .hint = hint,
          .source = "aws",
          .scope = ErrorScope::account};
}

Result<HttpResponse> ask(const CredentialsRequest& request, const HttpRequest& question,
                         const std::string& name) {
  TRY(HttpResponse answer, request.http.send(question));
  if (answer.status >= 400) { return parse_error(answer, name, request.clock.now()); }
  return answer;
}

std::string sts_endpoint(const CredentialsRequest& request) {
  return endpoint_of(request.settings, request.processes, "sts", request.region);
}

Result<Credentials> with_web_token(const CredentialsRequest& request, const RoleRequest& role,
                                   const Secret& token) {
  const HttpRequest question = encode_form(sts_endpoint(request), web_identity_call(role, token));
  Result<HttpResponse> answer = ask(request, question, "AssumeRoleWithWebIdentity");
  // STS could not reach who issued the token: the one refusal that is worth asking again.
  if (!answer.ok() && answer.error().code == "IDPCommunicationError") {
    answer = ask(request, question, "AssumeRoleWithWebIdentity");
  }
  if (!answer.ok()) { return std::move(answer).error(); }
  return parse_sts_credentials(answer.value().body);
}

/// ~/.aws/sso/cache/<sha1>.json, and what is in it.
struct CachedToken {
  std::string path = {};
  SsoToken token = {};
};

Result<CachedToken> read_sso_cache(const CredentialsRequest& request, const std::string& key,
                                   const std::string& login) {
  const std::string path = request.settings.home + "/.aws/sso/cache/" + sso_cache_name(key);
  const Result<std::string> text = request.files.read(path);
  if (!text.ok()) { return refused("nobody has logged in to SSO", login); }
  TRY(SsoToken token, parse_sso_token(text.value()));
  return CachedToken{.path = path, .token = std::move(token)};
}

/// The token, renewed when it ends soon. Writes it back, so that other tools have it too.
Result<SsoToken> renew_sso_token(const CredentialsRequest& request, const CachedToken& cached,
                                 const std::string& region, const std::string& login) {
  const Instant now = request.clock.now();
  if (cached.token.expires > now + kRenewBefore) { return cached.token; }
  const bool can_renew = !cached.token.refresh.empty() && cached.token.registration_expires > now;
  if (can_renew) {
    const std::string endpoint = endpoint_of(request.settings, request.processes, "sso_oidc", region);
    const Result<HttpResponse> answer = request.http.send(encode_sso_refresh(endpoint, cached.token));
    if (answer.ok() && answer.value().status == 200) {
      TRY(SsoToken token, parse_sso_refresh(answer.value().body, cached.token, now));
      // Not kept is no harm but another renewal.
      static_cast<void>(
          request.files.write_atomic(cached.path, format_sso_token(token), 0600, /*durable=*/false));
      return token;
    }
  }
  if (cached.token.expires > now) { return cached.token; }
  return refused("the SSO login has expired", login);
}

/// Where a container's role is told; empty: nowhere. `auth` when the place is not one that keys may come
/// from.
Result<std::string> container_url(const CredentialsRequest& request) {
  const std::string relative = env(request, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) { return "http://169.254.170.2" + relative; }
  const std::string full = env(request, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (full.empty() || full.rfind("https://", 0) == 0) { return full; }
  TRY(const UrlParts parts, split_url(full));
  const std::string host = parts.host.substr(
      0, parts.host.rfind(':') == std::string::npos || parts.host.back() == ']' ? parts.host.size()
                                                                                : parts.host.rfind(':'));
  const bool local = host == "localhost" || host.rfind("127.", 0) == 0 || host == "[::1]" ||
                     host == "169.254.170.2" || host == "169.254.170.23" || host == "[fd00:ec2::23]";
  if (local) { return full; }
  return refused(
      "$AWS_CONTAINER_CREDENTIALS_FULL_URI names " + host + ": keys are taken from there by https only", "");
}

std::string metadata_base(const CredentialsRequest& request) {
  if (lower(env(request, "AWS_EC2_METADATA_DISABLED")) == "true") { return {}; }
  std::string base = env(request, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  while (!base.empty() && base.back() == '/') { base.pop_back(); }
  return base.empty() ? "http://169.254.169.254" : base;
}

/// IMDSv2: a token first. Empty: this is no instance, or it may not be asked.
std::string metadata_token(const CredentialsRequest& request, const std::string& base) {
  HttpRequest question{.method = "PUT", .url = base + "/latest/api/token", .timeout = kMetadataTimeout};
  question.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  const Result<HttpResponse> answer = request.http.send(question);
  return answer.ok() && answer.value().status == 200 ? answer.value().body : std::string();
}

Result<HttpResponse> get_metadata(const CredentialsRequest& request, const std::string& url,
                                  const std::string& token) {
  HttpRequest question{.url = url, .timeout = kMetadataTimeout};
  question.headers = {{"x-aws-ec2-metadata-token", token}};
  return request.http.send(question);
}

}  // namespace

Result<Credentials> role_credentials(const CredentialsRequest& request, const RoleRequest& role,
                                     const AwsKeys& keys) {
  HttpRequest question = encode_form(sts_endpoint(request), assume_role_call(role));
  TRY(question, sign_sigv4(std::move(question), keys, {.region = request.region, .service = "sts"},
                           request.clock.now()));
  TRY(const HttpResponse answer, ask(request, question, "AssumeRole " + role.role_arn));
  return parse_sts_credentials(answer.body);
}

Result<Credentials> web_identity_credentials(const CredentialsRequest& request, const RoleRequest& role,
                                             const std::string& token_file) {
  const Result<std::string> token = request.files.read(token_file);
  if (!token.ok()) { return refused("the web identity token: " + token.error().message, ""); }
  return with_web_token(request, role, Secret(std::string(trim(token.value()))));
}

Result<Credentials> github_credentials(const CredentialsRequest& request, const RoleRequest& role) {
  HttpRequest question{.url = env(request, "ACTIONS_ID_TOKEN_REQUEST_URL") + "&audience=sts.amazonaws.com"};
  question.headers = {{"Authorization", "bearer " + env(request, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")}};
  TRY(const HttpResponse answer, request.http.send(question));
  if (answer.status >= 400) { return error_from_answer(answer, "GitHub's OIDC", request.clock.now()); }
  TRY(const Secret token, parse_github_token(answer.body));
  return with_web_token(request, role, token);
}

Result<Credentials> sso_credentials(const CredentialsRequest& request, const std::string& profile) {
  const Settings& settings = request.settings;
  const std::string session = settings.value(profile, "sso_session");
  const std::string section = "sso-session " + session;
  const auto of_session = [&](const char* key) {
    return session.empty() ? settings.value(profile, key) : ini_value(settings.config, section, key);
  };
  const std::string url = of_session("sso_start_url");
  const std::string region = of_session("sso_region");
  const std::string account = settings.value(profile, "sso_account_id");
  const std::string role = settings.value(profile, "sso_role_name");
  if (url.empty() || region.empty() || account.empty() || role.empty()) {
    return refused(
        "profile " + profile + ": sso_start_url, sso_region, sso_account_id or sso_role_name is missing",
        "aws configure sso --profile " + profile);
  }
  const std::string login = "aws sso login --profile " + profile;
  TRY(const CachedToken cached, read_sso_cache(request, session.empty() ? url : session, login));
  TRY(const SsoToken token, renew_sso_token(request, cached, region, login));
  const std::string endpoint = endpoint_of(settings, request.processes, "sso", region);
  TRY(const HttpResponse answer,
      request.http.send(encode_sso_credentials(endpoint, account, role, token.access)));
  if (answer.status == 401) { return refused("the SSO login is no longer good", login); }
  if (answer.status >= 400) { return error_from_answer(answer, "aws sso", request.clock.now()); }
  return parse_sso_credentials(answer.body);
}

Result<Credentials> process_credentials(const CredentialsRequest& request, const std::string& profile,
                                        const std::string& line) {
  TRY(const CommandResult result, request.processes.run({.argv = split_command(line)}, kProcessTimeout));
  if (result.exit.code != 0) {
    std::string why(trim(result.err));
    return refused("the credential_process of profile " + profile + " failed: " + why.substr(0, 400), "");
  }
  return parse_process_credentials(result.out);
}

Result<std::optional<Credentials>> container_credentials(const CredentialsRequest& request) {
  TRY(const std::string url, container_url(request));
  if (url.empty()) { return std::optional<Credentials>(); }
  HttpRequest question{.url = url};
  std::string authorization = env(request, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  // The file is renewed and so wins (EKS).
  if (const std::string file = env(request, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
    TRY(authorization, request.files.read(file));
  }
  if (!authorization.empty()) { question.headers = {{"Authorization", std::string(trim(authorization))}}; }
  TRY(const HttpResponse answer, request.http.send(question));
  if (answer.status >= 400) {
    return error_from_answer(answer, "aws container credentials", request.clock.now());
  }
  TRY(Credentials found, parse_metadata_credentials(answer.body, "aws container credentials"));
  found.found_in = "the container's role";
  return std::optional(std::move(found));
}

Result<std::optional<Credentials>> instance_credentials(const CredentialsRequest& request) {
  const std::string base = metadata_base(request);
  const std::string token = base.empty() ? std::string() : metadata_token(request, base);
  if (token.empty()) { return std::optional<Credentials>(); }
  const std::string url = base + "/latest/meta-data/iam/security-credentials/";
  TRY(const HttpResponse roles, get_metadata(request, url, token));
  if (roles.status != 200) { return std::optional<Credentials>(); }  // an instance without a role
  const std::string role(trim(split(roles.body, '\n').front()));
  TRY(const HttpResponse answer, get_metadata(request, url + role, token));
  if (answer.status >= 400) {
    return error_from_answer(answer, "aws instance metadata", request.clock.now());
  }
  TRY(Credentials found, parse_metadata_credentials(answer.body, "aws instance metadata"));
  found.found_in = "the instance's role " + role;
  return std::optional(std::move(found));
}

std::string region_of_instance(const CredentialsRequest& request) {
  const std::string base = metadata_base(request);
  const std::string token = base.empty() ? std::string() : metadata_token(request, base);
  if (token.empty()) { return {}; }
  const Result<HttpResponse> answer =
      get_metadata(request, base + "/latest/meta-data/placement/region", token);
  return answer.ok() && answer.value().status == 200 ? std::string(trim(answer.value().body)) : std::string();
}

}  // namespace gpubroker::aws
