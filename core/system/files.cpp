#include "core/system/files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/system/descriptor.hpp"
#include "core/system/errors.hpp"

namespace gpubroker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1U << 20U;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) { return "."; }
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<Fd> open_to_read(const std::string& path) {
  return open_file(path, O_RDONLY);
}

/// Reads until `max` bytes or the end; also from files of /proc, whose size says nothing.
Result<std::string> read_some(const Fd& fd, const std::string& path, std::int64_t offset, std::int64_t max) {
  // Most files are small: room for a whole piece would cost more (a megabyte set to zero) than the reading.
  constexpr std::size_t kFirst = 4096;
  std::string bytes;
  for (std::size_t room = kFirst; static_cast<std::int64_t>(bytes.size()) < max;
       room = std::min(room * 4, kPiece)) {
    const std::size_t had = bytes.size();
    bytes.resize(had + std::min(room, static_cast<std::size_t>(max) - had));
    const ssize_t got =
        ::pread(fd.get(), bytes.data() + had, bytes.size() - had, offset + static_cast<off_t>(had));
    if (got < 0 && errno == EINTR) {
      bytes.resize(had);
      continue;
    }
    if (got < 0) { return system_error(errno, "cannot read", path); }
    bytes.resize(had + static_cast<std::size_t>(got));
    if (got == 0) { break; }
  }
  return bytes;
}

Status write_to(const Fd& fd, const std::string& path, std::string_view bytes) {
  const int failed = write_all(fd.get(), bytes.data(), bytes.size());
  return failed == 0 ? Status(Ok{}) : system_error(failed, "cannot write", path);
}

Status sync_folder(const std::string& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) { return system_error(errno, "cannot open", folder); }
  if (::fsync(fd.get()) != 0) { return system_error(errno, "cannot sync", folder); }
  return Ok{};
}

/// A name beside `path` that no other thread, process or node uses: pids of two nodes that share a folder may
/// be the same.
Result<std::string> temporary_name(const std::string& path) {
  std::uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) { return system_error(errno, "cannot name", path); }
  return path + ".tmp-" + std::to_string(number);
}

/// A file beside `path`, removed again unless it was kept.
struct Temporary {
  std::string path;
  Fd fd;
  bool kept = false;
  Temporary(std::string name, Fd file) : path(std::move(name)), fd(std::move(file)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  Temporary(Temporary&& other) noexcept
      : path(std::move(other.path)), fd(std::move(other.fd)), kept(std::exchange(other.kept, true)) {}
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() {
    if (!kept) { ::unlink(path.c_str()); }
  }
};

Result<Temporary> create_beside(PosixFiles& files, const std::string& path, int mode) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  TRY(std::string name, temporary_name(path));
  Fd fd(::open(name.c_str(), flags, static_cast<mode_t>(mode)));
  if (!fd && errno == ENOENT) {
    TRY([[maybe_unused]] const Ok made, files.make_dirs(parent_of(path), 0755));
    fd = Fd(::open(name.c_str(), flags, static_cast<mode_t>(mode)));
  }
  if (!fd) { return system_error(errno, "cannot create", path); }
  Temporary temporary(std::move(name), std::move(fd));
  if (::fchmod(temporary.fd.get(), static_cast<mode_t>(mode)) != 0) {
    return system_error(errno, "cannot set the mode of", path);
  }
  return temporary;
}

Status finish(const Fd& fd, const std::string& path, bool durable) {
  if (durable && ::fsync(fd.get()) != 0) { return system_error(errno, "cannot sync", path); }
  return Ok{};
}

FileInfo info_from(const struct stat& st, std::string name) {
  FileInfo info;
  info.name = std::move(name);
  info.type = S_ISREG(st.st_mode)   ? FileType::file
              : S_ISDIR(st.st_mode) ? FileType::directory
              : S_ISLNK(st.st_mode) ? FileType::link
                                    : FileType::other;
  info.size = st.st_size;
  info.modified_ns = static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec;
  info.modified = {info.modified_ns / 1'000'000};
  info.mode = static_cast<int>(st.st_mode & 07777U);
  info.inode = st.st_ino;
  return info;
}

