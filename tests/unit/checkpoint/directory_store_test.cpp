#include <atomic>
#include <thread>

#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::World;

TEST_CASE("objects come back as they were, and the gone are not found") {
  World world;
  ObjectStore& store = *world.directory;
  const std::string bytes("a\0b\n\xff", 5);
  REQUIRE(store.put("w/a/b", bytes).ok());
  CHECK(store.get("w/a/b").value() == bytes);
  CHECK(store.head("w/a/b").value().size == 5);
  REQUIRE(store.put("w/a/b", "new").ok());
  CHECK(store.get("w/a/b").value() == "new");
  REQUIRE(store.remove("w/a/b").ok());
  REQUIRE(store.remove("w/a/b").ok());
  CHECK(store.get("w/a/b").error().kind == ErrorKind::not_found);
  CHECK(store.head("w/a/b").error().kind == ErrorKind::not_found);
}

TEST_CASE("a folder on the way to an object is no object") {
  World world;
  ObjectStore& store = *world.directory;
  REQUIRE(store.put("w/manifests/m1", "x").ok());
  CHECK(store.head("w/manifests").error().kind == ErrorKind::not_found);
  CHECK(store.get("w/manifests").error().kind == ErrorKind::not_found);
  REQUIRE(store.remove("w/manifests").ok());
  CHECK(store.get("w/manifests/m1").value() == "x");
}

TEST_CASE("keys that could leave the folder or hide from the list are refused") {
  World world;
  REQUIRE(world.disk.write_atomic(world.temporary / "secret", "mine", 0600, false).ok());
  const std::vector<std::string> bad = {
      "",     "/",     "/etc/passwd", "../secret",   "w/../../secret",
      "w//a", "w/./a", "w/a/",        "w/a.tmp-1-2", std::string("w/a\0b", 5)};
  for (const std::string& key : bad) {
    CAPTURE(key);
    CHECK(world.directory->put(key, "x").error().kind == ErrorKind::invalid);
    CHECK(world.directory->put_new(key, "x").error().kind == ErrorKind::invalid);
    CHECK(world.directory->get(key).error().kind == ErrorKind::invalid);
    CHECK(world.directory->head(key).error().kind == ErrorKind::invalid);
    CHECK(world.directory->remove(key).error().kind == ErrorKind::invalid);
  }
  CHECK(world.directory->list("../").error().kind == ErrorKind::invalid);
  CHECK(world.disk.read(world.temporary / "secret").value() == "mine");
}

TEST_CASE("of several put_new at once one wins, and its bytes stay") {
  World world;
  constexpr int kThreads = 8;
  for (int round = 0; round < 20; ++round) {
    const std::string key = "w/round-" + std::to_string(round);
    std::atomic<int> won{0};
    std::atomic<int> winner{-1};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const Result<bool> put =
            world.directory->put_new(key, std::string(10'000, static_cast<char>('a' + i)));
        if (put.ok() && put.value()) {
          ++won;
          winner = i;
        }
      });
    }
    for (std::thread& thread : threads) { thread.join(); }
    REQUIRE(won == 1);
    CHECK(world.directory->get(key).value() == std::string(10'000, static_cast<char>('a' + winner.load())));
  }
}

TEST_CASE("lists are sorted, by prefix, and without what is in the making") {
  World world;
  ObjectStore& store = *world.directory;
  CHECK(store.list("w/").value().empty());
  for (const char* key : {"w/p/c", "w/p/a", "w/p/ab", "w/q/z", "v/p/a"}) {
    REQUIRE(store.put(key, key).ok());
  }
  REQUIRE(world.disk.write_atomic(world.object("p/a.tmp-77-0"), "half", 0600, false).ok());
  const auto keys = [&](const std::string& prefix) {
    std::string all;
    const std::vector<ObjectInfo> found = store.list(prefix).value();
    for (const ObjectInfo& object : found) { all += object.key + " "; }
    return all;
  };
  CHECK(keys("w/p/") == "w/p/a w/p/ab w/p/c ");
  CHECK(keys("w/p/a") == "w/p/a w/p/ab ");
  CHECK(keys("w/") == "w/p/a w/p/ab w/p/c w/q/z ");
  CHECK(keys("") == "v/p/a w/p/a w/p/ab w/p/c w/q/z ");
  CHECK(store.list("w/p/c").value().front().size == 5);
}

TEST_CASE("only stores that are known are opened") {
  World world;
  for (const char* url : {"s3://bucket/x", "file://relative", "file://", "/plain", ""}) {
    CAPTURE(url);
    const auto opened = open_object_store(url, world.disk);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == ErrorKind::invalid);
    CHECK(opened.error().hint == "known: file:///absolute/folder");
  }
}

}  // namespace
}  // namespace gpubroker
