// Every change to the disk fails once; and power is lost. What was acknowledged is there, whole.
#include <filesystem>
#include <map>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/unit/store/fault_vfs.hpp"
#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

/// In memory where there is such a place: here no file needs the disk, and thousands are made.
class TemporaryFolder : public testing::TemporaryFolder {
 public:
  TemporaryFolder() : testing::TemporaryFolder(parent()) {}

 private:
  static std::filesystem::path parent() {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
  }
};

/// The batches of a run and what became of them.
struct Run {
  std::map<std::string, std::size_t> acknowledged = {};  // name -> rows
  std::map<std::string, std::size_t> refused = {};
  int number = 0;

  void append(Journal& journal, std::size_t rows, std::size_t body_bytes) {
    const std::string name = "b" + std::to_string(number++);
    const Result<std::int64_t> seq = journal.append(batch(name, rows, body_bytes), {});
    (seq.ok() ? acknowledged : refused)[name] = rows;
    if (!seq.ok()) { check_error(seq.error()); }
  }

  static void check_error(const Error& error) {
    CAPTURE(error.message);
    CAPTURE(error.code);
    const bool told = error.kind == ErrorKind::capacity
                          ? error.code == "full"
                          : error.kind == ErrorKind::internal || error.code == "read-only";
    CHECK(told);
    CHECK(error.message.find("journal.db") != std::string::npos);
    CHECK_FALSE(error.hint.empty());
  }

  void check(const std::string& path) const {
    const std::unique_ptr<Journal> journal = open(path);
    const std::vector<JournalRow> rows = all_rows(*journal);
    for (const auto& row : acknowledged) {
      const auto& [name, count] = row;
      CAPTURE(row.first);
      CHECK(count_token(rows, name) == count);
    }
    // A commit whose last sync failed may be found all the same (`maybe_applied`), but whole.
    for (const auto& row : refused) {
      const auto& [name, count] = row;
      CAPTURE(row.first);
      const std::size_t found = count_token(rows, name);
      CHECK((found == 0 || found == count));
    }
    for (std::size_t i = 1; i < rows.size(); ++i) { CHECK(rows[i - 1].seq < rows[i].seq); }
    CHECK(RawDatabase(path).column("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
  }
};

/// A journal's life that meets every kind of change: made, written, closed (its log is written back and
/// deleted), opened again, written more.
void live(const std::string& path, Run& run) {
  for (int life = 0; life < 2; ++life) {
    auto journal = open_journal(path, OpenMode::read_write);
    if (!journal.ok()) {
      Run::check_error(journal.error());
      continue;
    }
    run.append(*journal.value(), 1, 20);
    run.append(*journal.value(), 3, 3'000);
    run.append(*journal.value(), 1, 20);
  }
}

}  // namespace

TEST_CASE(
    "each change to the disk fails at the 1st, 2nd, … Nth time: an error, and nothing acknowledged is lost") {
  FaultVfs vfs;
  std::mt19937_64 random(10);
  struct Row {
    Fault fault;
    bool for_good;
  };
  for (const Row& row : {Row{Fault::refused, false}, Row{Fault::torn, false}, Row{Fault::torn, true},
                         Row{Fault::full, true}}) {
    CAPTURE(static_cast<int>(row.fault));
    CAPTURE(row.for_good);
    int step = 0;
    for (bool more = true; more; ++step) {
      CAPTURE(step);
      const TemporaryFolder folder;
      const TemporaryFolder after_power_loss;
      const std::string path = folder / "journal.db";
      vfs.disks.clear();
      Run run;
      vfs.fail_after(step, row.fault, row.for_good);
      live(path, run);
      more = vfs.has_failed();
      vfs.heal();
      vfs.lose_power(folder.path(), after_power_loss.path(), random);
      if (!run.acknowledged.empty()) { run.check(after_power_loss / "journal.db"); }
      run.check(path);
      if (!more) { CHECK(run.acknowledged.size() == 6); }
      // Whoever repeats when the disk is whole again succeeds.
      CHECK(open(path)->append(batch("again"), {}).ok());
    }
    CHECK(step > 40);
  }
}

TEST_CASE("a full disk is told as full by whatever call it is met") {
  FaultVfs vfs;
  int told = 0;
  for (int step = 0;; ++step) {
    CAPTURE(step);
    const TemporaryFolder folder;
    const std::string path = folder / "journal.db";
    std::unique_ptr<Journal> journal = open(path);
    REQUIRE(journal->append(batch("first"), {}).ok());
    vfs.fail_after(step, Fault::full, /*for_good=*/true);
    const Result<std::int64_t> seq = journal->append(batch("second", 2, 2'000), {});
    const bool failed = vfs.has_failed();
    vfs.heal();
    if (!seq.ok()) {
      ++told;
      CHECK(seq.error().kind == ErrorKind::capacity);
      CHECK(seq.error().code == "full");
      CHECK(seq.error().scope == ErrorScope::account);
    }
    // The same connection goes on; no need to open the journal anew.
    CHECK(journal->append(batch("third"), {}).ok());
    CHECK(count_token(all_rows(*journal), "first") == 1);
    if (!failed) { break; }
    CHECK_FALSE(seq.ok());
  }
  CHECK(told > 2);
}

TEST_CASE("a commit whose sync fails may have been done, and says so; one that never got there does not") {
  FaultVfs vfs;
  std::vector<bool> maybe;
  for (int step = 0;; ++step) {
    const TemporaryFolder folder;
    std::unique_ptr<Journal> journal = open(folder / "journal.db");
    vfs.fail_after(step, Fault::refused, /*for_good=*/false);
    const Result<std::int64_t> seq = journal->append(batch("a", 1), {});
    const bool failed = vfs.has_failed();
    vfs.heal();
    if (!failed) { break; }
    REQUIRE_FALSE(seq.ok());
    CHECK(seq.error().kind == ErrorKind::internal);
    maybe.push_back(seq.error().maybe_applied);
  }
  REQUIRE_FALSE(maybe.empty());
  CHECK(maybe.back());  // the last change of an append is the sync of its commit
}

TEST_CASE("what append has answered survives power loss at that very moment") {
  FaultVfs vfs;
  std::mt19937_64 random(11);
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  Run run;
  std::unique_ptr<Journal> journal = open(path);
  // Large enough that the log is written back and begun anew several times on the way.
  for (int i = 0; i < 240; ++i) {
    CAPTURE(i);
    run.append(*journal, 1 + random() % 3, random() % 3 == 0 ? 60'000 : 100);
    if (i % 40 == 39) { journal = nullptr; }
    if (i % 8 == 7) {
      const TemporaryFolder after;
      vfs.lose_power(folder.path(), after.path(), random);
      run.check(after / "journal.db");
    }
    if (!journal) { journal = open(path); }
  }
  CHECK(run.acknowledged.size() == 240);
}

}  // namespace gpubroker::store_test
