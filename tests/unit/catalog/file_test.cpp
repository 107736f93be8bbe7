// The catalog's file: opened by several, full, damaged, older, newer. Old or new, never half.
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/stat.h>

#include "catalog/schema.hpp"
#include "tests/unit/catalog/support.hpp"
#include "tests/unit/store/fault_vfs.hpp"
#include "tests/unit/store/support.hpp"

namespace gpubroker::catalog_test {
namespace {

using store_test::Child;
using store_test::Fault;
using store_test::FaultVfs;
using store_test::NumberPipe;
using store_test::RawDatabase;

/// A hundred offers, all of one price: a reader that sees two prices saw half of a refresh.
Harvest generation(int number) {
  Harvest harvest;
  for (int i = 0; i < 100; ++i) {
    harvest.listings.push_back(
        listing("x/r" + std::to_string(i % 10) + "/t" + std::to_string(i) + "/on_demand", "H100", 8,
                std::to_string(20 + number % 5)));
  }
  return harvest;
}

std::vector<std::string> schema_of(const std::string& path) {
  return RawDatabase(path).column("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY type, name");
}

Error open_error(const std::string& path, OpenMode mode) {
  Result<std::unique_ptr<CatalogDb>> opened = CatalogDb::open(path, mode, Millis{50});
  REQUIRE_FALSE(opened.ok());
  CHECK_FALSE(opened.error().hint.empty());
  return std::move(opened).error();
}

}  // namespace

TEST_CASE("a second connection reads the old or the new of a refresh, never half") {
  World world;
  world.take("x/prices", generation(0));
  const std::unique_ptr<CatalogDb> reader = world.open(OpenMode::read_only);
  const auto prices = [&reader] {
    std::set<std::int64_t> seen;
    const std::vector<OfferRow> rows = find_offers(*reader, {}, kNow).value();
    CHECK(rows.size() == 100);
    for (const OfferRow& row : rows) { seen.insert(row.listing.offer.price.micros_per_hour); }
    return seen;
  };
  CHECK(prices() == std::set<std::int64_t>{20'000'000});
  {
    // In the middle of somebody's refresh.
    Result<Transaction> open = Transaction::begin(world.db().handle(), world.path());
    REQUIRE(open.ok());
    REQUIRE(execute(world.db().handle(), "UPDATE offer SET price_micros = 1 WHERE id % 2 = 0", world.path())
                .ok());
    CHECK(prices() == std::set<std::int64_t>{20'000'000});
  }
  world.take("x/prices", generation(1));
  CHECK(prices() == std::set<std::int64_t>{21'000'000});
}

TEST_CASE("processes refresh and read at once: each answer is whole") {
  World world;
  world.take("x/prices", generation(0));
  NumberPipe ready;
  Child writer([&] {
    Result<std::unique_ptr<CatalogDb>> db = CatalogDb::open(world.path(), OpenMode::read_write);
    if (!db.ok()) { return 1; }
    for (int number = 1; number <= 40; ++number) {
      if (!ingest(*db.value(), "x/prices", generation(number), kNow + number * kMinute).ok()) { return 2; }
      if (!ready.send(number)) { return 3; }
    }
    return 0;
  });
  ready.close_writing();
  const std::unique_ptr<CatalogDb> reader = world.open(OpenMode::read_only);
  int answers = 0;
  while (ready.receive()) {
    std::set<std::int64_t> seen;
    const std::vector<OfferRow> rows = find_offers(*reader, {}, kNow).value();
    for (const OfferRow& row : rows) { seen.insert(row.listing.offer.price.micros_per_hour); }
    CHECK(rows.size() == 100);
    CHECK(seen.size() == 1);
    ++answers;
  }
  CHECK(writer.wait() == 0);
  CHECK(answers == 40);
}

TEST_CASE("a refresh that is killed leaves the old, and the next one goes on") {
  World world;
  world.take("x/prices", generation(0));
  NumberPipe ready;
  Child writer([&] {
    Result<std::unique_ptr<CatalogDb>> db = CatalogDb::open(world.path(), OpenMode::read_write);
    for (int number = 1; db.ok(); ++number) {
      if (!ingest(*db.value(), "x/prices", generation(number), kNow + number * kMinute).ok()) { return 2; }
      (void)ready.send(number);
    }
    return 1;
  });
  ready.close_writing();
  for (int i = 0; i < 5; ++i) { (void)ready.receive(); }
  writer.kill();
  CHECK(writer.wait() == 128 + 9);
  std::set<std::int64_t> seen;
  const std::vector<OfferRow> rows = world.find();
  for (const OfferRow& row : rows) { seen.insert(row.listing.offer.price.micros_per_hour); }
  CHECK(rows.size() == 100);
  CHECK(seen.size() == 1);
  world.now = kNow + kHour * 24;
  world.take("x/prices", generation(3));
  CHECK(world.number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
}

TEST_CASE("a second refresh waits for the first, and says so when it waits in vain") {
  World world;
  world.take("x/prices", generation(0));
  Result<Transaction> open = Transaction::begin(world.db().handle(), world.path());
  REQUIRE(open.ok());
  Result<std::unique_ptr<CatalogDb>> other = CatalogDb::open(world.path(), OpenMode::read_write, Millis{20});
  REQUIRE(other.ok());
  const Result<IngestReport> report = ingest(*other.value(), "y/prices", generation(0), kNow);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().kind == ErrorKind::conflict);
  CHECK(report.error().code == "locked");
}

TEST_CASE("every change to the disk fails once in a refresh: the error is told, the old rows stay") {
  for (const Fault fault : {Fault::full, Fault::refused, Fault::torn}) {
    FaultVfs vfs;
    bool failed = true;
    int told = 0;
    for (int step = 0; failed; ++step) {
      CAPTURE(step);
      vfs.disks.clear();
      World world("/dev/shm");
      world.take("x/prices", generation(0));
      vfs.fail_after(step, fault, /*for_good=*/true);
      const Result<IngestReport> report = ingest(world.db(), "x/prices", generation(1), kNow + kMinute);
      failed = vfs.has_failed();
      vfs.heal();
      std::set<std::int64_t> seen;
      const std::vector<OfferRow> rows = world.find();
      for (const OfferRow& row : rows) { seen.insert(row.listing.offer.price.micros_per_hour); }
      CHECK(rows.size() == 100);
      REQUIRE(seen.size() == 1);
      if (!report.ok()) {
        ++told;
        CHECK(*seen.begin() == 20'000'000);
        CHECK_FALSE(report.error().hint.empty());
        if (fault == Fault::full) {
          CHECK(report.error().code == "full");
          CHECK(report.error().kind == ErrorKind::capacity);
        }
      }
      world.now = kNow + 2 * kMinute;
      world.take("x/prices", generation(2));  // the same connection goes on
      CHECK(world.find()[0].listing.offer.price == usd("22"));
      CHECK(world.number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
    }
    CHECK(told > 5);
  }
}

TEST_CASE("the file is its user's alone, and one who only looks makes none") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "home/catalog.db";
  const Error none = open_error(path, OpenMode::read_only);
  CHECK(none.kind == ErrorKind::not_found);
  CHECK(none.message == "there is no catalog at " + path + " yet");
  CHECK(none.hint == "`gpubroker refresh` makes it");
  CHECK_FALSE(std::filesystem::exists(folder / "home"));
  REQUIRE(CatalogDb::open(path, OpenMode::read_write).ok());
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0600));
}

