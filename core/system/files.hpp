#pragma once
#include "core/ports/files.hpp"

namespace gpubroker {

/// The disk of this machine. Safe to use from several threads.
class PosixFiles : public Files {
 public:
  Result<std::string> read(const std::string& path) override;
  Result<std::string> read_at(const std::string& path, std::int64_t offset, std::int64_t max) override;
  Status read_pieces(const std::string& path, const std::function<Status(std::string_view)>& sink) override;
  Status write_atomic(const std::string& path, std::string_view bytes, int mode, bool durable) override;
  Result<bool> write_new(const std::string& path, std::string_view bytes, int mode, bool durable) override;
  Status copy(const std::string& from, const std::string& to, bool durable) override;
  Status append(const std::string& path, std::string_view bytes) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& path, bool recursive) override;
  Status make_dirs(const std::string& path, int mode) override;
  Status remove_all(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Result<std::string> read_link(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, Millis wait) override;
};

}  // namespace gpubroker
