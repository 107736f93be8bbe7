#include "core/base/text.hpp"
#include "core/checkpoint/internals.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kTemporary = ".tmp-";  // of Files::write_atomic

/// Objects are files below a folder, replaced whole and synced.
class DirectoryStore final : public ObjectStore {
 public:
  DirectoryStore(std::string root, Files& files) : root_(std::move(root)), files_(files) {}

  Status put(const std::string& key, std::string_view bytes) override {
    TRY(const std::string path, path_of(key));
    return files_.write_atomic(path, bytes, 0600, /*durable=*/true);
  }

  Result<bool> put_new(const std::string& key, std::string_view bytes) override {
    TRY(const std::string path, path_of(key));
    return files_.write_new(path, bytes, 0600, /*durable=*/true);
  }

  Result<std::string> get(const std::string& key) override {
    TRY([[maybe_unused]] const ObjectInfo there, head(key));
    TRY(const std::string path, path_of(key));
    return files_.read(path);
  }

  Result<ObjectInfo> head(const std::string& key) override {
    TRY(const std::string path, path_of(key));
    TRY(const FileInfo info, files_.stat(path));
    if (info.type == FileType::directory) { return no_object(key); }
    return ObjectInfo{.key = key, .size = info.size};
  }

  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override {
    const std::size_t slash = prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash);
    if (!folder.empty()) { TRY([[maybe_unused]] const std::string below, path_of(folder)); }
    const Result<std::vector<FileInfo>> found =
        files_.list(folder.empty() ? root_ : root_ + "/" + folder, /*recursive=*/true);
    if (!found.ok() && found.error().kind == ErrorKind::not_found) { return std::vector<ObjectInfo>{}; }
    if (!found.ok()) { return found.error(); }
    std::vector<ObjectInfo> objects;
    for (const FileInfo& file : found.value()) {
      const std::string key = (folder.empty() ? "" : folder + "/") + file.name;
      // A temporary name is a write in the making, or what a crash left of one.
      const bool whole = file.name.find(kTemporary) == std::string::npos;
      if (whole && key.rfind(prefix, 0) == 0) { objects.push_back({.key = key, .size = file.size}); }
    }
    return objects;
  }

  Status remove(const std::string& key) override {
    const Result<ObjectInfo> there = head(key);
    if (!there.ok()) { return there.error().kind == ErrorKind::not_found ? Status(Ok{}) : there.error(); }
    TRY(const std::string path, path_of(key));
    return files_.remove_all(path);
  }

 private:
  /// A folder on the way to objects is none itself.
  [[nodiscard]] Error no_object(const std::string& key) const {
    return {.kind = ErrorKind::not_found, .message = "no object is called " + key, .source = root_};
  }

  [[nodiscard]] Result<std::string> path_of(const std::string& key) const {
    for (const std::string& part : split(key, '/')) {
      // A temporary name would never be listed, a NUL would end the name for the system.
      const bool hidden = part.find(kTemporary) != std::string::npos || part.find('\0') != std::string::npos;
      if (part.empty() || part == "." || part == ".." || hidden) {
        return Error{
            .kind = ErrorKind::invalid, .message = "not a key of an object: " + key, .source = root_};
      }
    }
    return root_ + "/" + key;
  }

  std::string root_;
  Files& files_;
};

}  // namespace

std::unique_ptr<ObjectStore> checkpoint::make_directory_store(const std::string& root, Files& files) {
  return std::make_unique<DirectoryStore>(root, files);
}

}  // namespace gpubroker
