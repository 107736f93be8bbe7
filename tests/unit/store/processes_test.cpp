// Several processes on one file, and processes that are killed.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

using testing::TemporaryFolder;

constexpr std::int64_t kNoEnd = 1'000'000;  // more rows than a writer that is killed gets to

std::string name_of(std::int64_t writer, std::int64_t number) {
  return std::to_string(writer) + "/" + std::to_string(number);
}

/// In a child: appends single rows and tells each acknowledged seq, until `most` or an error.
int write_rows(const std::string& path, NumberPipe& acknowledged, std::int64_t writer, std::int64_t most,
               std::size_t body_bytes) {
  auto journal = open_journal(path, OpenMode::read_write);
  if (!journal.ok()) { return 1; }
  for (std::int64_t i = 0; i < most; ++i) {
    const auto seq = journal.value()->append(batch(name_of(writer, i), 1, body_bytes), {});
    if (!seq.ok()) { return 2; }
    if (!acknowledged.send(seq.value())) { return 3; }
  }
  return 0;
}

void check_ascending(const std::vector<JournalRow>& rows) {
  for (std::size_t i = 1; i < rows.size(); ++i) { CHECK(rows[i - 1].seq < rows[i].seq); }
}

void check_integrity(const std::string& path) {
  CHECK(RawDatabase(path).column("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
}

/// Waits for some microseconds without a timer: the moment of a kill need not be exact.
void spin(std::int64_t microseconds) {
  timespec pause{.tv_sec = 0, .tv_nsec = microseconds * 1'000};
  (void)nanosleep(&pause, nullptr);
}

}  // namespace

TEST_CASE("two connections of one process append in turn") {
  const TemporaryFolder folder;
  const std::unique_ptr<Journal> a = open(folder / "journal.db");
  const std::unique_ptr<Journal> b = open(folder / "journal.db");
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(a->append(batch("a"), {}).value() == 2 * i + 1);
    CHECK(b->last_seq().value() == 2 * i + 1);
    CHECK(b->append(batch("b"), {}).value() == 2 * i + 2);
  }
  CHECK(all_rows(*a) == all_rows(*b));
}

TEST_CASE("processes that append at once: every acknowledged row is there once, at its seq") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  constexpr std::int64_t kWriters = 3;
  constexpr std::int64_t kRows = 40;
  // They also make the file at once: nobody else has opened it before.
  std::map<std::int64_t, std::unique_ptr<NumberPipe>> pipes;
  std::vector<std::unique_ptr<Child>> children;
  for (std::int64_t writer = 0; writer < kWriters; ++writer) {
    auto pipe = std::make_unique<NumberPipe>();
    children.push_back(std::make_unique<Child>(
        [&, pipe = pipe.get()] { return write_rows(path, *pipe, writer, kRows, 50); }));
    pipe->close_writing();
    pipes[writer] = std::move(pipe);
  }
  std::map<std::int64_t, std::vector<std::int64_t>> acknowledged;
  for (const auto& [writer, pipe] : pipes) {
    while (const auto seq = pipe->receive()) { acknowledged[writer].push_back(*seq); }
  }
  for (const auto& child : children) { CHECK(child->wait() == 0); }

  const std::vector<JournalRow> rows = all_rows(*open(path));
  CHECK(rows.size() == kWriters * kRows);
  check_ascending(rows);
  for (const auto& [writer, seqs] : acknowledged) {
    REQUIRE(seqs.size() == kRows);
    CHECK(std::is_sorted(seqs.begin(), seqs.end()));
    for (std::int64_t i = 0; i < kRows; ++i) {
      const std::string name = name_of(writer, i);
      const auto row =
          std::find_if(rows.begin(), rows.end(), [&](const JournalRow& r) { return r.token == name; });
      REQUIRE(row != rows.end());
      CHECK(row->seq == seqs[static_cast<std::size_t>(i)]);
      CHECK(count_token(rows, name) == 1);
    }
  }
}

TEST_CASE("many processes that make the same journal at once all get it") {
  for (int round = 0; round < 8; ++round) {
    const TemporaryFolder folder;
    const std::string path = folder / "journal.db";
    NumberPipe go;
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 6; ++i) {
      children.push_back(std::make_unique<Child>([&] {
        go.close_writing();
        (void)go.receive();  // all start when the parent closes its end
        auto journal = open_journal(path, OpenMode::read_write);
        if (!journal.ok()) { return 1; }
        return journal.value()->append(batch("a"), {}).ok() ? 0 : 2;
      }));
    }
    go.close_writing();
    for (const auto& child : children) { CHECK(child->wait() == 0); }
    CHECK(all_rows(*open(path)).size() == 6);
  }
}

