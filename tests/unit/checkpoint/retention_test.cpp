#include "tests/unit/checkpoint/world.hpp"

namespace gpubroker {
namespace {

using testing::Crash;
using testing::World;

std::string steps_of(World& world) {
  std::string steps;
  const std::vector<Manifest> all = world.store.list().value();
  for (const Manifest& manifest : all) { steps += std::to_string(manifest.step) + " "; }
  return steps;
}

void commit_steps(World& world, int last) {
  for (int step = 1; step <= last; ++step) {
    world.write("model", "step " + std::to_string(step));
    world.must_commit(step);
  }
}

void spoil(World& world, std::int64_t step) {
  const Manifest manifest = world.store.read(make_checkpoint_id(step, 1)).value();
  REQUIRE(world.disk.remove_all(world.object("pieces/" + manifest.files[0].pieces[0])).ok());
}

TEST_CASE("the newest `keep` stay, and always one") {
  World world;
  commit_steps(world, 5);
  REQUIRE(world.store.retain(3, /*sweep_all=*/false).ok());
  CHECK(steps_of(world) == "5 4 3 ");
  REQUIRE(world.store.retain(0, /*sweep_all=*/true).ok());
  CHECK(steps_of(world) == "5 ");
  CHECK(world.count("pieces/") == 1);
  CHECK(world.store.verify(world.store.list().value()[0], /*deep=*/true).ok());
}

TEST_CASE("a broken one does not count, and is no reason to lose the last whole one") {
  World world;
  commit_steps(world, 4);
  spoil(world, 4);
  spoil(world, 2);
  REQUIRE(world.store.retain(2, /*sweep_all=*/true).ok());
  CHECK(steps_of(world) == "4 3 1 ");  // 4 is newer than the newest whole one: evidence, not yet rubbish
  CHECK(world.newest_step() == 3);
  spoil(world, 3);
  spoil(world, 1);
  REQUIRE(world.store.retain(1, /*sweep_all=*/true).ok());
  CHECK(steps_of(world) == "4 3 1 ");  // nothing whole: nothing is touched
}

TEST_CASE("pieces go an hour after they were first found unused, not before") {
  World world;
  commit_steps(world, 3);
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.count("pieces/") == 3);
  world.clock.time = world.clock.time + std::chrono::minutes{59};
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.count("pieces/") == 3);
  world.clock.time = world.clock.time + std::chrono::minutes{1};
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.count("pieces/") == 1);
  CHECK(world.count("sweeping") == 0);
}

TEST_CASE("a piece that is used again starts a new hour when it is dropped again") {
  World world;
  commit_steps(world, 2);
  REQUIRE(world.store.retain(1, false).ok());  // "step 1" is unused now
  world.clock.time = world.clock.time + std::chrono::minutes{50};
  world.write("model", "step 1");
  CHECK(world.must_commit(3).bytes_copied == 6);  // written anew: the old one may be going
  REQUIRE(world.store.retain(1, false).ok());
  world.write("model", "step 4");
  world.must_commit(4);
  world.clock.time = world.clock.time + std::chrono::minutes{20};
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.store.verify(world.store.list().value()[0], true).ok());
  CHECK(world.count("pieces/") == 3);  // "step 1" was found unused 70 minutes ago, and again just now
}

/// Runs `other` when the first agent makes its call number `nth`; false when it makes fewer.
bool in_between(World& world, int nth, const std::function<void()>& other,
                const std::function<void()>& mine) {
  int calls = 0;
  world.objects.before = [&](const std::string&, const std::string&) -> std::optional<Error> {
    if (++calls == nth) { other(); }
    return std::nullopt;
  };
  mine();
  world.objects.before = testing::no_hook;
  return calls >= nth;
}

TEST_CASE("a sweep in the middle of another agent's commit robs it of nothing, wherever it falls") {
  for (const bool sweep_all : {false, true}) {
    for (int nth = 1;; ++nth) {
      World world;
      CheckpointStore other(*world.directory, world.disk, world.clock, WorkloadId{"w"});
      commit_steps(world, 2);
      REQUIRE(world.store.retain(1, false).ok());
      world.clock.time = world.clock.time + std::chrono::hours{2};  // "step 1" goes with the next sweep
      world.write("model", "step 1");
      world.write("opt", "step 2");
      CAPTURE(nth);
      const bool inside = in_between(
          world, nth, [&] { CHECK(other.retain(1, sweep_all).ok()); }, [&] { world.must_commit(3); });
      const Manifest newest = world.store.read(make_checkpoint_id(3, 1)).value();
      CHECK(world.store.verify(newest, /*deep=*/true).ok());
      if (!inside) { break; }
    }
  }
}

