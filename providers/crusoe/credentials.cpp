#include "providers/crusoe/credentials.hpp"

#include "core/wire/ini.hpp"

namespace gpubroker::crusoe {

Access find_access(Files& files, Processes& processes) {
  const auto env = [&](const char* name) { return processes.env(name).value_or(""); };
  Access access;
  const std::string path = env("HOME") + "/.crusoe/config";
  const Result<std::string> text = files.read(path);
  const Ini ini = text.ok() ? parse_ini(text.value()) : Ini{};
  std::string profile = env("CRUSOE_PROFILE");
  if (profile.empty()) { profile = ini_value(ini, "", "profile"); }
  if (profile.empty()) { profile = "default"; }
  const auto value = [&](const char* variable, const char* key) {
    const std::string from_env = env(variable);
    return from_env.empty() ? ini_value(ini, profile, key) : from_env;
  };
  access.keys = {.id = value("CRUSOE_ACCESS_KEY_ID", "access_key_id"),
                 .secret = Secret(value("CRUSOE_SECRET_KEY", "secret_key"))};
  access.project = value("CRUSOE_DEFAULT_PROJECT", "default_project");
  access.endpoint = value("CRUSOE_API_ENDPOINT", "api_endpoint");
  if (access.endpoint.empty()) { access.endpoint = kEndpoint; }
  while (!access.endpoint.empty() && access.endpoint.back() == '/') { access.endpoint.pop_back(); }
  if (!access.is_usable()) { return access; }
  const bool is_from_file = env("CRUSOE_SECRET_KEY").empty();
  access.found_in = is_from_file ? "~/.crusoe/config [" + profile + "]" : "$CRUSOE_SECRET_KEY";
  constexpr int kOthers = 077;
  const Result<FileInfo> info = files.stat(path);
  if (is_from_file && info.ok() && info.value().type == FileType::file &&
      (info.value().mode & kOthers) != 0) {
    access.warnings.emplace_back("~/.crusoe/config can be read by others: chmod 600 ~/.crusoe/config");
  }
  return access;
}

}  // namespace gpubroker::crusoe