TEST_CASE("who reads while another writes sees whole batches, in order, and more each time") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  (void)open(path);
  constexpr std::size_t kBatches = 60;
  constexpr std::size_t kRows = 7;
  Child writer([&] {
    auto journal = open_journal(path, OpenMode::read_write);
    if (!journal.ok()) { return 1; }
    for (std::size_t i = 0; i < kBatches; ++i) {
      if (!journal.value()->append(batch("b" + std::to_string(i), kRows, 3'000), {}).ok()) { return 2; }
    }
    return 0;
  });
  std::unique_ptr<Journal> reader = open(path, OpenMode::read_only);
  std::size_t before = 0;
  std::size_t looks = 0;
  while (before < kBatches * kRows) {
    // Every few looks from a new connection, as each `gpubroker status` is one.
    if (++looks % 5 == 0) { reader = open(path, OpenMode::read_only); }
    const bool is_last = writer.is_gone();
    const std::vector<JournalRow> rows = all_rows(*reader);
    REQUIRE(rows.size() >= before);
    REQUIRE(rows.size() % kRows == 0);
    REQUIRE((rows.empty() || rows.back().seq == static_cast<std::int64_t>(rows.size())));
    before = rows.size();
    if (is_last) { break; }
  }
  CHECK(before == kBatches * kRows);
  CHECK(writer.wait() == 0);
}

TEST_CASE("one lease among processes that all want it at once") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  (void)open(path);
  NumberPipe go;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(std::make_unique<Child>([&, i] {
      go.close_writing();
      (void)go.receive();
      auto journal = open_journal(path, OpenMode::read_write);
      if (!journal.ok()) { return 1; }
      const auto lease = journal.value()->take_lease("s" + std::to_string(i), {1'000}, Millis{1'000});
      if (!lease.ok()) { return lease.error().code == "lease" ? 10 : 2; }
      return journal.value()->append(batch("winner"), lease.value()).ok() ? 20 : 3;
    }));
  }
  go.close_writing();
  std::map<int, int> ends;
  for (const auto& child : children) { ++ends[child->wait()]; }
  CHECK(ends == std::map<int, int>{{10, 3}, {20, 1}});
  CHECK(all_rows(*open(path)).size() == 1);
}

TEST_CASE("a writer that is killed at any moment has lost nothing that was acknowledged") {
  const TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  std::mt19937_64 random(9);
  std::map<std::int64_t, std::string> acknowledged;  // seq -> token
  for (std::int64_t round = 0; round < 40; ++round) {
    CAPTURE(round);
    NumberPipe pipe;
    // Some rows are large, so that the log is also written back, and begun anew, under the kills.
    const std::size_t body_bytes = random() % 4 == 0 ? 150'000 : 200;
    Child writer([&] { return write_rows(path, pipe, round, kNoEnd, body_bytes); });
    pipe.close_writing();
    std::int64_t number = 0;
    const auto take = [&](std::optional<std::int64_t> seq) {
      if (!seq) { return false; }
      CHECK(acknowledged.emplace(*seq, name_of(round, number++)).second);
      return true;
    };
    for (std::uint64_t wanted = random() % 12; wanted > 0; --wanted) { REQUIRE(take(pipe.receive())); }
    spin(static_cast<std::int64_t>(random() % 6'000));
    writer.kill();
    while (take(pipe.receive())) {}
    CHECK(writer.wait() == 128 + 9);

    // The next process finds everything, at most one row more than it was told of each writer.
    const std::vector<JournalRow> rows = all_rows(
        *open(path, round % 2 == 0 && !acknowledged.empty() ? OpenMode::read_only : OpenMode::read_write));
    check_ascending(rows);
    std::size_t found = 0;
    for (const JournalRow& row : rows) {
      const auto known = acknowledged.find(row.seq);
      if (known == acknowledged.end()) { continue; }
      CHECK(known->second == row.token);
      ++found;
    }
    CHECK(found == acknowledged.size());
    CHECK(rows.size() <= acknowledged.size() + static_cast<std::size_t>(round) + 1);
    check_integrity(path);
  }
  CHECK(acknowledged.size() > 100);
}

}  // namespace gpubroker::store_test
