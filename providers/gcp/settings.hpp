#pragma once
// The files and variables that Google's own tools read.
#include <string>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::gcp {

struct Settings {
  std::string home = {};
  std::string config_folder = {};  // $CLOUDSDK_CONFIG or ~/.config/gcloud
  std::string named_file = {};     // $GOOGLE_APPLICATION_CREDENTIALS; empty: not set
  std::string default_file = {};   // what `gcloud auth application-default login` writes
  std::string project = {};        // of the environment or gcloud's active configuration; empty: neither
  std::string quota_project = {};  // $GOOGLE_CLOUD_QUOTA_PROJECT
  Secret api_key = {};
  std::string api_key_in = {};
  std::vector<std::string> warnings = {};
};

Settings read_settings(Files& files, Processes& processes);

/// "~/.config/gcloud/…" for a person.
std::string shown_path(const Settings& settings, const std::string& path);

}  // namespace gpubroker::gcp
