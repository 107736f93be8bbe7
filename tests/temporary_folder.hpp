#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

namespace gpubroker::testing {

/// A folder of a test's own: made with a fresh name, gone with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() : TemporaryFolder(std::filesystem::temp_directory_path()) {}
  explicit TemporaryFolder(const std::filesystem::path& parent) : path_(parent / "gpubroker-test-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) { std::abort(); }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace gpubroker::testing
