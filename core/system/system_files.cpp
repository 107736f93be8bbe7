#include "core/system/system_files.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/system/fd.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kPiece = 1U << 20U;
constexpr int kNewDirMode = 0755;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) { return "."; }
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Without the slashes at the end, which would hide the last name.
std::string plain(std::string path) {
  while (path.size() > 1 && path.back() == '/') { path.pop_back(); }
  return path;
}

/// One read across interruptions: bytes read, 0 at the end, or -1 with errno.
ssize_t read_some(int fd, char* to, std::size_t size) {
  ssize_t got = -1;
  do { got = ::read(fd, to, size); } while (got < 0 && errno == EINTR);
  return got;
}

int sync_fd(int fd) {
#ifdef F_FULLFSYNC
  return ::fcntl(fd, F_FULLFSYNC) == 0 ? 0
                                       : errno;  // macOS: fsync alone leaves the bytes in the drive's cache
#else
  return ::fsync(fd) == 0 ? 0 : errno;
#endif
}

/// Makes the names in a folder survive a power cut.
Status sync_folder(const std::string& path) {
  TRY(const UniqueFd folder, open_file(path, O_RDONLY | O_DIRECTORY));
  const int failed = sync_fd(folder.get());
  if (failed != 0 && failed != EINVAL) {
    return file_error("sync", path, failed);
  }  // EINVAL: it cannot be synced
  return Ok{};
}

Status make_dirs_synced(const std::string& path, int mode, bool durable) {
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    const int failed = errno;
    if (failed == ENOENT && folder_of(path) != path) {
      if (Status parent = make_dirs_synced(folder_of(path), mode, durable); !parent.ok()) { return parent; }
      if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
        return file_error("make folder", path, errno);
      }
    } else {
      struct ::stat info {};
      if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) { return Ok{}; }
      return file_error("make folder", path, failed);
    }
  }
  return durable ? sync_folder(folder_of(path)) : Status(Ok{});
}

FileInfo info_from(std::string name, const struct ::stat& raw) {
#ifdef __APPLE__
  const timespec& modified = raw.st_mtimespec;
#else
  const timespec& modified = raw.st_mtim;
#endif
  FileInfo info{.name = std::move(name), .type = FileType::other, .size = raw.st_size};
  if (S_ISREG(raw.st_mode)) { info.type = FileType::file; }
  if (S_ISDIR(raw.st_mode)) { info.type = FileType::directory; }
  if (S_ISLNK(raw.st_mode)) { info.type = FileType::link; }
  info.modified_ns = std::int64_t{modified.tv_sec} * 1'000'000'000 + modified.tv_nsec;
  info.modified = {info.modified_ns / 1'000'000};
  info.mode = static_cast<int>(raw.st_mode & 07777U);
  return info;
}

/// A file under a temporary name beside its target. What is not published is removed.
class TemporaryFile {
 public:
  static Result<TemporaryFile> make(const std::string& target, std::atomic<std::uint64_t>& next,
                                    bool durable) {
    const std::string folder = folder_of(target);
    bool made_folder = false;
    for (;;) {
      const std::string name = folder + "/" + std::string(PosixFiles::kTemporaryPrefix) +
                               std::to_string(::getpid()) + "-" + std::to_string(next.fetch_add(1));
      Result<UniqueFd> fd = open_file(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
      if (fd.ok()) { return TemporaryFile(std::move(fd).value(), name, target); }
      if (fd.error().kind == ErrorKind::not_found && !made_folder) {
        made_folder = true;
        if (Status dirs = make_dirs_synced(folder, kNewDirMode, durable); !dirs.ok()) { return dirs.error(); }
      } else if (::access(name.c_str(), F_OK) != 0) {
        Error error = fd.error();
        error.message += " (to write '" + target + "')";
        return error;
      }  // else: left behind by a killed process with our pid; the next number is free
    }
  }
  TemporaryFile(TemporaryFile&& other) noexcept
      : fd_(std::move(other.fd_)), name_(std::exchange(other.name_, {})), target_(std::move(other.target_)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!name_.empty()) { ::unlink(name_.c_str()); }
  }

  Status write(std::string_view bytes) {
    const int failed = write_all(fd_.get(), bytes.data(), bytes.size());
    return failed == 0 ? Status(Ok{}) : Status(file_error("write", target_, failed));
  }

