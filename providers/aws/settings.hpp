#pragma once
// What the user has told AWS's tools: environment, ~/.aws/config, ~/.aws/credentials. Source: "AWS SDKs and
// Tools Reference Guide", and botocore 1.43, read 2026-11.
#include <string>
#include <vector>

#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "core/wire/ini.hpp"

namespace gpubroker::aws {

struct Settings {
  std::string home = {};
  std::string config_path = {};
  std::string credentials_path = {};
  Ini config = {};       // sections "default", "profile NAME", "sso-session NAME"
  Ini credentials = {};  // sections NAME
  std::string profile = {};
  bool profile_named = false;  // by $AWS_PROFILE
  std::vector<std::string> warnings = {};

  /// Of the profile, as the config file has it.
  [[nodiscard]] std::string value(const std::string& of_profile, const std::string& key) const;
  /// The same from the credentials file, where there is something.
  [[nodiscard]] std::string secret(const std::string& of_profile, const std::string& key) const;
  [[nodiscard]] bool has_profile(const std::string& name) const;
};

/// Never fails: what cannot be read is as if it were not there, with a warning.
Settings load_settings(Files& files, Processes& processes);

/// Whether something lies here that AWS's tools would log in with: keys, a role, SSO. Nobody is asked, so
/// that an instance's own role does not show.
bool has_credentials(Files& files, Processes& processes);

/// $AWS_REGION, $AWS_DEFAULT_REGION, the profile's. Empty: none says.
std::string region_setting(const Settings& settings, Processes& processes);

/// Where a service is asked: "https://ec2.us-east-1.amazonaws.com", unless $AWS_ENDPOINT_URL_EC2,
/// $AWS_ENDPOINT_URL or the profile's endpoint_url says otherwise (and $AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
/// does not forbid it). `service` is "ec2", "sts", "sso", "sso_oidc".
std::string endpoint_of(const Settings& settings, Processes& processes, const std::string& service,
                        const std::string& region);

}  // namespace gpubroker::aws
