#include "providers/aws/credentials.hpp"

#include <set>

#include "core/base/text.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/credential_sources.hpp"

namespace gpubroker::aws {
namespace {

using Found = Result<std::optional<Credentials>>;  // nothing: this source is not set up

constexpr int kLongestSession = 43'200;
constexpr int kLongestChained = 3'600;
constexpr int kShortestSession = 900;

std::string env(const CredentialsRequest& request, const char* name) {
  return request.processes.env(name).value_or("");
}

Error unusable(const std::string& profile, const std::string& why, const std::string& hint = "") {
  return {.kind = ErrorKind::auth,
          .message = "profile " + profile + ": " + why,
          .hint = hint,
          .source = "aws",
          .scope = ErrorScope::account};
}

Found lift(Result<Credentials> found, const std::string& found_in) {
  if (!found.ok()) { return std::move(found).error(); }
  found.value().found_in = found_in;
  return std::optional(std::move(found).value());
}

std::optional<Credentials> static_keys(const std::string& id, const std::string& secret,
                                       const std::string& token, const std::string& found_in) {
  if (id.empty() || secret.empty()) { return std::nullopt; }
  return Credentials{.keys = {.id = id, .secret = Secret(secret), .token = Secret(token)},
                     .found_in = found_in};
}

std::optional<Credentials> environment_keys(const CredentialsRequest& request) {
  return static_keys(env(request, "AWS_ACCESS_KEY_ID"), env(request, "AWS_SECRET_ACCESS_KEY"),
                     env(request, "AWS_SESSION_TOKEN"), "$AWS_ACCESS_KEY_ID");
}

std::optional<Credentials> file_keys(const CredentialsRequest& request, const std::string& profile) {
  const Settings& from = request.settings;
  return static_keys(from.secret(profile, "aws_access_key_id"), from.secret(profile, "aws_secret_access_key"),
                     from.secret(profile, "aws_session_token"), from.credentials_path + " [" + profile + "]");
}

std::optional<Credentials> config_keys(const CredentialsRequest& request, const std::string& profile) {
  const Settings& from = request.settings;
  return static_keys(from.value(profile, "aws_access_key_id"), from.value(profile, "aws_secret_access_key"),
                     from.value(profile, "aws_session_token"), from.config_path + " [" + profile + "]");
}

/// Finds the keys of one profile; remembers the profiles on the way, so that no circle of them is walked
/// twice.
class Profiles {
 public:
  explicit Profiles(const CredentialsRequest& request) : request_(request) {}

  Found find(const std::string& profile) {
    if (!walked_.insert(profile).second) {
      return unusable(profile, "its source_profile leads back to it", "name a profile that holds keys");
    }
    if (!value(profile, "role_arn").empty()) { return find_role(profile); }
    if (!value(profile, "sso_account_id").empty() || !value(profile, "sso_session").empty()) {
      return lift(sso_credentials(request_, profile), "SSO, profile " + profile);
    }
    if (auto keys = file_keys(request_, profile)) { return keys; }
    if (!value(profile, "login_session").empty()) {
      return unusable(profile, "keys of `aws login` (login_session) are not supported",
                      "use SSO, a role or keys; or `aws configure export-credentials` as credential_process");
    }
    if (const std::string line = value(profile, "credential_process"); !line.empty()) {
      return lift(process_credentials(request_, profile, line), "credential_process of profile " + profile);
    }
    return config_keys(request_, profile);
  }

 private:
  [[nodiscard]] std::string value(const std::string& profile, const char* key) const {
    return request_.settings.value(profile, key);
  }

  Found find_role(const std::string& profile) {
    TRY(RoleRequest role, read_role(profile));
    const std::string token_file = value(profile, "web_identity_token_file");
    if (!token_file.empty()) {
      return lift(web_identity_credentials(request_, role, token_file), "web identity, profile " + profile);
    }
    if (!value(profile, "mfa_serial").empty()) {
      return unusable(profile, "its role asks for an MFA code, and nobody can be asked for one here",
                      "use `aws configure export-credentials` as credential_process");
    }
    const bool chained = !value(value(profile, "source_profile"), "role_arn").empty();
    TRY(const std::optional<Credentials> source, find_source(profile));
    if (!source) { return unusable(profile, "no keys to assume " + role.role_arn + " with"); }
    if (chained) { role.duration_seconds = std::min(role.duration_seconds, kLongestChained); }
    return lift(role_credentials(request_, role, source->keys), role.role_arn + ", profile " + profile);
  }

