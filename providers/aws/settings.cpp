#include "providers/aws/settings.hpp"

#include "core/base/text.hpp"

namespace gpubroker::aws {
namespace {

/// "~/.aws/config", or what `variable` names instead.
std::string path_of(Processes& processes, const std::string& home, const char* variable, const char* name) {
  const auto set = processes.env(variable);
  if (!set || set->empty()) { return home + "/.aws/" + name; }
  return set->rfind("~/", 0) == 0 ? home + set->substr(1) : *set;
}

Ini read_file(Files& files, const std::string& path, std::vector<std::string>& warnings) {
  const Result<std::string> text = files.read(path);
  if (text.ok()) { return parse_ini(text.value()); }
  if (text.error().kind != ErrorKind::not_found) { warnings.push_back(text.error().message); }
  return {};
}

void warn_if_others_can_read(Files& files, const std::string& path, std::vector<std::string>& warnings) {
  constexpr int kOthers = 077;
  const Result<FileInfo> info = files.stat(path);
  if (!info.ok() || info.value().type != FileType::file || (info.value().mode & kOthers) == 0) { return; }
  std::string warning = path;
  warning += " can be read by others: chmod 600 ";
  warnings.push_back(warning + path);
}

bool has_keys_in_environment(Processes& processes) {
  return !processes.env("AWS_ACCESS_KEY_ID").value_or("").empty() &&
         !processes.env("AWS_SECRET_ACCESS_KEY").value_or("").empty();
}

std::string config_section(const std::string& profile) {
  return profile == "default" ? profile : "profile " + profile;
}

}  // namespace

std::string Settings::value(const std::string& of_profile, const std::string& key) const {
  std::string from_config = ini_value(config, config_section(of_profile), key);
  if (!from_config.empty()) { return from_config; }
  // "[profile default]" is read too; what is in the credentials file counts where the config says nothing.
  std::string spelled_out = ini_value(config, "profile " + of_profile, key);
  return spelled_out.empty() ? ini_value(credentials, of_profile, key) : spelled_out;
}

std::string Settings::secret(const std::string& of_profile, const std::string& key) const {
  return ini_value(credentials, of_profile, key);
}

bool Settings::has_profile(const std::string& name) const {
  return config.count(config_section(name)) > 0 || config.count("profile " + name) > 0 ||
         credentials.count(name) > 0;
}

Settings load_settings(Files& files, Processes& processes) {
  Settings settings;
  settings.home = processes.env("HOME").value_or("");
  settings.config_path = path_of(processes, settings.home, "AWS_CONFIG_FILE", "config");
  settings.credentials_path = path_of(processes, settings.home, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  settings.config = read_file(files, settings.config_path, settings.warnings);
  settings.credentials = read_file(files, settings.credentials_path, settings.warnings);
  warn_if_others_can_read(files, settings.credentials_path, settings.warnings);
  settings.profile = processes.env("AWS_PROFILE").value_or("");
  if (settings.profile.empty()) { settings.profile = processes.env("AWS_DEFAULT_PROFILE").value_or(""); }
  settings.profile_named = !settings.profile.empty();
  if (!settings.profile_named) { settings.profile = "default"; }
  if (settings.profile_named && has_keys_in_environment(processes)) {
    settings.warnings.emplace_back(
        "$AWS_PROFILE and $AWS_ACCESS_KEY_ID are both set: the keys are used, as the aws command "
        "does; other tools use the profile");
  }
  return settings;
}

bool has_credentials(Files& files, Processes& processes) {
  for (const char* const variable :
       {"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI"}) {
    if (!processes.env(variable).value_or("").empty()) { return true; }
  }
  const Settings settings = load_settings(files, processes);
  for (const char* const key : {"aws_access_key_id", "role_arn", "sso_session", "sso_start_url",
                                "credential_process", "web_identity_token_file"}) {
    const bool is_there =
        !settings.value(settings.profile, key).empty() || !settings.secret(settings.profile, key).empty();
    if (is_there) { return true; }
  }
  return false;
}

std::string region_setting(const Settings& settings, Processes& processes) {
  for (const char* const variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    std::string region = processes.env(variable).value_or("");
    if (!region.empty()) { return region; }
  }
  return settings.value(settings.profile, "region");
}

std::string endpoint_of(const Settings& settings, Processes& processes, const std::string& service,
                        const std::string& region) {
  if (lower(processes.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").value_or("")) != "true") {
    std::string url = processes.env("AWS_ENDPOINT_URL_" + upper(service)).value_or("");
    if (url.empty()) { url = processes.env("AWS_ENDPOINT_URL").value_or(""); }
    if (url.empty()) { url = settings.value(settings.profile, "endpoint_url"); }
    while (!url.empty() && url.back() == '/') { url.pop_back(); }
    if (!url.empty()) { return url; }
  }
  std::string host = service;
  if (service == "sso") { host = "portal.sso"; }
  if (service == "sso_oidc") { host = "oidc"; }
  const bool china = region.rfind("cn-", 0) == 0;
  std::string url = "https://";
  url += host + "." + region;
  return url + (china ? ".amazonaws.com.cn" : ".amazonaws.com");
}

}  // namespace gpubroker::aws