TEST_CASE("a file that is damaged, newer or none is told as such") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "catalog.db";
  std::ofstream(path) << std::string(8'192, 'x');
  CHECK(open_error(path, OpenMode::read_only).code == "corrupt");
  CHECK(open_error(path, OpenMode::read_write).code == "corrupt");
  std::filesystem::remove(path);
  REQUIRE(CatalogDb::open(path, OpenMode::read_write).ok());
  CHECK(RawDatabase(path).run("PRAGMA user_version = 99").empty());
  CHECK(open_error(path, OpenMode::read_only).code == "newer");
  CHECK(open_error(path, OpenMode::read_write).code == "newer");
}

TEST_CASE("from every older schema the file becomes what a new one is") {
  const testing::TemporaryFolder folder;
  REQUIRE(CatalogDb::open(folder / "new.db", OpenMode::read_write).ok());
  const std::vector<Migration>& all = catalog_schema();
  for (std::size_t version = 0; version <= all.size(); ++version) {
    CAPTURE(version);
    const std::string path = folder / ("old" + std::to_string(version) + ".db");
    {
      RawDatabase raw(path);
      for (std::size_t i = 0; i < version; ++i) { CHECK(raw.run(all[i].sql).empty()); }
      CHECK(raw.run("PRAGMA user_version = " + std::to_string(version)).empty());
    }
    if (version < all.size()) {
      const Error older = open_error(path, OpenMode::read_only);
      CHECK((older.code == "older" || older.kind == ErrorKind::not_found));
    }
    REQUIRE(CatalogDb::open(path, OpenMode::read_write).ok());
    CHECK(schema_of(path) == schema_of(folder / "new.db"));
  }
}

}  // namespace gpubroker::catalog_test