  /// Puts it in the target's place. False: `keep_existing`, and there was one.
  Result<bool> publish(int mode, bool durable, bool keep_existing) {
    int failed = ::fchmod(fd_.get(), static_cast<mode_t>(mode)) == 0 ? 0 : errno;
    if (failed == 0 && durable) { failed = sync_fd(fd_.get()); }
    if (const int at_close = fd_.close(); failed == 0) { failed = at_close; }
    if (failed != 0) { return file_error("write", target_, failed); }
    if (keep_existing) {
      if (::link(name_.c_str(), target_.c_str()) != 0) {
        if (errno == EEXIST) { return false; }
        return file_error("create", target_, errno);
      }
    } else {
      if (::rename(name_.c_str(), target_.c_str()) != 0) { return file_error("replace", target_, errno); }
      name_.clear();
    }
    if (durable) {
      if (Status synced = sync_folder(folder_of(target_)); !synced.ok()) { return synced.error(); }
    }
    return true;
  }

 private:
  TemporaryFile(UniqueFd fd, std::string name, std::string target)
      : fd_(std::move(fd)), name_(std::move(name)), target_(std::move(target)) {}

  UniqueFd fd_;
  std::string name_;
  std::string target_;
};

class HeldLock : public FileLock {
 public:
  explicit HeldLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;  // closing it releases the flock
};

/// Whether `path` still names the open file: whoever removed it took the lock's meaning along.
bool is_still_named(int fd, const std::string& path) {
  struct ::stat open_one {};
  struct ::stat named {};
  return ::fstat(fd, &open_one) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

Millis monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Millis{std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000};
}

Status list_into(const std::string& root, const std::string& below, bool recursive,
                 std::vector<FileInfo>& found) {
  const std::string folder = below.empty() ? root : root + "/" + below;
  std::error_code failed;
  std::filesystem::directory_iterator entry(folder, failed);
  if (failed && !below.empty() && failed.value() == ENOENT) { return Ok{}; }  // went away while we looked
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (name.rfind(PosixFiles::kTemporaryPrefix, 0) == 0) { continue; }
    struct ::stat raw {};
    if (::lstat((folder + "/" + name).c_str(), &raw) != 0) {
      if (errno == ENOENT) { continue; }
      return file_error("look at", folder + "/" + name, errno);
    }
    const std::string relative = below.empty() ? name : below + "/" + name;
    if (!recursive || !S_ISDIR(raw.st_mode)) {
      found.push_back(info_from(relative, raw));
    } else if (Status inner = list_into(root, relative, recursive, found); !inner.ok()) {
      return inner;
    }
  }
  if (failed) { return file_error("list", folder, failed.value()); }
  return Ok{};
}

}  // namespace

Result<std::string> PosixFiles::read(const std::string& path) {
  std::string bytes;
  const Status all = read_pieces(path, [&bytes](std::string_view piece) -> Status {
    bytes += piece;
    return Ok{};
  });
  if (!all.ok()) { return all.error(); }
  return bytes;
}

