#include "core/system/descriptor.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>

#include "core/system/errors.hpp"

namespace gpubroker {
namespace {

/// A program that was started without standard files gets their numbers from open() and pipe().
Fd above_standard(Fd fd) {
  if (!fd || fd.get() > STDERR_FILENO) { return fd; }
  return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

}  // namespace

Result<Pipe> make_pipe() {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) { return system_error(errno, "cannot make", "a pipe"); }
  Pipe pipe{above_standard(Fd(ends[0])), above_standard(Fd(ends[1]))};
  if (!pipe.read_end || !pipe.write_end) { return system_error(errno, "cannot make", "a pipe"); }
  return pipe;
}

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  Fd fd = above_standard(Fd(::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode))));
  if (!fd) { return system_error(errno, "cannot open", path); }
  return fd;
}

int write_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t put = ::write(fd, bytes, size);
    if (put < 0 && errno == EINTR) { continue; }
    if (put < 0) { return errno; }
    bytes += put;
    size -= static_cast<std::size_t>(put);
  }
  return 0;
}

}  // namespace gpubroker
