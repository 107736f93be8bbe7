#include "core/system/files.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/system/process.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/system/eventually.hpp"

namespace gpubroker {
namespace {

using testing::TemporaryFolder;

std::string names_in(PosixFiles& files, const std::string& folder, bool recursive) {
  std::string names;
  const std::vector<FileInfo> found = files.list(folder, recursive).value();
  for (const FileInfo& file : found) { names += file.name + " "; }
  return names;
}

/// A file system of 256 KiB, as small disks are full so soon. Needs root.
class SmallDisk {
 public:
  SmallDisk() { mounted_ = ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=256k") == 0; }
  ~SmallDisk() {
    if (mounted_) { ::umount2(folder_.path().c_str(), MNT_DETACH); }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] const std::string& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_ = false;
};

TEST_CASE("bytes come back as they were, whole and in parts") {
  TemporaryFolder folder;
  PosixFiles files;
  std::string bytes(std::size_t{3} << 20U, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) { bytes[i] = static_cast<char>(i * 7 / 3); }
  const std::string path = folder / "a/b/c";
  REQUIRE(files.write_atomic(path, bytes, 0640, /*durable=*/true).ok());
  CHECK(files.read(path).value() == bytes);
  CHECK(files.read_at(path, 1'000'000, 1'500'000).value() == bytes.substr(1'000'000, 1'500'000));
  CHECK(files.read_at(path, static_cast<std::int64_t>(bytes.size()) - 2, 10).value() ==
        bytes.substr(bytes.size() - 2));
  CHECK(files.read_at(path, 1 << 30, 10).value().empty());
  std::string pieces;
  REQUIRE(files
              .read_pieces(path,
                           [&](std::string_view piece) -> Status {
                             CHECK(piece.size() <= std::size_t{1} << 20U);
                             pieces += piece;
                             return Ok{};
                           })
              .ok());
  CHECK(pieces == bytes);
  const Status stopped = files.read_pieces(path, [](std::string_view) -> Status {
    return Error{.kind = ErrorKind::conflict, .message = "enough"};
  });
  CHECK(stopped.error().message == "enough");
  CHECK(files.stat(path).value().mode == 0640);
  CHECK(files.stat(path).value().size == static_cast<std::int64_t>(bytes.size()));
  CHECK(files.read("/proc/self/stat").value().size() > 10);  // a file whose size says nothing
  REQUIRE(files.append(folder / "new/log", "one\n").ok());
  REQUIRE(files.append(folder / "new/log", "two\n").ok());
  CHECK(files.read(folder / "new/log").value() == "one\ntwo\n");
}

TEST_CASE("a reader sees the old file or the new one, never half") {
  TemporaryFolder folder;
  PosixFiles files;
  const std::string path = folder / "state";
  const std::string old(100'000, 'a');
  const std::string fresh(200'000, 'b');
  REQUIRE(files.write_atomic(path, old, 0600, false).ok());
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      CHECK(files.write_atomic(path, i % 2 == 0 ? fresh : old, 0600, false).ok());
    }
    done = true;
  });
  std::size_t mixtures = 0;
  while (!done) {
    const Result<std::string> seen = files.read(path);
    if (!seen.ok() || (seen.value() != old && seen.value() != fresh)) { ++mixtures; }
  }
  writer.join();
  CHECK(mixtures == 0);
  CHECK(names_in(files, folder.path(), false) == "state ");  // no temporary file is left
}

TEST_CASE("write_new: one of many wins, the others change nothing") {
  TemporaryFolder folder;
  PosixFiles files;
  for (int round = 0; round < 30; ++round) {
    const std::string path = folder / std::to_string(round);
    std::atomic<int> winner{-1};
    std::atomic<int> wins{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        if (files.write_new(path, std::to_string(i), 0600, false).value()) {
          winner = i;
          ++wins;
        }
      });
    }
    for (std::thread& thread : threads) { thread.join(); }
    REQUIRE(wins == 1);
    CHECK(files.read(path).value() == std::to_string(winner.load()));
  }
  CHECK(files.list(folder.path(), false).value().size() == 30);
}

