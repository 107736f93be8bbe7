#pragma once
// What the tests of the journal share: batches that can be told apart, a second way into the file, children.
#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "core/store/sqlite.hpp"
#include "core/store/sqlite_journal.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker::store_test {

/// Opens or fails the test.
std::unique_ptr<Journal> open(const std::string& path, OpenMode mode = OpenMode::read_write);

/// A batch of `rows` rows, each with the token `name`; `body_bytes` in each.
JournalBatch batch(const std::string& name, std::size_t rows = 1, std::size_t body_bytes = 20);

/// Everything in the journal.
std::vector<JournalRow> all_rows(Journal& journal);
std::size_t count_token(const std::vector<JournalRow>& rows, const std::string& token);

/// A connection past our own code, as an intruder or another tool has it.
class RawDatabase {
 public:
  explicit RawDatabase(const std::string& path);
  /// "" or SQLite's words.
  std::string run(const std::string& sql);
  /// The first column of every row, as text.
  std::vector<std::string> column(const std::string& sql);

 private:
  DatabaseHandle database_;
};

/// A child process that runs `work` and ends with its result as exit code. Never outlives the test.
class Child {
 public:
  explicit Child(const std::function<int()>& work);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill();
  /// Whether it has ended; wait() still gives how.
  [[nodiscard]] bool is_gone() const;
  /// Its exit code; 128 + the signal that ended it.
  int wait();

 private:
  pid_t pid_ = -1;
};

/// A pipe for numbers; each end is closed with its owner.
class NumberPipe {
 public:
  NumberPipe();
  ~NumberPipe();
  NumberPipe(const NumberPipe&) = delete;
  NumberPipe& operator=(const NumberPipe&) = delete;
  bool send(std::int64_t number);
  /// The next number; nothing when all writers are gone.
  std::optional<std::int64_t> receive();
  /// To be called in the process that only reads, after the fork.
  void close_writing();

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

}  // namespace gpubroker::store_test
