#include "tests/unit/checkpoint/store_contract.hpp"
#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::World;

TEST_CASE("a folder keeps the contract of all stores") {
  testing::check_store_contract([] {
    const auto world = std::make_shared<World>();
    return std::shared_ptr<ObjectStore>(world, world->directory.get());
  });
}

TEST_CASE("keys that could leave the folder or hide from the list are refused") {
  World world;
  REQUIRE(world.disk.write_atomic(world.temporary / "secret", "mine", 0600, false).ok());
  CHECK(world.directory->put("w/a.tmp-1-2", "x").error().kind == ErrorKind::invalid);
  CHECK(world.directory->list("../").error().kind == ErrorKind::invalid);
  CHECK(world.disk.read(world.temporary / "secret").value() == "mine");
}

TEST_CASE("lists are without what is in the making") {
  World world;
  ObjectStore& store = *world.directory;
  REQUIRE(store.put("w/p/a", "x").ok());
  REQUIRE(world.disk.write_atomic(world.object("p/a.tmp-77-0"), "half", 0600, false).ok());
  CHECK(store.list("w/").value().size() == 1);
}

TEST_CASE("only stores that are known are opened") {
  World world;
  for (const char* url : {"gs://bucket/x", "file://relative", "file://", "/plain", ""}) {
    CAPTURE(url);
    const auto opened = open_object_store(url, world.disk);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == ErrorKind::invalid);
    CHECK(opened.error().hint == "known: file:///absolute/folder, s3://bucket/prefix");
  }
}

}  // namespace
}  // namespace gpubroker
