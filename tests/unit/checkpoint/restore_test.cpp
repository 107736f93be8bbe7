#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::World;

int mode_of(World& world, const std::string& name) {
  return world.disk.stat(world.folder() + "/" + name).value().mode;
}

TEST_CASE("a restore makes the folder exactly the checkpoint") {
  World world;
  world.write("model", "weights", 0400);
  world.write("run.sh", "#!/bin/sh\n", 0755);
  world.write("sub/deep/opt", "", 0640);
  std::string large(std::size_t{9} << 20U, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) { large[i] = static_cast<char>(i * 31 / 7); }
  world.write("large", large, 0600);
  const auto saved = world.tree(world.folder());
  const Manifest manifest = world.must_commit(1).manifest;

  REQUIRE(world.disk.remove_all(world.folder()).ok());
  REQUIRE(world.store.restore(manifest, world.folder()).ok());
  CHECK(world.tree(world.folder()) == saved);
  CHECK(mode_of(world, "model") == 0400);
  CHECK(mode_of(world, "run.sh") == 0755);
  CHECK(mode_of(world, "sub/deep/opt") == 0640);
  CHECK(mode_of(world, "large") == 0600);

  world.write("model", "spoilt");
  world.write("extra", "not of the checkpoint");
  REQUIRE(world.store.restore(manifest, world.folder()).ok());
  CHECK(world.tree(world.folder()) == saved);
  CHECK_FALSE(world.disk.stat(world.folder() + ".restoring").ok());
  CHECK_FALSE(world.disk.stat(world.folder() + ".replaced").ok());
}

TEST_CASE("a corrupt piece: the folder stays, and the checkpoint is not offered again") {
  World world;
  world.write("model", "good");
  world.must_commit(1);
  world.write("model", "better");
  const Manifest second = world.must_commit(2).manifest;
  const std::string piece = "pieces/" + second.files[0].pieces[0];
  REQUIRE(world.disk.write_atomic(world.object(piece), "bettor", 0600, false).ok());
  CHECK(world.newest_step() == 2);  // its size is right

  world.write("model", "mine");
  const Status restored = world.store.restore(second, world.folder());
  REQUIRE_FALSE(restored.ok());
  CHECK(restored.error().code == "corrupt");
  CHECK(world.tree(world.folder()) == std::map<std::string, std::string>{{"model", "mine"}});
  CHECK_FALSE(world.disk.stat(world.folder() + ".restoring").ok());
  CHECK(world.newest_step() == 1);
  world.write("model", "better");
  CHECK(world.must_commit(3).bytes_copied == 6);  // and the bad piece is not relied on
  CHECK(world.store.verify(second, /*deep=*/true).ok());
}

TEST_CASE("a piece that is spoilt on the way is read again, not thrown away") {
  World world;
  world.write("model", "weights");
  const Manifest manifest = world.must_commit(1).manifest;
  int gets = 0;
  const std::string path = world.object("pieces/" + manifest.files[0].pieces[0]);
  world.objects.before = [&](const std::string& verb, const std::string&) -> std::optional<Error> {
    if (verb == "get") {
      const std::string now = ++gets == 1 ? "wEights" : "weights";
      REQUIRE(world.disk.write_atomic(path, now, 0600, false).ok());
    }
    return std::nullopt;
  };
  CHECK(world.store.restore(manifest, world.folder()).ok());
  CHECK(gets == 2);
  CHECK(world.newest_step() == 1);
}

TEST_CASE("a missing piece or a lying hash leaves the folder as it was") {
  World world;
  world.write("model", "weights");
  Manifest manifest = world.must_commit(1).manifest;
  world.write("model", "mine");
  Manifest liar = manifest;
  liar.files[0].sha256 = std::string(64, 'b');
  CHECK(world.store.restore(liar, world.folder()).error().code == "corrupt");
  REQUIRE(world.disk.remove_all(world.object("pieces")).ok());
  CHECK(world.store.restore(manifest, world.folder()).error().code == "missing");
  CHECK(world.tree(world.folder()) == std::map<std::string, std::string>{{"model", "mine"}});
}

TEST_CASE("a restore that dies at any step leaves the old folder, the new one, or none") {
  World source;
  int steps = 0;
  for (;; ++steps) {
    World world;
    world.write("model", "weights");
    world.write("opt", "state");
    const auto saved = world.tree(world.folder());
    const Manifest manifest = world.must_commit(1).manifest;
    world.write("model", "mine");
    const auto old = world.tree(world.folder());
    testing::Crash crash{.at = steps};
    crash.arm(world);
    const Status restored = world.store.restore(manifest, world.folder());
    testing::Crash::disarm(world);
    const auto left = world.tree(world.folder());
    CAPTURE(steps);
    if (!crash.happened()) {
      CHECK(restored.ok());
      CHECK(left == saved);
      break;
    }
    CHECK((left == old || left == saved || left.empty()));
    if (restored.ok()) { CHECK(left == saved); }
    REQUIRE(world.store.restore(manifest, world.folder()).ok());  // the next one works, whatever was left
    CHECK(world.tree(world.folder()) == saved);
  }
  CHECK(steps > 8);
}

TEST_CASE("a swap that fails puts the old folder back") {
  World world;
  world.write("model", "weights");
  const Manifest manifest = world.must_commit(1).manifest;
  world.write("model", "mine");
  world.files.before = [&](const std::string& verb, const std::string& path) -> std::optional<Error> {
    if (verb == "rename" && path.ends_with(".restoring")) {
      return Error{.kind = ErrorKind::capacity, .message = "no space left"};
    }
    return std::nullopt;
  };
  CHECK(world.store.restore(manifest, world.folder()).error().kind == ErrorKind::capacity);
  CHECK(world.tree(world.folder()) == std::map<std::string, std::string>{{"model", "mine"}});
}

}  // namespace
}  // namespace gpubroker
