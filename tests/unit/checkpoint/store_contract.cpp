#include "tests/unit/checkpoint/store_contract.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace gpubroker::testing {
namespace {

void check_bytes(ObjectStore& store) {
  const std::string bytes("a\0b\n\xff", 5);
  REQUIRE(store.put("w/a/b", bytes).ok());
  CHECK(store.get("w/a/b").value() == bytes);
  CHECK(store.head("w/a/b").value().size == 5);
  CHECK(store.head("w/a/b").value().key == "w/a/b");
  REQUIRE(store.put("w/a/b", "new").ok());
  CHECK(store.get("w/a/b").value() == "new");
  REQUIRE(store.put("w/empty", "").ok());
  CHECK(store.get("w/empty").value().empty());
  CHECK(store.head("w/empty").value().size == 0);
}

void check_gone(ObjectStore& store) {
  REQUIRE(store.put("w/a", "x").ok());
  REQUIRE(store.remove("w/a").ok());
  REQUIRE(store.remove("w/a").ok());
  CHECK(store.get("w/a").error().kind == ErrorKind::not_found);
  CHECK(store.head("w/a").error().kind == ErrorKind::not_found);
  CHECK(store.put_new("w/a", "y").value());
}

void check_folders(ObjectStore& store) {
  REQUIRE(store.put("w/manifests/m1", "x").ok());
  CHECK(store.head("w/manifests").error().kind == ErrorKind::not_found);
  CHECK(store.get("w/manifests").error().kind == ErrorKind::not_found);
  REQUIRE(store.remove("w/manifests").ok());
  CHECK(store.get("w/manifests/m1").value() == "x");
}

void check_keys(ObjectStore& store) {
  const std::vector<std::string> bad = {
      "",      "/",    "/etc/passwd",           "../secret", "w/../../secret", "w//a",
      "w/./a", "w/a/", std::string("w/a\0b", 5)};
  for (const std::string& key : bad) {
    CAPTURE(key);
    CHECK(store.put(key, "x").error().kind == ErrorKind::invalid);
    CHECK(store.put_new(key, "x").error().kind == ErrorKind::invalid);
    CHECK(store.get(key).error().kind == ErrorKind::invalid);
    CHECK(store.head(key).error().kind == ErrorKind::invalid);
    CHECK(store.remove(key).error().kind == ErrorKind::invalid);
  }
}

void check_put_new(ObjectStore& store) {
  constexpr int kThreads = 8;
  for (int round = 0; round < 20; ++round) {
    const std::string key = "w/round-" + std::to_string(round);
    std::atomic<int> won{0};
    std::atomic<int> winner{-1};
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const Result<bool> put = store.put_new(key, std::string(10'000, static_cast<char>('a' + i)));
        if (put.ok() && put.value()) {
          ++won;
          winner = i;
        }
      });
    }
    for (std::thread& thread : threads) { thread.join(); }
    REQUIRE(won == 1);
    CHECK(store.get(key).value() == std::string(10'000, static_cast<char>('a' + winner.load())));
    CHECK_FALSE(store.put_new(key, "later").value());
  }
}

void check_lists(ObjectStore& store) {
  CHECK(store.list("w/").value().empty());
  const std::vector<std::string> all = {"w/p/c", "w/p/a", "w/p/ab", "w/p/a b+c%&<\xc3\xa9", "w/q/z", "v/p/a"};
  for (const std::string& key : all) { REQUIRE(store.put(key, key).ok()); }
  const auto keys = [&](const std::string& prefix) {
    std::string text;
    const std::vector<ObjectInfo> found = store.list(prefix).value();
    for (const ObjectInfo& object : found) {
      CHECK(object.size == static_cast<std::int64_t>(object.key.size()));
      text += object.key + " ";
    }
    return text;
  };
  CHECK(keys("w/p/") == "w/p/a w/p/a b+c%&<\xc3\xa9 w/p/ab w/p/c ");
  CHECK(keys("w/p/ab") == "w/p/ab ");
  CHECK(keys("w/q") == "w/q/z ");
  CHECK(keys("").rfind("v/p/a w/p/a ", 0) == 0);
  CHECK(keys("x/").empty());
}

}  // namespace

void check_store_contract(const MakeStore& make) {
  for (void (*const check)(ObjectStore&) :
       {check_bytes, check_gone, check_folders, check_keys, check_put_new, check_lists}) {
    check(*make());
  }
}

}  // namespace gpubroker::testing