class HeldLock final : public FileLock {
 public:
  explicit HeldLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;  // closing it gives the lock back
};

}  // namespace

Result<std::string> PosixFiles::read(const std::string& path) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  TRY(const Fd fd, open_to_read(path));
  TRY(std::string bytes, read_some(fd, path, 0, kMost + 1));
  if (static_cast<std::int64_t>(bytes.size()) > kMost) {
    return Error{
        .kind = ErrorKind::invalid, .message = "cannot read " + path + ": larger than 2 GiB", .source = path};
  }
  return bytes;
}

Result<std::string> PosixFiles::read_at(const std::string& path, std::int64_t offset, std::int64_t max) {
  TRY(const Fd fd, open_to_read(path));
  return read_some(fd, path, offset, max);
}

Status PosixFiles::read_pieces(const std::string& path, const std::function<Status(std::string_view)>& sink) {
  TRY(const Fd fd, open_to_read(path));
  for (std::int64_t offset = 0;;) {
    TRY(const std::string piece, read_some(fd, path, offset, kPiece));
    if (piece.empty()) { return Ok{}; }
    TRY([[maybe_unused]] const Ok taken, sink(piece));
    offset += static_cast<std::int64_t>(piece.size());
  }
}

Status PosixFiles::write_atomic(const std::string& path, std::string_view bytes, int mode, bool durable) {
  TRY(Temporary temporary, create_beside(*this, path, mode));
  TRY([[maybe_unused]] const Ok written, write_to(temporary.fd, path, bytes));
  TRY([[maybe_unused]] const Ok synced, finish(temporary.fd, path, durable));
  if (::rename(temporary.path.c_str(), path.c_str()) != 0) {
    return system_error(errno, "cannot replace", path);
  }
  temporary.kept = true;
  return durable ? sync_folder(parent_of(path)) : Status(Ok{});
}

Result<bool> PosixFiles::write_new(const std::string& path, std::string_view bytes, int mode, bool durable) {
  TRY(const Temporary temporary, create_beside(*this, path, mode));
  TRY([[maybe_unused]] const Ok written, write_to(temporary.fd, path, bytes));
  TRY([[maybe_unused]] const Ok synced, finish(temporary.fd, path, durable));
  // link() fails when the name is taken, rename() would not.
  if (::link(temporary.path.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) { return false; }
    return system_error(errno, "cannot create", path);
  }
  if (durable) { TRY([[maybe_unused]] const Ok folder, sync_folder(parent_of(path))); }
  return true;
}

Status PosixFiles::copy(const std::string& from, const std::string& to, bool durable) {
  TRY(const FileInfo info, stat(from));
  TRY(Temporary temporary, create_beside(*this, to, info.mode));
  const Fd& out = temporary.fd;
  TRY([[maybe_unused]] const Ok copied,
      read_pieces(from, [&](std::string_view piece) { return write_to(out, to, piece); }));
  TRY([[maybe_unused]] const Ok synced, finish(out, to, durable));
  if (::rename(temporary.path.c_str(), to.c_str()) != 0) { return system_error(errno, "cannot replace", to); }
  temporary.kept = true;
  return durable ? sync_folder(parent_of(to)) : Status(Ok{});
}

Status PosixFiles::append(const std::string& path, std::string_view bytes) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  Fd fd(::open(path.c_str(), flags, 0600));
  if (!fd && errno == ENOENT) {
    TRY([[maybe_unused]] const Ok made, make_dirs(parent_of(path), 0755));
    fd = Fd(::open(path.c_str(), flags, 0600));
  }
  if (!fd) { return system_error(errno, "cannot open", path); }
  return write_to(fd, path, bytes);
}