TEST_CASE("a copy keeps bytes and mode") {
  TemporaryFolder folder;
  PosixFiles files;
  REQUIRE(files.write_atomic(folder / "a", "text", 0751, false).ok());
  REQUIRE(files.copy(folder / "a", folder / "deep/b", /*durable=*/true).ok());
  CHECK(files.read(folder / "deep/b").value() == "text");
  CHECK(files.stat(folder / "deep/b").value().mode == 0751);
  CHECK(files.copy(folder / "nothing", folder / "c", false).error().kind == ErrorKind::not_found);
  CHECK(names_in(files, folder.path(), true) == "a deep/b ");
}

TEST_CASE("lists: sorted, recursive without the folders, links as links") {
  TemporaryFolder folder;
  PosixFiles files;
  for (const char* name : {"z", "a/2", "a/1", "a/b/c"}) {
    REQUIRE(files.write_atomic(folder / name, name, 0600, false).ok());
  }
  REQUIRE(files.make_dirs(folder / "empty/inside", 0755).ok());
  std::filesystem::create_directory_symlink(folder / "a", folder / "link");
  CHECK(names_in(files, folder.path(), false) == "a empty link z ");
  CHECK(names_in(files, folder.path(), true) == "a/1 a/2 a/b/c link z ");
  CHECK(files.stat(folder / "link").value().type == FileType::link);
  CHECK(files.read_link(folder / "link").value() == folder / "a");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(files.stat(folder / "pipe").value().type == FileType::other);
  CHECK(files.stat(folder / "a").value().type == FileType::directory);
}

TEST_CASE("what is there already, or already gone, is fine") {
  TemporaryFolder folder;
  PosixFiles files;
  REQUIRE(files.make_dirs(folder / "a/b", 0755).ok());
  CHECK(files.make_dirs(folder / "a/b", 0755).ok());
  CHECK(files.remove_all(folder / "a").ok());
  CHECK(files.remove_all(folder / "a").ok());
  CHECK_FALSE(files.stat(folder / "a").ok());
  REQUIRE(files.write_atomic(folder / "x", "x", 0600, false).ok());
  REQUIRE(files.rename(folder / "x", folder / "y").ok());
  CHECK(files.read(folder / "y").value() == "x");
  CHECK(files.rename(folder / "x", folder / "y").error().kind == ErrorKind::not_found);
}

TEST_CASE("two may remove one tree at once") {
  PosixFiles files;
  for (int round = 0; round < 10; ++round) {
    TemporaryFolder folder;
    for (int i = 0; i < 60; ++i) {
      REQUIRE(files
                  .write_atomic(folder / ("t/" + std::to_string(i % 6) + "/" + std::to_string(i)), "x", 0600,
                                false)
                  .ok());
    }
    Status other = Ok{};
    std::thread thread([&] { other = files.remove_all(folder / "t"); });
    const Status mine = files.remove_all(folder / "t");
    thread.join();
    CHECK(mine.ok());
    CHECK(other.ok());
    CHECK_FALSE(files.stat(folder / "t").ok());
  }
}

TEST_CASE("errors name the path and the system's words, and are of the right kind") {
  TemporaryFolder folder;
  PosixFiles files;
  REQUIRE(files.write_atomic(folder / "file", "x", 0600, false).ok());
  struct Case {
    Error error;
    ErrorKind kind;
    std::string words;
  };
  const std::string below = folder / "file/below";
  const std::vector<Case> cases = {
      {files.read(folder / "none").error(), ErrorKind::not_found,
       "cannot open " + folder / "none" + ": No such file"},
      {files.read(folder.path()).error(), ErrorKind::invalid,
       "cannot read " + folder.path() + ": Is a directory"},
      {files.read(below).error(), ErrorKind::invalid, "cannot open " + below + ": Not a directory"},
      {files.write_atomic(below, "x", 0600, false).error(), ErrorKind::invalid, below + ": Not a directory"},
      {files.write_new(below, "x", 0600, false).error(), ErrorKind::invalid, below + ": Not a directory"},
      {files.append(folder.path(), "x").error(), ErrorKind::invalid, folder.path() + ": Is a directory"},
      {files.list(folder / "file", false).error(), ErrorKind::invalid,
       "cannot list " + folder / "file" + ": Not a directory"},
      {files.list(folder / "none", true).error(), ErrorKind::not_found,
       "cannot list " + folder / "none" + ": No such file"},
      {files.make_dirs(folder / "file", 0755).error(), ErrorKind::invalid,
       "cannot make the folder " + folder / "file" + ": Not a directory"},
      {files.stat(folder / std::string(300, 'n')).error(), ErrorKind::invalid, "File name too long"},
      {files.lock(below, Millis{0}).error(), ErrorKind::invalid, "Not a directory"},
      {files.append("/dev/full", "x").error(), ErrorKind::capacity,
       "cannot write /dev/full: No space left on device"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.error.message);
    CHECK(one.error.kind == one.kind);
    CHECK(one.error.message.find(one.words) != std::string::npos);
    CHECK_FALSE(one.error.source.empty());
  }
}

