#include "core/system/fd.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

namespace gpubroker {
namespace {

/// Moves `fd` above standard error: a child's dup2 onto 0, 1 and 2 must not overwrite what it copies from.
int above_standard_fds(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) { return fd; }
  const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  ::close(fd);
  return higher;
}

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case EEXIST:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
      return ErrorKind::invalid;
    case ENOSPC:
    case EDQUOT:
    case EROFS:
      return ErrorKind::capacity;
    default:
      return ErrorKind::internal;
  }
}

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) { ::close(std::exchange(fd_, -1)); }
}

int UniqueFd::close() {
  // Linux closes the descriptor even when it answers EINTR.
  return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno;
}

Result<Pipe> make_pipe() {
  std::array<int, 2> ends = {-1, -1};
#ifdef __linux__
  const int made = ::pipe2(ends.data(), O_CLOEXEC);
#else
  const int made = ::pipe(ends.data());
  if (made == 0) {
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  }
#endif
  if (made != 0) { return file_error("open", "pipe", errno); }
  Pipe pipe{UniqueFd(above_standard_fds(ends[0])), UniqueFd(above_standard_fds(ends[1]))};
  if (!pipe.read_end.is_open() || !pipe.write_end.is_open()) { return file_error("open", "pipe", EMFILE); }
  return pipe;
}

Result<UniqueFd> open_file(const std::string& path, int flags, int mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
  } while (fd < 0 && errno == EINTR);
  fd = above_standard_fds(fd);
  if (fd < 0) { return file_error("open", path, errno); }
  return UniqueFd(fd);
}

int write_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    if (written < 0 && errno == EINTR) { continue; }
    if (written < 0) { return errno; }
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return 0;
}

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

Error file_error(const std::string& deed, const std::string& path, int error_number) {
  Error error{.kind = kind_of(error_number),
              .message = "cannot " + deed + " '" + path + "': " + errno_text(error_number)};
  if (error.kind == ErrorKind::capacity) {
    error.scope = ErrorScope::account;
    error.hint = "make room on the disk that holds " + path;
  }
  return error;
}

}  // namespace gpubroker