Result<FileInfo> PosixFiles::stat(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) { return system_error(errno, "cannot look at", path); }
  const std::size_t slash = path.rfind('/');
  return info_from(st, slash == std::string::npos ? path : path.substr(slash + 1));
}

/// Adds what stands in a folder to the files, or to the folders that are looked at next.
static Status sort_in(const fs::path& entry, const std::string& name, bool recursive,
                      std::vector<std::string>& folders, std::vector<FileInfo>& found) {
  struct stat st {};
  if (::lstat(entry.c_str(), &st) != 0) {
    if (errno == ENOENT) { return Ok{}; }  // gone since it was listed
    return system_error(errno, "cannot look at", entry);
  }
  if (recursive && S_ISDIR(st.st_mode)) {
    folders.push_back(name);
  } else {
    found.push_back(info_from(st, name));
  }
  return Ok{};
}

Result<std::vector<FileInfo>> PosixFiles::list(const std::string& path, bool recursive) {
  std::vector<FileInfo> found;
  std::vector<std::string> folders{""};
  while (!folders.empty()) {
    const std::string below = std::move(folders.back());
    folders.pop_back();
    std::error_code failed;
    std::string folder = path;
    if (!below.empty()) {
      folder += '/';
      folder += below;
    }
    for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
      std::string name = below.empty() ? "" : below + "/";
      name += entry->path().filename().string();
      TRY([[maybe_unused]] const Ok sorted, sort_in(entry->path(), name, recursive, folders, found));
    }
    // A folder that vanished below the one asked for is as one that was never there; any other silence would
    // be taken for an empty folder.
    const bool vanished = !below.empty() && (failed.value() == ENOENT || failed.value() == ENOTDIR);
    if (failed && !vanished) { return system_error(failed.value(), "cannot list", folder); }
  }
  std::sort(found.begin(), found.end(), [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return found;
}

Status PosixFiles::make_dirs(const std::string& path, int mode) {
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0 || path.empty() || path == "/") { return Ok{}; }
  if (errno == ENOENT) {
    TRY([[maybe_unused]] const Ok above, make_dirs(parent_of(path), mode));
    if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) { return Ok{}; }
  }
  const int number = errno;
  struct stat st {};
  if (number == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) { return Ok{}; }
  return system_error(number == EEXIST ? ENOTDIR : number, "cannot make the folder", path);
}

Status PosixFiles::remove_all(const std::string& path) {
  // Another that removes or fills the same folder makes std::filesystem stop in the middle.
  constexpr int kTries = 100;
  std::error_code failed;
  for (int tried = 0; tried < kTries; ++tried) {
    fs::remove_all(path, failed);
    if (!failed) { return Ok{}; }
    if (failed.value() != ENOENT && failed.value() != ENOTEMPTY) { break; }
  }
  return system_error(failed.value(), "cannot remove", path);
}

Status PosixFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) { return system_error(errno, "cannot rename", from); }
  return Ok{};
}

Result<std::string> PosixFiles::read_link(const std::string& path) {
  std::error_code failed;
  const fs::path target = fs::read_symlink(path, failed);
  if (failed) { return system_error(failed.value(), "cannot read the link", path); }
  return target.string();
}

Result<std::unique_ptr<FileLock>> PosixFiles::lock(const std::string& path, Millis wait) {
  TRY([[maybe_unused]] const Ok made, make_dirs(parent_of(path), 0755));
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) { return system_error(errno, "cannot open", path); }
  constexpr useconds_t kPause = 2'000;
  for (Millis waited{0};; waited += Millis{2}) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(std::move(fd)));
    }
    if (errno != EWOULDBLOCK && errno != EINTR) { return system_error(errno, "cannot lock", path); }
    if (waited >= wait) {
      return Error{.kind = ErrorKind::conflict, .message = "another process holds " + path, .source = path};
    }
    ::usleep(kPause);
  }
}

}  // namespace gpubroker