TEST_CASE("a folder that may not be looked into is an error, not an empty one") {
  if (::geteuid() == 0) {
    // Root may look everywhere: another user does it, in a process of its own.
    TemporaryFolder folder;
    PosixFiles files;
    REQUIRE(files.write_atomic(folder / "top/closed/model", "x", 0600, false).ok());
    REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
    REQUIRE(::chmod((folder / "top/closed").c_str(), 0700) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) { ::_exit(3); }
      const Result<std::vector<FileInfo>> seen = files.list(folder / "top", /*recursive=*/true);
      const bool read = files.read(folder / "top/closed/model").ok();
      ::_exit(!seen.ok() && seen.error().kind == ErrorKind::invalid && !read ? 0 : 4);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(WEXITSTATUS(status) == 0);
  } else {
    TemporaryFolder folder;
    PosixFiles files;
    REQUIRE(files.make_dirs(folder / "closed", 0000).ok());
    CHECK(files.list(folder.path(), /*recursive=*/true).error().kind == ErrorKind::invalid);
  }
}

TEST_CASE("a full disk is told as such, and what was there stays") {
  SmallDisk disk;
  if (!disk.mounted()) {
    MESSAGE("skipped: mounting a small tmpfs needs root");
    return;
  }
  PosixFiles files;
  REQUIRE(files.write_atomic(disk / "state", "good", 0600, true).ok());
  const std::string large(std::size_t{1} << 20U, 'x');
  const std::vector<Status> tries = {files.write_atomic(disk / "state", large, 0600, true),
                                     files.write_new(disk / "new", large, 0600, true).ok()
                                         ? Status(Ok{})
                                         : Status(files.write_new(disk / "new", large, 0600, true).error()),
                                     files.append(disk / "log", large)};
  for (const Status& tried : tries) {
    REQUIRE_FALSE(tried.ok());
    CHECK(tried.error().kind == ErrorKind::capacity);
    CHECK(tried.error().scope == ErrorScope::account);
    CHECK(tried.error().hint == "make room on this disk");
    CHECK(tried.error().message.find("No space left on device") != std::string::npos);
  }
  CHECK(files.read(disk / "state").value() == "good");
  CHECK_FALSE(files.stat(disk / "new").ok());
  CHECK(names_in(files, disk.path(), true) == "log state ");
  REQUIRE(files.remove_all(disk / "log").ok());
  CHECK(files.write_atomic(disk / "state", "better", 0600, true).ok());
}

TEST_CASE("a lock is held by one process at a time, and goes with it") {
  TemporaryFolder folder;
  PosixFiles files;
  PosixProcesses processes;
  const std::string path = folder / "deep/lock";
  {
    const auto mine = files.lock(path, Millis{0});
    REQUIRE(mine.ok());
    const auto again = files.lock(path, Millis{5});
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().kind == ErrorKind::conflict);
    CHECK(again.error().message == "another process holds " + path);
    const CommandResult other =
        processes.run({.argv = {"flock", "--nonblock", path, "true"}}, std::chrono::seconds{20}).value();
    CHECK(other.exit.code == 1);
  }
  CHECK(files.lock(path, Millis{0}).ok());
  Child holder =
      processes.start({.argv = {"flock", path, "sh", "-c", "echo held; exec sleep 100"}}, "").value();
  std::string said;
  CHECK(testing::eventually([&] {
    said += processes.read_output(holder).value().value_or("");
    return said == "held\n";
  }));
  CHECK(files.lock(path, Millis{0}).error().kind == ErrorKind::conflict);
  REQUIRE(processes.signal(-holder.pid, SIGKILL).ok());
  CHECK(files.lock(path, std::chrono::seconds{20}).ok());
  CHECK(testing::eventually([&] { return processes.poll(holder).value().has_value(); }));
  processes.release(holder);
}

}  // namespace
}  // namespace gpubroker
