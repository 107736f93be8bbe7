#pragma once
// A user's home and environment of a test's own, where credentials are looked for. Programs that are run are
// real.
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker::testing {

/// Processes whose environment is `variables` and nothing else.
class FakeEnvironment final : public PosixProcesses {
 public:
  std::map<std::string, std::string> variables = {};
  std::optional<std::string> env(const std::string& name) override {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  }
};

class FakeHome {
 public:
  FakeHome() { processes.variables["HOME"] = folder.path(); }

  TemporaryFolder folder = {};
  PosixFiles files = {};
  FakeEnvironment processes = {};

  /// Writes a file below the home; its path.
  std::string write(const std::string& name, const std::string& text, bool executable = false) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    std::filesystem::permissions(
        path, executable ? std::filesystem::perms::owner_all
                         : std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path.string();
  }
};

/// The text of a fixture, "lambda/instance_types.json".
inline std::string fixture(const std::string& name) {
  std::string path = GPUBROKER_FIXTURES;
  path += "/";
  path += name;
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace gpubroker::testing