TEST_CASE("a commit in the middle of another agent's sweep is whole when it says so, wherever it falls") {
  for (const bool sweep_all : {false, true}) {
    for (int nth = 1;; ++nth) {
      World world;
      CheckpointStore other(*world.directory, world.disk, world.clock, WorkloadId{"w"});
      commit_steps(world, 2);
      REQUIRE(world.store.retain(1, false).ok());
      world.clock.time = world.clock.time + std::chrono::hours{2};
      world.write("model", "step 1");
      CAPTURE(nth);
      bool committed = false;
      const bool inside = in_between(
          world, nth,
          [&] {
            // The sweep stands still meanwhile, so that the commit may have to give up.
            committed =
                other.commit(world.folder(), {.id = make_checkpoint_id(3, 2), .attempt = 2, .step = 3}).ok();
          },
          [&] { CHECK(world.store.retain(2, sweep_all).ok()); });
      if (committed) {
        const Result<Manifest> newest = world.store.read(make_checkpoint_id(3, 2));
        REQUIRE(newest.ok());
        CHECK(world.store.verify(newest.value(), /*deep=*/true).ok());
      }
      if (!inside) { break; }
      CHECK(world.store.verify(world.store.read(make_checkpoint_id(2, 1)).value(), true).ok());
    }
  }
}

TEST_CASE("a commit waits for a sweep to end, and not for a dead one") {
  World world;
  commit_steps(world, 2);
  REQUIRE(world.store.retain(1, false).ok());
  world.write("model", "step 1");
  REQUIRE(world.directory->put("w/sweeping", std::to_string(world.clock.time.ms)).ok());
  const Result<CommitResult> stuck = world.commit(3);
  REQUIRE_FALSE(stuck.ok());
  CHECK(stuck.error().code == "busy");
  world.clock.on_sleep = [&] { CHECK(world.directory->remove("w/sweeping").ok()); };
  REQUIRE(world.directory->put("w/sweeping", std::to_string(world.clock.time.ms)).ok());
  CHECK(world.commit(3).ok());
  world.clock.on_sleep = [] { FAIL("a dead sweep is not waited for"); };
  world.write("model", "step 4");
  world.must_commit(4);
  REQUIRE(world.store.retain(1, false).ok());
  REQUIRE(world.directory->put("w/sweeping", std::to_string(world.clock.time.ms - 600'000)).ok());
  world.write("model", "step 1");
  CHECK(world.commit(5).ok());
}

TEST_CASE("what a dead commit left is swept after a day") {
  World world;
  commit_steps(world, 2);
  REQUIRE(world.store.retain(1, false).ok());
  REQUIRE(world.directory->put("w/commits/dead", std::to_string(world.clock.time.ms)).ok());
  world.clock.time = world.clock.time + std::chrono::hours{2};
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.count("pieces/") == 2);
  world.clock.time = world.clock.time + std::chrono::hours{22};
  REQUIRE(world.store.retain(1, false).ok());
  CHECK(world.count("pieces/") == 1);
  CHECK(world.count("commits/") == 0);
}

TEST_CASE("a commit and its retention that die at any step lose nothing that was offered") {
  for (const bool deed_done : {false, true}) {
    int steps = 0;
    for (;; ++steps) {
      World world;
      commit_steps(world, 3);
      REQUIRE(world.store.retain(2, false).ok());
      world.clock.time = world.clock.time + std::chrono::hours{2};
      world.write("model", "step 4");
      world.write("opt", "step 1");  // content of the one that is going
      Crash crash{.at = steps, .deed_done = deed_done};
      crash.arm(world);
      const Result<CommitResult> done = world.commit(4);
      if (done.ok()) { (void)world.store.retain(2, false); }
      Crash::disarm(world);
      CAPTURE(steps);
      CAPTURE(deed_done);
      std::vector<std::string> damaged;
      const std::vector<Manifest> listed = world.store.list(&damaged).value();
      CHECK(damaged.empty());
      for (const Manifest& manifest : listed) { CHECK(world.store.verify(manifest, /*deep=*/true).ok()); }
      CHECK(world.newest_step() >= 3);
      if (done.ok()) { CHECK(world.newest_step() == 4); }
      // The next life goes on from there.
      world.clock.time = world.clock.time + std::chrono::hours{25};
      REQUIRE(world.commit(4).ok());
      REQUIRE(world.store.retain(1, false).ok());
      CHECK(steps_of(world) == "4 ");
      CHECK(world.store.verify(world.store.list().value()[0], /*deep=*/true).ok());
      if (!crash.happened()) { break; }
    }
    CHECK(steps > 25);
  }
}

}  // namespace
}  // namespace gpubroker
