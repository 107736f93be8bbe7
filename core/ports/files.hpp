#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

enum class FileType { file, directory, link, other };

struct FileInfo {
  std::string name = {};  // relative to the folder that was listed; "a/b" when listed recursively
  FileType type = FileType::file;
  std::int64_t size = 0;
  Instant modified = {};
  std::int64_t modified_ns = 0;  // full mtime in nanoseconds, to notice a change within a millisecond
  int mode = 0;                  // permission bits
  std::uint64_t inode = 0;       // another one when the file was replaced, also within the clock's tick
};

/// A held lock on a file; released when destroyed or when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// The disk. Errors: `not_found`; `invalid` for no permission and wrong types; `capacity` with scope account
/// for no space left (ENOSPC, EDQUOT) and read-only file systems; else `internal`. Each message names the
/// path and the system's words.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::string> read(const std::string& path) = 0;
  /// Up to `max` bytes from `offset`; shorter at the end, empty past it.
  virtual Result<std::string> read_at(const std::string& path, std::int64_t offset, std::int64_t max) = 0;
  /// Calls `sink` with consecutive pieces of at most 1 MiB; stops with sink's error.
  virtual Status read_pieces(const std::string& path,
                             const std::function<Status(std::string_view)>& sink) = 0;
  /// Replaces the file whole: a reader sees the old or the new, never half, also after a crash (temporary
  /// file in the same folder, fsync when `durable`, rename, fsync of the folder). Missing parent folders are
  /// made.
  virtual Status write_atomic(const std::string& path, std::string_view bytes, int mode, bool durable) = 0;
  /// Creates the file with these bytes unless it exists. False when it existed (its content is untouched).
  /// Same atomicity as write_atomic.
  virtual Result<bool> write_new(const std::string& path, std::string_view bytes, int mode, bool durable) = 0;
  /// Copies a file through a temporary name as write_atomic does, keeping its mode.
  virtual Status copy(const std::string& from, const std::string& to, bool durable) = 0;
  virtual Status append(const std::string& path, std::string_view bytes) = 0;
  virtual Result<FileInfo> stat(const std::string& path) = 0;  // does not follow a last link
  /// Entries by name, sorted; recursive ones give files and links with their path below `path`, not the
  /// folders.
  virtual Result<std::vector<FileInfo>> list(const std::string& path, bool recursive) = 0;
  virtual Status make_dirs(const std::string& path, int mode) = 0;  // succeeds when it is already there
  virtual Status remove_all(const std::string& path) = 0;           // succeeds when it is already gone
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Result<std::string> read_link(const std::string& path) = 0;
  /// Exclusive lock (flock), made if missing. `conflict` when another holds it and `wait` is over.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, Millis wait) = 0;
};

}  // namespace gpubroker
