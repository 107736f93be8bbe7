#include "core/wire/sha256.hpp"
#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::World;

TEST_CASE("a commit tells what it kept") {
  World world;
  world.write("model.pt", "weights", 0640);
  world.write("sub/opt.pt", "");
  const Result<CommitResult> done =
      world.store.commit(world.folder(), {.id = {"c1"}, .attempt = 2, .step = 7, .world_size = 4});
  REQUIRE(done.ok());
  const Manifest manifest = world.store.read({"c1"}).value();
  CHECK(manifest == done.value().manifest);
  CHECK(manifest.workload.value == "w");
  CHECK(manifest.attempt == 2);
  CHECK(manifest.step == 7);
  CHECK(manifest.world_size == 4);
  CHECK(manifest.created_at == world.clock.time);
  REQUIRE(manifest.files.size() == 2);
  CHECK(manifest.files[0].path == "model.pt");
  CHECK(manifest.files[0].size == 7);
  CHECK(manifest.files[0].mode == 0640);
  CHECK(manifest.files[0].sha256 == sha256_hex("weights"));
  CHECK(manifest.files[1].path == "sub/opt.pt");
  CHECK(manifest.files[1].pieces.empty());
  CHECK(done.value().bytes_copied == 7);
  CHECK(world.store.verify(manifest, /*deep=*/true).ok());
  CHECK(world.count("commits/") == 0);
}

TEST_CASE("what has not changed is not copied again") {
  World world;
  const std::string large(std::size_t{17} << 20U, 'x');  // three pieces, the first two alike
  world.write("large", large);
  world.write("small", "1");
  CHECK(world.must_commit(1).bytes_copied == (std::int64_t{9} << 20) + 1);
  world.write("small", "22");
  CHECK(world.must_commit(2).bytes_copied == 2);
  CHECK(world.must_commit(3).bytes_copied == 0);
  world.write("copy", large);
  CHECK(world.must_commit(4).bytes_copied == 0);
}

TEST_CASE("a piece of the wrong size in the store is written anew") {
  World world;
  world.write("model", "weights");
  const Manifest first = world.must_commit(1).manifest;
  const std::string piece = world.object("pieces/" + first.files[0].pieces[0]);
  REQUIRE(world.disk.write_atomic(piece, "wei", 0600, false).ok());
  CHECK(world.must_commit(2).bytes_copied == 7);
  CHECK(world.store.verify(first, /*deep=*/true).ok());
}

TEST_CASE("a file that changes while it is read fails the commit, at whichever read") {
  for (const bool grows : {false, true}) {
    for (int nth = 1;; ++nth) {
      World world;
      world.write("a", std::string(std::size_t{9} << 20U, 'a'));  // two reads
      world.write("b", "b");
      int reads = 0;
      world.files.before = [&](const std::string& verb, const std::string& path) -> std::optional<Error> {
        if (verb == "read_at" && ++reads == nth) {
          world.write(path.substr(path.rfind('/') + 1),
                      grows ? std::string(std::size_t{10} << 20U, 'z') : "z");
        }
        return std::nullopt;
      };
      const Result<CommitResult> done = world.commit(1);
      CAPTURE(nth);
      if (reads < nth) {
        CHECK(done.ok());
        CHECK(nth == 4);
        break;
      }
      REQUIRE_FALSE(done.ok());
      CHECK(done.error().kind == ErrorKind::conflict);
      CHECK(done.error().code == "changed");
      CHECK(world.newest_step() == -1);
    }
  }
}

TEST_CASE("a file that changes after it was read, while another is, makes no mixture") {
  World world;
  world.write("LATEST.json", R"({"step": 1})");
  world.write("model", "one");
  world.files.before = [&](const std::string& verb, const std::string& path) -> std::optional<Error> {
    if (verb == "read_at" && path.ends_with("model")) { world.write("LATEST.json", R"({"step": 2})"); }
    return std::nullopt;
  };
  const Result<CommitResult> done = world.commit(1);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code == "changed");
  CHECK(done.error().message == "LATEST.json changed while it was being saved");
}

TEST_CASE("a file that vanishes while it is saved fails the commit") {
  World world;
  world.write("a", "a");
  world.files.after = [&](const std::string& verb, const std::string& path) -> std::optional<Error> {
    if (verb == "read_at") { (void)world.disk.remove_all(path); }
    return std::nullopt;
  };
  CHECK(world.commit(1).error().code == "changed");
}

TEST_CASE("what cannot be kept is refused, not left out") {
  World world;
  world.write("model", "x");
  const Manifest header{.id = {"c1"}, .step = 1};
  const auto refuses = [&](const std::vector<std::string>& paths) {
    const Result<CommitResult> done = world.store.commit_files(world.folder(), paths, header);
    return !done.ok() && done.error().kind == ErrorKind::invalid && world.newest_step() == -1;
  };
  REQUIRE(world.disk.write_atomic(world.temporary / "secret", "mine", 0600, false).ok());
  CHECK(refuses({}));
  CHECK(refuses({"../secret"}));
  CHECK(refuses({"model", "model"}));
  CHECK(refuses({"model/../model"}));
  world.write("\xff\xfe", "not UTF-8");
  CHECK(refuses({"\xff\xfe"}));
  std::filesystem::create_symlink("model", world.folder() + "/link");
  CHECK(refuses({"link"}));
  const Result<CommitResult> missing = world.store.commit_files(world.folder(), {"nothing"}, header);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().kind == ErrorKind::not_found);
  CHECK(world.store.commit_files(world.folder(), {"model"}, header).ok());
}

TEST_CASE("the same id twice: the same content is fine, another is a conflict") {
  World world;
  world.write("model", "one");
  world.must_commit(1);
  CHECK(world.commit(1).ok());
  world.write("model", "two");
  const Result<CommitResult> other = world.commit(1);
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().kind == ErrorKind::conflict);
  CHECK(other.error().code == "taken");
  CHECK(world.store.read(make_checkpoint_id(1, 1)).value().files[0].sha256 == sha256_hex("one"));
}

TEST_CASE("two workloads in one store do not see each other") {
  World world;
  CheckpointStore other(world.objects, world.files, world.clock, WorkloadId{"w2"});
  world.write("model", "one");
  world.must_commit(1);
  CHECK(other.list().value().empty());
  REQUIRE(other.commit(world.folder(), {.id = {"c9"}, .step = 9}).ok());
  CHECK(world.newest_step() == 1);
  REQUIRE(other.remove({"c9"}).ok());
  REQUIRE(other.retain(1, /*sweep_all=*/true).ok());
  CHECK(world.store.verify(world.store.list().value()[0], /*deep=*/true).ok());
  // A manifest that was put under another's name is of nobody.
  const std::string stolen = world.directory->get("w/manifests/" + make_checkpoint_id(1, 1).value).value();
  REQUIRE(world.directory->put("w2/manifests/" + make_checkpoint_id(1, 1).value, stolen).ok());
  std::vector<std::string> damaged;
  CHECK(other.list(&damaged).value().empty());
  CHECK(damaged.size() == 1);
}

}  // namespace
}  // namespace gpubroker
