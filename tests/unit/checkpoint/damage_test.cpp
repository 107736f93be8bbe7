#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::World;

/// A world with a whole checkpoint of step 1 and a larger one of step 2.
struct TwoSteps : World {
  Manifest first;
  Manifest second;
  std::string manifest_path;
  TwoSteps() {
    write("model", "one");
    first = must_commit(1).manifest;
    write("model", std::string(std::size_t{9} << 20U, 'm'));
    write("opt", "state");
    second = must_commit(2).manifest;
    manifest_path = object("manifests/" + second.id.value);
  }
  /// What is offered, and what is named as damaged.
  std::pair<std::int64_t, std::size_t> offered() {
    std::vector<std::string> damaged;
    const Result<std::vector<Manifest>> all = store.list(&damaged);
    REQUIRE(all.ok());
    return {newest_step(), damaged.size()};
  }
};

TEST_CASE("a manifest torn at any byte is never offered, and is named") {
  TwoSteps world;
  const std::string text = world.disk.read(world.manifest_path).value();
  for (std::size_t length = 0; length < text.size(); ++length) {
    REQUIRE(world.disk.write_atomic(world.manifest_path, text.substr(0, length), 0600, false).ok());
    CAPTURE(length);
    REQUIRE(world.offered() == std::pair<std::int64_t, std::size_t>{1, 1});
  }
  REQUIRE(world.disk.write_atomic(world.manifest_path, text, 0600, false).ok());
  CHECK(world.offered() == std::pair<std::int64_t, std::size_t>{2, 0});
}

TEST_CASE("a piece gone or cut is found by a look, one with other bytes by a deep look") {
  TwoSteps world;
  for (const ManifestFile& file : world.second.files) {
    for (const std::string& hash : file.pieces) {
      CAPTURE(file.path);
      const std::string path = world.object("pieces/" + hash);
      const std::string bytes = world.disk.read(path).value();

      REQUIRE(world.disk.remove_all(path).ok());
      CHECK(world.offered().first == 1);
      Status verdict = world.store.verify(world.second, /*deep=*/false);
      REQUIRE_FALSE(verdict.ok());
      CHECK(verdict.error().code == "missing");
      CHECK(verdict.error().message == file.path + ": a piece is missing");

      REQUIRE(world.disk.write_atomic(path, bytes.substr(1), 0600, false).ok());
      CHECK(world.offered().first == 1);
      CHECK(world.store.verify(world.second, /*deep=*/false).error().code == "corrupt");

      std::string flipped = bytes;
      flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x10);
      REQUIRE(world.disk.write_atomic(path, flipped, 0600, false).ok());
      verdict = world.store.verify(world.second, /*deep=*/true);
      REQUIRE_FALSE(verdict.ok());
      CHECK(verdict.error().code == "corrupt");
      CHECK(verdict.error().message == file.path + ": a piece does not have its hash");

      REQUIRE(world.disk.write_atomic(path, bytes, 0600, false).ok());
      CHECK(world.store.verify(world.second, /*deep=*/true).ok());
    }
  }
}

TEST_CASE("a sealed manifest that lies about a size or a hash is found out") {
  TwoSteps world;
  const auto verdict_of = [&](const std::function<void(Manifest&)>& lie, bool deep) {
    Manifest liar = world.second;
    lie(liar);
    REQUIRE(world.directory->put("w/manifests/" + liar.id.value, encode_manifest(liar)).ok());
    const Result<Manifest> read = world.store.read(liar.id);
    return read.ok() ? world.store.verify(read.value(), deep) : Status(read.error());
  };
  CHECK(verdict_of([](Manifest&) {}, true).ok());
  // "opt" is the second file.
  CHECK(verdict_of([](Manifest& m) { m.files[1].size = 4; }, false).error().code == "corrupt");
  CHECK(verdict_of([](Manifest& m) { m.files[1].sha256 = std::string(64, 'b'); }, true).error().code ==
        "corrupt");
  CHECK(verdict_of([](Manifest& m) { m.files[1].pieces[0] = std::string(64, 'b'); }, false).error().code ==
        "missing");
  CHECK(verdict_of([](Manifest& m) { std::swap(m.files[0].pieces[0], m.files[0].pieces[1]); }, false)
            .error()
            .code == "corrupt");
  CHECK(verdict_of([](Manifest& m) { m.id.value = "000000000002-a009"; }, false).ok());  // under its new name
  CHECK(verdict_of([](Manifest& m) { m.workload.value = "other"; }, false).error().code == "corrupt");
}

TEST_CASE("a store that does not answer is an error, not an older checkpoint and nothing to throw away") {
  for (const char* verb : {"list", "get", "head"}) {
    CAPTURE(verb);
    TwoSteps world;
    world.objects.before = [&](const std::string& called, const std::string& key) -> std::optional<Error> {
      const bool of_second = key.find(world.second.id.value) != std::string::npos ||
                             key.find(world.second.files[1].pieces[0]) != std::string::npos;
      if (called != verb || (called != "list" && !of_second)) { return std::nullopt; }
      // A disk's own trouble is `internal` too, and must not look like damage.
      return Error{.kind = ErrorKind::internal, .message = "cannot open: Too many open files"};
    };
    CHECK_FALSE(world.store.newest_whole().ok());
    CHECK_FALSE(world.store.retain(1, /*sweep_all=*/true).ok());
    world.objects.before = testing::no_hook;
    CHECK(world.newest_step() == 2);
    CHECK(world.store.list().value().size() == 2);
    CHECK(world.store.verify(world.first, /*deep=*/true).ok());
  }
}

TEST_CASE("resume takes the newest step, then the newest attempt, that is whole") {
  World world;
  CHECK(world.newest_step() == -1);
  world.write("m", "5");
  world.must_commit(5, 1);
  world.write("m", "5 again");
  world.must_commit(5, 2);
  world.write("m", "4");
  world.must_commit(4, 3);
  CHECK(world.store.newest_whole().value()->id == make_checkpoint_id(5, 2));
  const std::string piece = world.store.read(make_checkpoint_id(5, 2)).value().files[0].pieces[0];
  REQUIRE(world.disk.remove_all(world.object("pieces/" + piece)).ok());
  CHECK(world.store.newest_whole().value()->id == make_checkpoint_id(5, 1));
}

}  // namespace
}  // namespace gpubroker
