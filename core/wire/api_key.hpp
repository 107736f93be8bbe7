#pragma once
// Clouds with a plain API key: where it may lie, and what is known of it. Reads environment and files through
// the ports; how the key's text is found in a file is the cloud's own affair.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/cloud.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

/// A file below the user's home that may hold the key.
struct KeyFile {
  std::string path = {};                            // ".runpod/config.toml"
  Secret (*read)(std::string_view text) = nullptr;  // empty: the key is not in it
};
struct KeyPlaces {
  std::vector<std::string> variables = {};
  std::vector<KeyFile> files = {};
};

struct FoundKey {
  Secret key = {};            // empty: nowhere
  std::string found_in = {};  // "$RUNPOD_API_KEY", "~/.runpod/config.toml"
  std::vector<std::string> warnings = {};
};

/// The first variable that is set, else the first file that has it. Warns of a file that others can read, and
/// of one that we cannot.
FoundKey find_key(Files& files, Processes& processes, const KeyPlaces& places);

/// The text of a file below the home, with the same warnings; empty when it is not there.
std::string read_home_file(Files& files, Processes& processes, const std::string& path,
                           std::vector<std::string>& warnings);

/// A file that holds the key and nothing else.
Secret whole_file_key(std::string_view text);

/// GET with "Authorization: Bearer KEY".
HttpRequest bearer_get(std::string url, const Secret& key);

/// What `check` says: missing when there is no key, else what the answer to `ask` means. `next` is how a key
/// is made; the cloud's own hint goes before it. `ask` may fill in the identity and the permissions.
AccessReport report_access(const FoundKey& found, const std::string& next,
                           const std::function<Status(AccessReport&)>& ask);

}  // namespace gpubroker
