#pragma once
#include <string>
#include <unistd.h>
#include <utility>

#include "core/base/result.hpp"

namespace gpubroker {

/// The one owner of a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Fd() { close(); }

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void close() {
    if (number_ >= 0) { ::close(std::exchange(number_, -1)); }
  }

 private:
  int number_ = -1;
};

struct Pipe {
  Fd read_end;
  Fd write_end;
};

/// Both ends are closed on exec and above standard error, so that a child's standard files can be set in any
/// order.
Result<Pipe> make_pipe();

/// The same for a file; `flags` and `mode` as for open().
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);

/// Writes all of it; the errno of what failed, or 0. Safe after a fork.
int write_all(int fd, const char* bytes, std::size_t size);

}  // namespace gpubroker