  Result<RoleRequest> read_role(const std::string& profile) {
    RoleRequest role{.role_arn = value(profile, "role_arn"),
                     .session_name = session_name(value(profile, "role_session_name")),
                     .external_id = value(profile, "external_id")};
    const std::string duration = value(profile, "duration_seconds");
    if (duration.empty()) { return role; }
    const std::optional<std::int64_t> seconds = parse_int(duration);
    if (!seconds || *seconds < kShortestSession || *seconds > kLongestSession) {
      return unusable(profile, "duration_seconds must be 900 to 43200");
    }
    role.duration_seconds = static_cast<int>(*seconds);
    return role;
  }

  Found find_source(const std::string& profile) {
    const std::string source = value(profile, "source_profile");
    if (source == profile) {  // it may hold keys itself
      auto keys = file_keys(request_, profile);
      return keys ? keys : config_keys(request_, profile);
    }
    if (!source.empty()) {
      if (!request_.settings.has_profile(source)) { return unusable(profile, "no profile " + source); }
      return find(source);
    }
    const std::string kind = value(profile, "credential_source");
    if (kind == "Environment") { return environment_keys(request_); }
    if (kind == "Ec2InstanceMetadata") { return instance_credentials(request_); }
    if (kind == "EcsContainer") { return container_credentials(request_); }
    return unusable(profile, "role_arn without source_profile, credential_source or web_identity_token_file");
  }

  const CredentialsRequest& request_;
  std::set<std::string> walked_ = {};
};

/// Kubernetes and others leave a file; GitHub Actions has a URL.
Found environment_web_identity(const CredentialsRequest& request) {
  const RoleRequest role{.role_arn = env(request, "AWS_ROLE_ARN"),
                         .session_name = session_name(env(request, "AWS_ROLE_SESSION_NAME"))};
  if (role.role_arn.empty()) { return std::optional<Credentials>(); }
  if (const std::string file = env(request, "AWS_WEB_IDENTITY_TOKEN_FILE"); !file.empty()) {
    return lift(web_identity_credentials(request, role, file), "$AWS_WEB_IDENTITY_TOKEN_FILE");
  }
  if (env(request, "ACTIONS_ID_TOKEN_REQUEST_URL").empty()) { return std::optional<Credentials>(); }
  return lift(github_credentials(request, role), "GitHub Actions, " + role.role_arn);
}

bool is_role(const CredentialsRequest& request) {
  return !request.settings.value(request.settings.profile, "role_arn").empty();
}

}  // namespace

Result<Credentials> find_credentials(const CredentialsRequest& request) {
  const Settings& settings = request.settings;
  if (auto keys = environment_keys(request)) { return *std::move(keys); }
  if (settings.profile_named && !settings.has_profile(settings.profile)) {
    return unusable(settings.profile,
                    "it is in neither " + settings.config_path + " nor " + settings.credentials_path,
                    "unset AWS_PROFILE, or `aws configure`");
  }
  if (!is_role(request)) {
    TRY(std::optional<Credentials> found, environment_web_identity(request));
    if (found) { return *std::move(found); }
  }
  TRY(std::optional<Credentials> of_profile, Profiles(request).find(settings.profile));
  if (of_profile) { return *std::move(of_profile); }
  TRY(std::optional<Credentials> of_container, container_credentials(request));
  if (of_container) { return *std::move(of_container); }
  TRY(std::optional<Credentials> of_instance, instance_credentials(request));
  if (of_instance) { return *std::move(of_instance); }
  return no_credentials("aws", kNeeds);
}

}  // namespace gpubroker::aws
