#include "providers/gcp/settings.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/ini.hpp"

namespace gpubroker::gcp {
namespace {

constexpr int kOthers = 077;

std::string first_of(Processes& processes, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto value = processes.env(name); value && !value->empty()) { return *value; }
  }
  return {};
}

/// The project of `gcloud config set project`.
std::string configured_project(const Settings& settings, Files& files, Processes& processes) {
  std::string name = first_of(processes, {"CLOUDSDK_ACTIVE_CONFIG_NAME"});
  if (name.empty()) {
    const Result<std::string> active = files.read(settings.config_folder + "/active_config");
    name = active.ok() ? std::string(trim(active.value())) : "default";
  }
  const Result<std::string> text = files.read(settings.config_folder + "/configurations/config_" + name);
  return text.ok() ? ini_value(parse_ini(text.value()), "core", "project") : std::string();
}

void warn_if_open(Settings& settings, Files& files, const std::string& path) {
  const Result<FileInfo> info = files.stat(path);
  if (!info.ok() || info.value().type == FileType::link || (info.value().mode & kOthers) == 0) { return; }
  const std::string shown = shown_path(settings, path);
  settings.warnings.push_back(shown + " can be read by others: chmod 600 " + shown);
}

}  // namespace

Settings read_settings(Files& files, Processes& processes) {
  Settings settings;
  settings.home = first_of(processes, {"HOME"});
  settings.config_folder = first_of(processes, {"CLOUDSDK_CONFIG"});
  if (settings.config_folder.empty()) { settings.config_folder = settings.home + "/.config/gcloud"; }
  settings.named_file = first_of(processes, {"GOOGLE_APPLICATION_CREDENTIALS"});
  settings.default_file = settings.config_folder + "/application_default_credentials.json";
  settings.project = first_of(processes, {"GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"});
  if (settings.project.empty()) { settings.project = configured_project(settings, files, processes); }
  settings.quota_project = first_of(processes, {"GOOGLE_CLOUD_QUOTA_PROJECT"});
  for (const char* name : {"GPUBROKER_GCP_API_KEY", "GOOGLE_API_KEY"}) {
    if (settings.api_key.empty()) {
      settings.api_key = Secret(first_of(processes, {name}));
      settings.api_key_in = std::string("$") + name;
    }
  }
  if (!settings.named_file.empty()) { warn_if_open(settings, files, settings.named_file); }
  warn_if_open(settings, files, settings.default_file);
  return settings;
}

std::string shown_path(const Settings& settings, const std::string& path) {
  const std::string& home = settings.home;
  if (home.empty() || path.rfind(home + "/", 0) != 0) { return path; }
  return "~" + path.substr(home.size());
}

}  // namespace gpubroker::gcp
