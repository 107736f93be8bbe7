#pragma once
// Files and objects with a hook before and after each call, for faults at the Nth one.
#include <functional>
#include <optional>
#include <string>

#include "core/ports/files.hpp"
#include "core/ports/object_store.hpp"

namespace gpubroker::testing {

/// Called with the verb and the path or key; an error is what the caller gets instead of the answer.
using Hook = std::function<std::optional<Error>(const std::string& verb, const std::string& name)>;

inline std::optional<Error> no_hook(const std::string& /*verb*/, const std::string& /*name*/) {
  return std::nullopt;
}

template <class Deed>
auto hooked(const Hook& before, const Hook& after, const std::string& verb, const std::string& name,
            Deed deed) -> decltype(deed()) {
  if (std::optional<Error> error = before(verb, name)) { return *error; }
  auto answer = deed();
  if (std::optional<Error> error = after(verb, name)) { return *error; }
  return answer;
}

class HookedFiles final : public Files {
 public:
  explicit HookedFiles(Files& files) : files_(files) {}
  Hook before = no_hook;
  Hook after = no_hook;

  Result<std::string> read(const std::string& path) override {
    return hooked(before, after, "read", path, [&] { return files_.read(path); });
  }
  Result<std::string> read_at(const std::string& path, std::int64_t offset, std::int64_t max) override {
    return hooked(before, after, "read_at", path, [&] { return files_.read_at(path, offset, max); });
  }
  Status read_pieces(const std::string& path, const std::function<Status(std::string_view)>& sink) override {
    return hooked(before, after, "read_pieces", path, [&] { return files_.read_pieces(path, sink); });
  }
  Status write_atomic(const std::string& path, std::string_view bytes, int mode, bool durable) override {
    return hooked(before, after, "write_atomic", path,
                  [&] { return files_.write_atomic(path, bytes, mode, durable); });
  }
  Result<bool> write_new(const std::string& path, std::string_view bytes, int mode, bool durable) override {
    return hooked(before, after, "write_new", path,
                  [&] { return files_.write_new(path, bytes, mode, durable); });
  }
  Status copy(const std::string& from, const std::string& to, bool durable) override {
    return hooked(before, after, "copy", from, [&] { return files_.copy(from, to, durable); });
  }
  Status append(const std::string& path, std::string_view bytes) override {
    return hooked(before, after, "append", path, [&] { return files_.append(path, bytes); });
  }
  Result<FileInfo> stat(const std::string& path) override {
    return hooked(before, after, "stat", path, [&] { return files_.stat(path); });
  }
  Result<std::vector<FileInfo>> list(const std::string& path, bool recursive) override {
    return hooked(before, after, "list", path, [&] { return files_.list(path, recursive); });
  }
  Status make_dirs(const std::string& path, int mode) override {
    return hooked(before, after, "make_dirs", path, [&] { return files_.make_dirs(path, mode); });
  }
  Status remove_all(const std::string& path) override {
    return hooked(before, after, "remove_all", path, [&] { return files_.remove_all(path); });
  }
  Status rename(const std::string& from, const std::string& to) override {
    return hooked(before, after, "rename", from, [&] { return files_.rename(from, to); });
  }
  Result<std::string> read_link(const std::string& path) override {
    return hooked(before, after, "read_link", path, [&] { return files_.read_link(path); });
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, Millis wait) override {
    return hooked(before, after, "lock", path, [&] { return files_.lock(path, wait); });
  }

 private:
  Files& files_;
};

class HookedStore final : public ObjectStore {
 public:
  explicit HookedStore(ObjectStore& objects) : objects_(objects) {}
  Hook before = no_hook;
  Hook after = no_hook;

  Status put(const std::string& key, std::string_view bytes) override {
    return hooked(before, after, "put", key, [&] { return objects_.put(key, bytes); });
  }
  Result<bool> put_new(const std::string& key, std::string_view bytes) override {
    return hooked(before, after, "put_new", key, [&] { return objects_.put_new(key, bytes); });
  }
  Result<std::string> get(const std::string& key) override {
    return hooked(before, after, "get", key, [&] { return objects_.get(key); });
  }
  Result<ObjectInfo> head(const std::string& key) override {
    return hooked(before, after, "head", key, [&] { return objects_.head(key); });
  }
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override {
    return hooked(before, after, "list", prefix, [&] { return objects_.list(prefix); });
  }
  Status remove(const std::string& key) override {
    return hooked(before, after, "remove", key, [&] { return objects_.remove(key); });
  }

 private:
  ObjectStore& objects_;
};

}  // namespace gpubroker::testing
