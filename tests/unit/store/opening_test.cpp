// Opening a journal: new, old, newer, locked, read-only, damaged. Each refusal says what to do.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/store/migrations.hpp"
#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

using testing::TemporaryFolder;
namespace fs = std::filesystem;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

template <class T>
void check_error(const Result<T>& result, ErrorKind kind, const std::string& code, const std::string& words) {
  REQUIRE_FALSE(result.ok());
  const Error& error = result.error();
  CAPTURE(error.message);
  CHECK(error.kind == kind);
  CHECK(error.code == code);
  CHECK(error.message.find(words) != std::string::npos);
  CHECK_FALSE(error.hint.empty());
  CHECK_FALSE(error.source.empty());
}

/// The file's schema as SQLite keeps it.
std::vector<std::string> schema_of(const std::string& path) {
  RawDatabase raw(path);
  std::vector<std::string> schema =
      raw.column("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY type, name");
  for (const std::string& version : raw.column("PRAGMA user_version")) { schema.push_back(version); }
  return schema;
}

/// The mode bits of a file.
unsigned mode_of(const std::string& path) {
  return static_cast<unsigned>(fs::status(path).permissions());
}

/// Root may write everything: as long as this lives the process is nobody, if it was root.
class Nobody {
 public:
  Nobody() : was_(geteuid()) {
    if (was_ == 0) { REQUIRE(seteuid(65'534) == 0); }
  }
  ~Nobody() { (void)seteuid(was_); }
  Nobody(const Nobody&) = delete;
  Nobody& operator=(const Nobody&) = delete;

 private:
  uid_t was_;
};

}  // namespace

TEST_CASE("a new journal belongs to its user alone, and so does the folder made for it") {
  const TemporaryFolder folder;
  const std::string path = folder / "deep/home/journal.db";
  const std::unique_ptr<Journal> journal = open(path);
  REQUIRE(journal->append(batch("a"), {}).ok());
  CHECK(mode_of(path) == 0600);
  CHECK(mode_of(path + "-wal") == 0600);
  CHECK(mode_of(folder / "deep/home") == 0700);
}

TEST_CASE("one who only looks makes no journal") {
  const TemporaryFolder folder;
  const std::string path = folder / "home/journal.db";
  const auto journal = open_journal(path, OpenMode::read_only);
  REQUIRE_FALSE(journal.ok());
  CHECK(journal.error().kind == ErrorKind::not_found);
  CHECK(journal.error().message == "there is no journal at " + path + " yet");
  CHECK_FALSE(journal.error().hint.empty());
  CHECK_FALSE(fs::exists(folder / "home"));
}

TEST_CASE("one who only looks reads everything and writes nothing") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  REQUIRE(open(path)->append(batch("a"), {}).ok());
  const std::unique_ptr<Journal> reader = open(path, OpenMode::read_only);
  CHECK(all_rows(*reader).size() == 1);
  check_error(reader->append(batch("b"), {}), ErrorKind::invalid, "read-only",
              "cannot be opened for writing");
  CHECK_FALSE(reader->take_lease("a", {0}, Millis{1}).ok());
  CHECK_FALSE(reader->replace_projections({}, {}).ok());
  CHECK(all_rows(*reader).size() == 1);
}

TEST_CASE("a folder that cannot be made is told with its name") {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "x");
  const auto journal = open_journal(folder / "file/home/journal.db", OpenMode::read_write);
  REQUIRE_FALSE(journal.ok());
  CHECK(journal.error().kind == ErrorKind::invalid);
  CHECK(journal.error().message.find(folder / "file/home") != std::string::npos);
  CHECK_FALSE(journal.error().hint.empty());
}

TEST_CASE("every older schema is brought up to date, with what was in it") {
  const TemporaryFolder folder;
  const std::string fresh = folder / "fresh.db";
  (void)open(fresh);
  const std::vector<Migration>& all = migrations();
  for (std::size_t version = 0; version <= all.size(); ++version) {
    CAPTURE(version);
    const std::string path = folder / ("v" + std::to_string(version) + ".db");
    {
      RawDatabase raw(path);
      for (std::size_t i = 0; i < version; ++i) { REQUIRE(raw.run(all[i].sql).empty()); }
      REQUIRE(raw.run("PRAGMA user_version = " + std::to_string(version)).empty());
      if (version > 0) {
        REQUIRE(
            raw.run(
                   "INSERT INTO journal (at_ms, workload, kind, token, body) VALUES (1, 'w', 'k', 't', '{}')")
                .empty());
      }
    }
    if (version < all.size()) {
      const std::string before = bytes_of(path);
      const Result<std::unique_ptr<Journal>> looked = open_journal(path, OpenMode::read_only);
      if (version == 0) {  // in the making: a launch is just beginning
        check_error(looked, ErrorKind::not_found, "", "no journal");
      } else {
        check_error(looked, ErrorKind::invalid, "older", "has an older schema");
      }
      CHECK(bytes_of(path) == before);
    }
    const std::unique_ptr<Journal> journal = open(path);
    CHECK(all_rows(*journal).size() == (version > 0 ? 1 : 0));
    CHECK(journal->append(batch("new"), {}).value() == (version > 0 ? 2 : 1));
    CHECK(schema_of(path) == schema_of(fresh));
  }
}

TEST_CASE("an empty file, left by a crash, is a journal that has not begun") {
  const TemporaryFolder folder;
  write_bytes(folder / "journal.db", "");
  CHECK(open(folder / "journal.db")->append(batch("a"), {}).value() == 1);
}

