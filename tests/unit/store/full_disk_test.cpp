// A disk that is full: a small tmpfs of the test's own.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>

#include <doctest/doctest.h>

#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

constexpr std::size_t kKib = 1'024;

/// A file system of 256 KiB. It lives in a mount namespace of this process, so that even a test that is
/// killed leaves none behind.
class SmallDisk {
 public:
  SmallDisk() {
    const bool alone =
        unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    mounted_ = alone && mount("small", folder_.path().c_str(), "tmpfs", 0, "size=256k,mode=0700") == 0;
    if (!mounted_) {
      // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs here.
      const std::string why = std::strerror(errno);
      MESSAGE("skipped: no tmpfs may be mounted here (" << why << "); run as root to have this tested");
    }
  }
  ~SmallDisk() {
    if (mounted_) { (void)umount2(folder_.path().c_str(), MNT_DETACH); }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool is_there() const { return mounted_; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::size_t free_bytes() const {
    return static_cast<std::size_t>(std::filesystem::space(folder_.path()).available);
  }
  /// Takes the room, down to what is to be left free.
  void fill(std::size_t leave_bytes) const {
    std::ofstream ballast(file("ballast"), std::ios::binary | std::ios::trunc);
    const std::size_t room = free_bytes();
    ballast << std::string(room > leave_bytes ? room - leave_bytes : 0, 'x');
  }
  void make_room() const { std::filesystem::remove(file("ballast")); }

 private:
  testing::TemporaryFolder folder_;
  bool mounted_ = false;
};

void check_full(const Error& error, const std::string& path) {
  CAPTURE(error.message);
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.code == "full");
  CHECK(error.message == path + ": no space left on the disk; nothing was recorded");
  CHECK(error.hint == "make room and try again");
}

void check_has(const std::vector<std::string>& acknowledged, Journal& journal) {
  const std::vector<JournalRow> rows = all_rows(journal);
  CHECK(rows.size() == acknowledged.size());  // nothing lost, and nothing of what was refused
  for (const std::string& name : acknowledged) { CHECK(count_token(rows, name) == 1); }
}

}  // namespace

TEST_CASE("a full disk: told as such, nothing acknowledged is lost, and it goes on when there is room") {
  const SmallDisk disk;
  if (!disk.is_there()) { return; }
  for (const std::size_t body_bytes : {20UL, 1'000UL, 9'000UL}) {
    CAPTURE(body_bytes);
    const std::string path = disk.file("journal" + std::to_string(body_bytes) + ".db");
    std::vector<std::string> acknowledged;
    const auto append = [&](Journal& journal) {
      const std::string name = "a" + std::to_string(acknowledged.size());
      Result<std::int64_t> seq = journal.append(batch(name, 1, body_bytes), {});
      if (seq.ok()) { acknowledged.push_back(name); }
      return seq;
    };
    {
      std::unique_ptr<Journal> journal = open(path);
      REQUIRE(append(*journal).ok());
      disk.fill(60 * kKib);
      Result<std::int64_t> last = append(*journal);
      while (last.ok()) { last = append(*journal); }
      check_full(last.error(), path);
      CHECK(acknowledged.size() > 2);
      check_has(acknowledged, *journal);
      check_full(append(*journal).error(), path);  // and again, without harm
      disk.make_room();
      REQUIRE(append(*journal).ok());
      check_has(acknowledged, *journal);
      disk.fill(0);
    }  // closed on a full disk: the log cannot be written back
    disk.make_room();
    check_has(acknowledged, *open(path));
    CHECK(RawDatabase(path).column("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
    std::filesystem::remove(path);
  }
}

TEST_CASE("opening and writing with any little room that is left: full, or done") {
  const SmallDisk disk;
  if (!disk.is_there()) { return; }
  bool opened = false;
  bool refused = false;
  for (std::size_t left = 0; left <= 160 * kKib; left += 4 * kKib) {
    CAPTURE(left);
    const std::string path = disk.file("journal.db");
    disk.fill(left);
    std::vector<std::string> acknowledged;
    {
      auto journal = open_journal(path, OpenMode::read_write);
      if (!journal.ok()) {
        check_full(journal.error(), path);
        refused = true;
      } else {
        opened = true;
        const Result<std::int64_t> seq = journal.value()->append(batch("first", 1, 2'000), {});
        if (seq.ok()) {
          acknowledged.emplace_back("first");
        } else {
          check_full(seq.error(), path);
        }
      }
    }
    disk.make_room();
    const std::unique_ptr<Journal> journal = open(path);
    check_has(acknowledged, *journal);
    REQUIRE(journal->append(batch("second"), {}).ok());
    for (const char* suffix : {"", "-wal", "-shm"}) { std::filesystem::remove(path + suffix); }
  }
  CHECK(opened);
  CHECK(refused);
}

TEST_CASE("an existing journal is read and written with any little room that is left, or told as full") {
  const SmallDisk disk;
  if (!disk.is_there()) { return; }
  const std::string path = disk.file("journal.db");
  std::vector<std::string> acknowledged;
  for (std::size_t left = 0; left <= 80 * kKib; left += 4 * kKib) {
    CAPTURE(left);
    disk.make_room();
    const std::string name = "a" + std::to_string(left);
    REQUIRE(open(path)->append(batch(name), {}).ok());
    acknowledged.push_back(name);
    disk.fill(left);
    auto journal = open_journal(path, OpenMode::read_write);
    if (!journal.ok()) {
      check_full(journal.error(), path);
      continue;
    }
    const Result<std::int64_t> seq = journal.value()->append(batch("b" + name, 1, 3'000), {});
    if (seq.ok()) {
      acknowledged.push_back("b" + name);
    } else {
      check_full(seq.error(), path);
    }
    check_has(acknowledged, *journal.value());
  }
  disk.make_room();
  check_has(acknowledged, *open(path));
}

}  // namespace gpubroker::store_test
