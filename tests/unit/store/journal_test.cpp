// What one process alone may rely on: rows, batches, projections, the lease.
#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/store/support.hpp"

namespace gpubroker::store_test {
namespace {

WorkloadRow workload(const std::string& id, const std::string& key = "") {
  return {.id = {id},
          .name = "llama",
          .key = key,
          .owner = "ann",
          .phase = "running",
          .live = true,
          .created_at = {1'000},
          .changed_at = {2'000},
          .attempts = 3,
          .nodes = 2,
          .place = "local/us-east/cpu4/spot",
          .step = 41,
          .settled = {12'345'678},
          .detail = R"({"reason":"it said \"no\""})"};
}

ChargeRow charge(const std::string& node, std::int64_t from) {
  return {.workload = {"w-1"},
          .attempt = 2,
          .node = {node},
          .provider = "local",
          .region = "us-east",
          .instance_type = "cpu4",
          .market = "spot",
          .owner = "ann",
          .from = {from},
          .to = {from + 1'000},
          .rate = {3'600'000},
          .amount = {1'000}};
}

template <class T>
void check_refused(const Result<T>& result, ErrorKind kind, const std::string& code) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().kind == kind);
  CHECK(result.error().code == code);
  CHECK_FALSE(result.error().message.empty());
  CHECK_FALSE(result.error().hint.empty());
  CHECK_FALSE(result.error().source.empty());
}

struct Home {
  testing::TemporaryFolder folder = {};
  std::string path = folder / "journal.db";
  std::unique_ptr<Journal> journal = open(path);
};

}  // namespace

TEST_CASE("rows come back as they were, in the order of their seqs") {
  Home home;
  CHECK(home.journal->last_seq().value() == 0);
  JournalBatch given;
  given.rows = {{.seq = 99, .at = {5}, .workload = {"a"}, .kind = "intent", .token = "t/1", .body = "{}"},
                {.seq = 99, .at = {-5}, .workload = {"b"}, .kind = "outcome", .token = "", .body = ""},
                {.at = {std::numeric_limits<std::int64_t>::max()},
                 .workload = {"a"},
                 .kind = "x",
                 .token = std::string("zero\0byte", 9),
                 .body = R"({"text":"ünïcode, 'quotes'; DROP TABLE journal"})"}};
  CHECK(home.journal->append(given, std::nullopt).value() == 3);
  std::vector<JournalRow> expected = given.rows;
  for (std::size_t i = 0; i < expected.size(); ++i) { expected[i].seq = static_cast<std::int64_t>(i) + 1; }
  CHECK(all_rows(*home.journal) == expected);
  CHECK(home.journal->last_seq().value() == 3);
  home.journal = open(home.path);  // and after the file was closed
  CHECK(all_rows(*home.journal) == expected);
}

TEST_CASE("rows are read from anywhere, of one workload or all, as many as wanted") {
  Home home;
  for (const char* name : {"a", "b", "a", "a", "b"}) {
    REQUIRE(home.journal->append(batch(name), std::nullopt).ok());
  }
  const auto seqs = [&](const std::string& of, std::int64_t after, std::size_t limit) {
    std::vector<std::int64_t> found;
    const std::vector<JournalRow> rows = home.journal->read({of}, after, limit).value();
    for (const JournalRow& row : rows) { found.push_back(row.seq); }
    return found;
  };
  using Seqs = std::vector<std::int64_t>;
  CHECK(seqs("", 0, 100) == Seqs{1, 2, 3, 4, 5});
  CHECK(seqs("", 2, 2) == Seqs{3, 4});
  CHECK(seqs("", 5, 100) == Seqs{});
  CHECK(seqs("w-a", 0, 100) == Seqs{1, 3, 4});
  CHECK(seqs("w-a", 1, 1) == Seqs{3});
  CHECK(seqs("w-a", 0, 0) == Seqs{});
  CHECK(seqs("w-c", 0, 100) == Seqs{});
}

TEST_CASE("the journal is append-only, whoever asks") {
  Home home;
  REQUIRE(home.journal->append(batch("a", 3), std::nullopt).ok());
  RawDatabase raw(home.path);
  for (const char* sql : {"UPDATE journal SET body = ''", "UPDATE journal SET seq = 9 WHERE seq = 1",
                          "DELETE FROM journal", "DELETE FROM journal WHERE seq = 3"}) {
    CAPTURE(sql);
    CHECK(raw.run(sql) == "the journal is append-only");
  }
  CHECK(all_rows(*home.journal).size() == 3);
}

TEST_CASE("an empty batch is no error and changes nothing") {
  Home home;
  CHECK(home.journal->append({}, std::nullopt).value() == 0);
  REQUIRE(home.journal->append(batch("a"), std::nullopt).ok());
  CHECK(home.journal->append({}, std::nullopt).value() == 1);
}

TEST_CASE("a batch is recorded whole or not at all") {
  Home home;
  JournalBatch good = batch("good", 2);
  good.workloads = {workload("w-1", "build-7")};
  good.charges = {charge("n-1", 0)};
  REQUIRE(home.journal->append(good, std::nullopt).value() == 2);

  JournalBatch bad = batch("bad", 2);
  bad.workloads = {workload("w-2"), workload("w-3", "build-7")};  // the second has another's key
  bad.charges = {charge("n-2", 0)};
  check_refused(home.journal->append(bad, std::nullopt), ErrorKind::conflict, "key");

  // A charge that cannot be is not passed over: a ledger without it would be wrong in silence.
  bad.workloads.clear();
  bad.charges.push_back(charge("n-3", 0));
  bad.charges.back().rate = {-1};
  REQUIRE_FALSE(home.journal->append(bad, std::nullopt).ok());
  CHECK(home.journal->append(bad, std::nullopt).error().kind == ErrorKind::internal);
  REQUIRE_FALSE(home.journal->replace_projections({}, bad.charges).ok());

  CHECK(all_rows(*home.journal).size() == 2);
  CHECK(home.journal->workloads(false).value() == good.workloads);
  CHECK(home.journal->charges().value() == good.charges);
  // The journal goes on as if nothing had been asked, with no seq spent.
  CHECK(home.journal->append(batch("next"), std::nullopt).value() == 3);
}

TEST_CASE("a batch that was thought out from older rows is refused") {
  Home home;
  JournalBatch rows = batch("first", 2);
  rows.rows[0].workload = {"w-1"};
  rows.rows[1].workload = {"w-2"};
  REQUIRE(home.journal->append(rows, std::nullopt).value() == 2);
  const auto append = [&](const std::string& id, std::int64_t seq) {
    JournalBatch more = batch("more", 1);
    more.rows[0].workload = {"w-1"};
    more.workloads = {workload("w-1")};
    more.provided = Unchanged{.workload = {id}, .seq = seq};
    return home.journal->append(more, std::nullopt);
  };
  check_refused(append("", 1), ErrorKind::conflict, "moved");
  check_refused(append("w-1", 0), ErrorKind::conflict, "moved");
  CHECK(all_rows(*home.journal).size() == 2);
  CHECK(home.journal->workloads(false).value().empty());
  CHECK(append("w-1", 1).value() == 3);  // what others wrote of other workloads is no matter
  CHECK(append("w-3", 0).value() == 4);
  CHECK(append("", 4).value() == 5);
  check_refused(append("w-1", 3), ErrorKind::conflict, "moved");
}

TEST_CASE("a key belongs to one workload; the message says to which") {
  Home home;
  const auto put = [&](const WorkloadRow& row) {
    return home.journal->append({.workloads = {row}}, std::nullopt);
  };
  REQUIRE(put(workload("w-1", "build-7")).ok());
  REQUIRE(put(workload("w-1", "build-7")).ok());  // the same again is the same
  REQUIRE(put(workload("w-2")).ok());
  REQUIRE(put(workload("w-3")).ok());  // no key is nobody's
  const Result<std::int64_t> refused = put(workload("w-4", "build-7"));
  check_refused(refused, ErrorKind::conflict, "key");
  CHECK(refused.error().message == "the key build-7 belongs to workload w-1");
  CHECK(refused.error().hint.find("w-1") != std::string::npos);
  check_refused(put(workload("w-2", "build-7")), ErrorKind::conflict, "key");  // nor is it taken by a change
  CHECK(home.journal->find_workload("build-7").value()->id == WorkloadId{"w-1"});
}

TEST_CASE("a workload's row is replaced by its id, and found by id, then key, then newest name") {
  Home home;
  WorkloadRow old = workload("w-1", "build-7");
  WorkloadRow young = workload("w-2", "llama");  // its key is the other's name
  young.created_at = {5'000};
  young.live = false;
  REQUIRE(home.journal->append({.workloads = {old, young}}, std::nullopt).ok());
  CHECK(home.journal->workloads(false).value() == std::vector<WorkloadRow>{young, old});  // newest first
  CHECK(home.journal->workloads(true).value() == std::vector<WorkloadRow>{old});
  CHECK(home.journal->find_workload("w-1").value() == old);
  CHECK(home.journal->find_workload("build-7").value() == old);
  CHECK(home.journal->find_workload("llama").value() == young);  // by key before by name
  CHECK_FALSE(home.journal->find_workload("").value());
  CHECK_FALSE(home.journal->find_workload("%").value());
  CHECK_FALSE(home.journal->find_workload("w-9").value());

  old.phase = "succeeded";
  old.settled = {-1};
  old.live = false;
  young.key = "";
  REQUIRE(home.journal->append({.workloads = {old, young}}, std::nullopt).ok());
  CHECK(home.journal->workloads(false).value() == std::vector<WorkloadRow>{young, old});
  CHECK(home.journal->workloads(true).value().empty());
  CHECK(home.journal->find_workload("llama").value() == young);  // the newest of that name
}

TEST_CASE("charges are kept once, by when they began, then by node") {
  Home home;
  ChargeRow again = charge("n-1", 5'000);
  again.amount = {77};  // told twice with another amount: the first stands
  REQUIRE(
      home.journal->append({.charges = {charge("n-2", 0), charge("n-1", 5'000), charge("n-1", 0)}}, {}).ok());
  REQUIRE(home.journal->append({.charges = {again, charge("n-3", 0)}}, {}).ok());
  CHECK(home.journal->charges().value() ==
        std::vector<ChargeRow>{charge("n-1", 0), charge("n-2", 0), charge("n-3", 0), charge("n-1", 5'000)});
}

TEST_CASE("projections are replaced as one; a refusal leaves the old ones") {
  Home home;
  JournalBatch first = batch("a");
  first.workloads = {workload("w-1", "k")};
  first.charges = {charge("n-1", 0)};
  REQUIRE(home.journal->append(first, {}).ok());
  check_refused(home.journal->replace_projections({workload("w-2", "x"), workload("w-3", "x")}, {}),
                ErrorKind::conflict, "key");
  CHECK(home.journal->workloads(false).value() == first.workloads);
  REQUIRE(home.journal->replace_projections({workload("w-2", "k")}, {charge("n-2", 7)}).ok());
  CHECK(home.journal->workloads(false).value() == std::vector<WorkloadRow>{workload("w-2", "k")});
  CHECK(home.journal->charges().value() == std::vector<ChargeRow>{charge("n-2", 7)});
  CHECK(all_rows(*home.journal).size() == 1);
}

TEST_CASE("the lease: taken, renewed, expired, taken over, given back") {
  Home home;
  Journal& journal = *home.journal;
  const std::unique_ptr<Journal> second = open(home.path);  // another supervisor's connection
  CHECK_FALSE(journal.current_lease().value());

  const Lease a = journal.take_lease("a", {1'000}, Millis{500}).value();
  CHECK(a.fence == 1);
  CHECK(a.until == Instant{1'500});
  const Result<Lease> busy = second->take_lease("b", {1'499}, Millis{500});
  check_refused(busy, ErrorKind::conflict, "lease");
  CHECK(busy.error().message == "supervisor a works on " + home.path + " until 1970-01-01T00:00:01.500Z");
  CHECK(second->current_lease().value()->holder == "a");

  const Lease renewed = journal.take_lease("a", {1'400}, Millis{500}).value();
  CHECK(renewed.fence == 1);
  CHECK(renewed.until == Instant{1'900});
  CHECK_FALSE(second->take_lease("b", {1'899}, Millis{500}).ok());

  const Lease b = second->take_lease("b", {1'900}, Millis{500}).value();  // expired at that very moment
  CHECK(b.fence == 2);
  check_refused(journal.take_lease("a", {1'900}, Millis{500}), ErrorKind::conflict, "lease");

  REQUIRE(second->release_lease(b).ok());
  const Lease again = journal.take_lease("a", {1'901}, Millis{500}).value();
  CHECK(again.fence == 3);
  REQUIRE(second->release_lease(b).ok());  // gone already: nothing of another's is given back
  CHECK(journal.current_lease().value()->until == Instant{2'401});
}

TEST_CASE("nobody supervises by a journal that was removed or replaced") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "journal.db";
  for (const bool replaced : {false, true}) {
    CAPTURE(replaced);
    const std::unique_ptr<Journal> journal = open(path);
    REQUIRE(journal->take_lease("a", Instant{1}, Millis{10}).ok());
    for (const char* part : {"", "-wal", "-shm"}) { std::filesystem::remove(path + part); }
    if (replaced) { (void)open(path); }
    const Result<Lease> lease = journal->take_lease("a", Instant{2}, Millis{10});
    REQUIRE_FALSE(lease.ok());
    CHECK(lease.error().code == "removed");
  }
}

TEST_CASE("who lost the lease writes nothing, whenever it wakes up") {
  Home home;
  Journal& journal = *home.journal;
  JournalBatch given = batch("a", 2);
  given.workloads = {workload("w-1")};
  given.charges = {charge("n-1", 0)};
  const auto check_nothing_written = [&](const Lease& lease, const std::string& message) {
    const Result<std::int64_t> refused = journal.append(given, lease);
    check_refused(refused, ErrorKind::conflict, "lease");
    CHECK(refused.error().message == message);
    CHECK(journal.last_seq().value() == 0);
    CHECK(journal.workloads(false).value().empty());
    CHECK(journal.charges().value().empty());
  };
  check_nothing_written({.holder = "a", .fence = 1}, "the lease is not held");  // nobody ever had it

  const Lease a = journal.take_lease("a", {0}, Millis{10}).value();
  Lease b = journal.take_lease("b", {10}, Millis{10}).value();
  check_nothing_written(a, "the lease is lost to supervisor b");
  check_nothing_written({.holder = "b", .fence = a.fence}, "the lease is lost to supervisor b");
  check_nothing_written({.holder = "a", .fence = b.fence}, "the lease is lost to supervisor b");
  REQUIRE(journal.release_lease(b).ok());
  check_nothing_written(b, "the lease is not held");

  b = journal.take_lease("b", {30}, Millis{10}).value();
  CHECK(journal.append(given, b).value() == 2);
  // Past its time, but nobody took it: the fence is what counts, not the clock.
  CHECK(journal.append(batch("late"), b).value() == 3);
  // What commands write needs no lease.
  CHECK(journal.append(batch("ask"), std::nullopt).value() == 4);
}

TEST_CASE("threads of one process share a journal") {
  Home home;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 10; ++i) {
          const bool ok = home.journal->append(batch("t" + std::to_string(t)), {}).ok() &&
                          home.journal->workloads(true).ok() && home.journal->last_seq().ok();
          failed += ok ? 0 : 1;
        }
      });
    }
  }
  CHECK(failed == 0);
  const std::vector<JournalRow> rows = all_rows(*home.journal);
  CHECK(rows.size() == 40);
  for (int t = 0; t < 4; ++t) { CHECK(count_token(rows, "t" + std::to_string(t)) == 10); }
}

}  // namespace gpubroker::store_test
