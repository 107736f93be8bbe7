#include "tests/unit/store/support.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace gpubroker::store_test {

std::unique_ptr<Journal> open(const std::string& path, OpenMode mode) {
  Result<std::unique_ptr<Journal>> journal = open_journal(path, mode);
  const std::string why = journal.ok() ? "" : journal.error().message;
  CAPTURE(why);
  REQUIRE(journal.ok());
  return std::move(journal).value();
}

JournalBatch batch(const std::string& name, std::size_t rows, std::size_t body_bytes) {
  JournalBatch made;
  for (std::size_t i = 0; i < rows; ++i) {
    made.rows.push_back({.at = {1'795'521'600'000},
                         .workload = {"w-" + name},
                         .kind = "intent",
                         .token = name,
                         .body = "{\"text\":\"" + std::string(body_bytes, 'x') + "\"}"});
  }
  return made;
}

std::vector<JournalRow> all_rows(Journal& journal) {
  Result<std::vector<JournalRow>> rows = journal.read({}, 0, 1'000'000);
  const std::string why = rows.ok() ? "" : rows.error().message;
  CAPTURE(why);
  REQUIRE(rows.ok());
  return std::move(rows).value();
}

std::size_t count_token(const std::vector<JournalRow>& rows, const std::string& token) {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const JournalRow& row) { return row.token == token; }));
}

RawDatabase::RawDatabase(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open(path.c_str(), &raw);
  database_.reset(raw);
  REQUIRE(code == SQLITE_OK);
}

std::string RawDatabase::run(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? "" : sqlite3_errmsg(database_.get());
}

std::vector<std::string> RawDatabase::column(const std::string& sql) {
  std::vector<std::string> values;
  Result<Statement> query = Statement::prepare(database_.get(), sql, "raw");
  REQUIRE(query.ok());
  while (true) {
    const Result<bool> row = query.value().step();
    REQUIRE(row.ok());
    if (!row.value()) { return values; }
    values.push_back(query.value().text(0));
  }
}

Child::Child(const std::function<int()>& work) : pid_(fork()) {
  REQUIRE(pid_ >= 0);
  // _exit: what the parent's test program would do at its end is not the child's.
  if (pid_ == 0) { _exit(work()); }
}

Child::~Child() {
  if (pid_ > 0) {
    kill();
    (void)wait();
  }
}

void Child::kill() {
  if (pid_ > 0) { (void)::kill(pid_, SIGKILL); }
}

bool Child::is_gone() const {
  siginfo_t seen{};
  return waitid(P_PID, static_cast<id_t>(pid_), &seen, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         seen.si_pid == pid_;
}

int Child::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

NumberPipe::NumberPipe() {
  REQUIRE(pipe(ends_.data()) == 0);
}

NumberPipe::~NumberPipe() {
  for (const int end : ends_) {
    if (end >= 0) { (void)close(end); }
  }
}

bool NumberPipe::send(std::int64_t number) {
  return write(ends_[1], &number, sizeof number) == sizeof number;
}

std::optional<std::int64_t> NumberPipe::receive() {
  std::int64_t number = 0;
  if (read(ends_[0], &number, sizeof number) != sizeof number) { return std::nullopt; }
  return number;
}

void NumberPipe::close_writing() {
  (void)close(ends_[1]);
  ends_[1] = -1;
}

}  // namespace gpubroker::store_test
