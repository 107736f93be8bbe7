#pragma once
#include <string>
#include <utility>

#include "core/base/result.hpp"

namespace gpubroker {

/// Owns one file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  /// Gives the descriptor away.
  int release() { return std::exchange(fd_, -1); }
  /// Closes; for what was only read.
  void reset();
  /// Closes and tells the errno (0: none): what was written may fail as late as here (NFS, quotas).
  int close();

 private:
  int fd_ = -1;
};

struct Pipe {
  UniqueFd read_end = {};
  UniqueFd write_end = {};
};

/// Both closed on exec, and never 0, 1 or 2, even in a process that was started without them.
Result<Pipe> make_pipe();
Result<UniqueFd> open_file(const std::string& path, int flags, int mode = 0);

/// All of `bytes`, across short writes and interruptions. The errno, or 0.
int write_all(int fd, const char* bytes, std::size_t size);

/// The Error of a failed call on a path, as core/ports/files.hpp promises. `deed` reads "cannot <deed>
/// '<path>'".
Error file_error(const std::string& deed, const std::string& path, int error_number);

/// The system's words for an errno.
std::string errno_text(int error_number);

}  // namespace gpubroker