TEST_CASE("a journal written by a newer gpubroker is left alone") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  const std::size_t newer = migrations().size() + 1;
  (void)open(path);
  REQUIRE(RawDatabase(path).run("PRAGMA user_version = " + std::to_string(newer)).empty());
  const std::string before = bytes_of(path);
  for (const OpenMode mode : {OpenMode::read_write, OpenMode::read_only}) {
    check_error(open_journal(path, mode), ErrorKind::invalid, "newer",
                "was written by a newer gpubroker (schema " + std::to_string(newer));
  }
  CHECK(bytes_of(path) == before);
}

TEST_CASE("a journal that another process holds locked: conflict after our patience, reading goes on") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  REQUIRE(open(path)->append(batch("a"), {}).ok());
  NumberPipe locked;
  NumberPipe leave;
  Child other([&] {
    leave.close_writing();
    RawDatabase raw(path);
    if (!raw.run("BEGIN IMMEDIATE").empty() || !locked.send(1)) { return 1; }
    (void)leave.receive();
    return raw.run("COMMIT").empty() ? 0 : 2;
  });
  REQUIRE(locked.receive());
  auto journal = open_journal(path, OpenMode::read_write, Millis{30});
  REQUIRE(journal.ok());
  const std::string words = path + " stayed locked by another process";
  check_error(journal.value()->append(batch("b"), {}), ErrorKind::conflict, "locked", words);
  check_error(journal.value()->take_lease("a", {0}, Millis{1}), ErrorKind::conflict, "locked", words);
  check_error(journal.value()->replace_projections({}, {}), ErrorKind::conflict, "locked", words);
  CHECK(all_rows(*journal.value()).size() == 1);
  CHECK(all_rows(*open(path, OpenMode::read_only)).size() == 1);
  leave.close_writing();
  CHECK(other.wait() == 0);
  CHECK(journal.value()->append(batch("b"), {}).value() == 2);
}

TEST_CASE("a journal that may not be written is told when it is opened") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  REQUIRE(open(path)->append(batch("a"), {}).ok());
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(chmod(path.c_str(), 0444) == 0);
  const Nobody nobody;
  check_error(open_journal(path, OpenMode::read_write), ErrorKind::invalid, "read-only",
              path + " cannot be opened for writing");
  check_error(open_journal(folder / "new.db", OpenMode::read_write), ErrorKind::invalid, "read-only",
              "new.db cannot be opened for writing");
}

TEST_CASE("a file that is no journal is told as damaged and left as it is") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  std::string words;
  for (int i = 0; i < 2'000; ++i) { words += "no database\n"; }
  for (const std::string& text : {std::string("short"), words, std::string(8'192, '\0')}) {
    write_bytes(path, text);
    for (const OpenMode mode : {OpenMode::read_write, OpenMode::read_only}) {
      const auto journal = open_journal(path, mode);
      check_error(journal, ErrorKind::internal, "corrupt", path + " is damaged");
      CHECK(journal.error().hint.find(path) != std::string::npos);
    }
    CHECK(bytes_of(path) == text);
  }
}

TEST_CASE("a journal with overwritten bytes is told as damaged at the latest when they are read") {
  const TemporaryFolder folder;
  const std::string whole = folder / "whole.db";
  {
    const std::unique_ptr<Journal> journal = open(whole);
    for (int i = 0; i < 10; ++i) { REQUIRE(journal->append(batch("a", 20, 200), {}).ok()); }
  }
  const std::string good = bytes_of(whole);
  const std::size_t page = 4'096;
  REQUIRE(good.size() > 15 * page);
  int told = 0;
  for (std::size_t at = page; at + page <= good.size(); at += page) {
    CAPTURE(at);
    const std::string path = folder / ("bad" + std::to_string(at) + ".db");
    std::string bad = good;
    bad.replace(at, page, page, '\xa5');
    write_bytes(path, bad);
    // Not every page is looked at by a command; but what is told is told right, and nothing crashes.
    auto journal = open_journal(path, OpenMode::read_write);
    std::vector<Error> errors;
    if (!journal.ok()) {
      errors.push_back(journal.error());
    } else {
      if (const auto rows = journal.value()->read({}, 0, 1'000); !rows.ok()) {
        errors.push_back(rows.error());
      }
      if (const auto rows = journal.value()->read({"w-a"}, 0, 1'000); !rows.ok()) {
        errors.push_back(rows.error());
      }
      if (const auto rows = journal.value()->workloads(false); !rows.ok()) { errors.push_back(rows.error()); }
      if (const auto seq = journal.value()->append(batch("b"), {}); !seq.ok()) {
        errors.push_back(seq.error());
      }
    }
    for (const Error& error : errors) {
      CHECK(error.kind == ErrorKind::internal);
      CHECK(error.code == "corrupt");
      CHECK(error.message.find(path + " is damaged") == 0);
      CHECK(error.hint.find(".recover") != std::string::npos);
    }
    told += errors.empty() ? 0 : 1;
  }
  CHECK(told > 10);

  const std::string cut = folder / "cut.db";
  write_bytes(cut, good.substr(0, good.size() / 2));
  const auto journal = open_journal(cut, OpenMode::read_only);
  const bool refused = !journal.ok() || !journal.value()->read({}, 0, 1'000).ok();
  CHECK(refused);
}

}  // namespace gpubroker::store_test