Result<std::string> PosixFiles::read_at(const std::string& path, std::int64_t offset, std::int64_t max) {
  TRY(const UniqueFd file, open_file(path, O_RDONLY));
  struct ::stat info {};
  if (::fstat(file.get(), &info) != 0) { return file_error("read", path, errno); }
  // Not more memory than there is to read: callers ask with generous bounds.
  const std::int64_t there = S_ISREG(info.st_mode) ? std::max<std::int64_t>(info.st_size - offset, 0) : max;
  std::string bytes(static_cast<std::size_t>(std::max<std::int64_t>(std::min(max, there), 0)), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::pread(file.get(), bytes.data() + have, bytes.size() - have,
                                static_cast<off_t>(offset) + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) { continue; }
    if (got < 0) { return file_error("read", path, errno); }
    if (got == 0) { break; }
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  if (S_ISDIR(info.st_mode)) { return file_error("read", path, EISDIR); }
  return bytes;
}

Status PosixFiles::read_pieces(const std::string& path, const std::function<Status(std::string_view)>& sink) {
  TRY(const UniqueFd file, open_file(path, O_RDONLY));
  struct ::stat info {};
  const bool small = ::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                     info.st_size < static_cast<std::int64_t>(kPiece);
  // A small file needs no megabyte of buffer; /proc files say size 0 and are read in pieces of a page.
  std::string buffer(small ? std::max<std::size_t>(static_cast<std::size_t>(info.st_size) + 1, 4096) : kPiece,
                     '\0');
  for (;;) {
    const ssize_t got = read_some(file.get(), buffer.data(), buffer.size());
    if (got < 0) { return file_error("read", path, errno); }
    if (got == 0) { return Ok{}; }
    if (Status taken = sink(std::string_view(buffer).substr(0, static_cast<std::size_t>(got))); !taken.ok()) {
      return taken;
    }
  }
}

Status PosixFiles::write_atomic(const std::string& path, std::string_view bytes, int mode, bool durable) {
  TRY(TemporaryFile temporary, TemporaryFile::make(path, next_temporary_, durable));
  if (Status written = temporary.write(bytes); !written.ok()) { return written; }
  TRY([[maybe_unused]] const bool done, temporary.publish(mode, durable, /*keep_existing=*/false));
  return Ok{};
}

Result<bool> PosixFiles::write_new(const std::string& path, std::string_view bytes, int mode, bool durable) {
  struct ::stat info {};
  if (::lstat(path.c_str(), &info) == 0) { return false; }  // the common answer, without writing anything
  TRY(TemporaryFile temporary, TemporaryFile::make(path, next_temporary_, durable));
  if (Status written = temporary.write(bytes); !written.ok()) { return written.error(); }
  return temporary.publish(mode, durable, /*keep_existing=*/true);
}

Status PosixFiles::copy(const std::string& from, const std::string& to, bool durable) {
  TRY(const UniqueFd source, open_file(from, O_RDONLY));
  struct ::stat info {};
  if (::fstat(source.get(), &info) != 0) { return file_error("read", from, errno); }
  if (S_ISDIR(info.st_mode)) { return file_error("read", from, EISDIR); }
  TRY(TemporaryFile temporary, TemporaryFile::make(to, next_temporary_, durable));
  std::string buffer(kPiece, '\0');
  for (;;) {
    const ssize_t got = read_some(source.get(), buffer.data(), buffer.size());
    if (got < 0) { return file_error("read", from, errno); }
    if (got == 0) { break; }
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
    if (Status written = temporary.write(piece); !written.ok()) { return written; }
  }
  const int mode = static_cast<int>(info.st_mode & 07777U);
  TRY([[maybe_unused]] const bool done, temporary.publish(mode, durable, /*keep_existing=*/false));
  return Ok{};
}

Status PosixFiles::append(const std::string& path, std::string_view bytes) {
  TRY(UniqueFd file, open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0644));
  int failed = write_all(file.get(), bytes.data(), bytes.size());
  if (const int at_close = file.close(); failed == 0) { failed = at_close; }
  if (failed != 0) { return file_error("append to", path, failed); }
  return Ok{};
}

Result<FileInfo> PosixFiles::stat(const std::string& path) {
  struct ::stat raw {};
  if (::lstat(path.c_str(), &raw) != 0) { return file_error("look at", path, errno); }
  return info_from(std::filesystem::path(plain(path)).filename().string(), raw);
}

Result<std::vector<FileInfo>> PosixFiles::list(const std::string& path, bool recursive) {
  std::vector<FileInfo> found;
  if (Status listed = list_into(plain(path), "", recursive, found); !listed.ok()) { return listed.error(); }
  std::sort(found.begin(), found.end(), [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return found;
}

Status PosixFiles::make_dirs(const std::string& path, int mode) {
  return make_dirs_synced(plain(path), mode, /*durable=*/false);
}

Status PosixFiles::remove_all(const std::string& path) {
  std::error_code failed;
  std::filesystem::remove_all(plain(path), failed);
  if (failed && failed.value() != ENOENT) { return file_error("remove", path, failed.value()); }
  return Ok{};
}

Status PosixFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) { return file_error("rename to '" + to + "'", from, errno); }
  return Ok{};
}

Result<std::string> PosixFiles::read_link(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path target = std::filesystem::read_symlink(path, failed);
  if (failed) { return file_error("read link", path, failed.value()); }
  return target.string();
}

Result<std::unique_ptr<FileLock>> PosixFiles::lock(const std::string& path, Millis wait) {
  const Millis deadline = monotonic_now() + wait;
  const timespec pause{0, 10'000'000};
  if (Status dirs = make_dirs(folder_of(path), kNewDirMode); !dirs.ok()) { return dirs.error(); }
  for (;;) {
    TRY(UniqueFd file, open_file(path, O_RDWR | O_CREAT, 0644));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      if (is_still_named(file.get(), path)) {
        return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(std::move(file)));
      }
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return file_error("lock", path, errno);
    }
    if (monotonic_now() >= deadline) {
      return Error{.kind = ErrorKind::conflict, .message = "'" + path + "' is locked by another process"};
    }
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace gpubroker
