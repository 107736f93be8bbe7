#pragma once
#include <map>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "core/checkpoint/checkpoint.hpp"
#include "core/system/files.hpp"
#include "tests/manual_clock.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/checkpoint/hooked.hpp"

namespace gpubroker::testing {

/// A job's folder and a store beside it, both real; every call can be hooked.
struct World {
  TemporaryFolder temporary = {};
  PosixFiles disk = {};
  HookedFiles files{disk};
  ManualClock clock = {};
  std::unique_ptr<ObjectStore> directory = open_object_store("file://" + (temporary / "store"), disk).value();
  HookedStore objects{*directory};
  CheckpointStore store{objects, files, clock, WorkloadId{"w"}};

  [[nodiscard]] std::string folder() const { return temporary / "job"; }
  [[nodiscard]] std::string object(const std::string& key) const { return temporary / "store/w/" + key; }

  void write(const std::string& name, const std::string& bytes, int mode = 0644) {
    REQUIRE(disk.write_atomic(folder() + "/" + name, bytes, mode, /*durable=*/false).ok());
  }
  /// Commits the job's folder as it is.
  Result<CommitResult> commit(std::int64_t step, int attempt = 1) {
    return store.commit(folder(),
                        {.id = make_checkpoint_id(step, attempt), .attempt = attempt, .step = step});
  }
  CommitResult must_commit(std::int64_t step, int attempt = 1) {
    Result<CommitResult> done = commit(step, attempt);
    if (!done.ok()) { FAIL(done.error().message); }
    return std::move(done).value();
  }
  std::int64_t newest_step() {
    const Result<std::optional<Manifest>> newest = store.newest_whole();
    if (!newest.ok()) { FAIL(newest.error().message); }
    return newest.value() ? newest.value()->step : -1;
  }
  /// Every file below a folder with its bytes; empty when there is no such folder.
  std::map<std::string, std::string> tree(const std::string& path) {
    std::map<std::string, std::string> found;
    const Result<std::vector<FileInfo>> all = disk.list(path, /*recursive=*/true);
    if (!all.ok()) { return found; }
    for (const FileInfo& file : all.value()) { found[file.name] = disk.read(path + "/" + file.name).value(); }
    return found;
  }
  std::size_t count(const std::string& prefix) { return directory->list("w/" + prefix).value().size(); }
};

/// From the Nth call on nothing works: the process is as good as dead. With `deed_done` the Nth call itself
/// still does its work, and only its answer is lost.
struct Crash {
  int at = 0;
  bool deed_done = false;
  int calls = 0;
  void arm(World& world) {
    const Hook hook = [this](const std::string&, const std::string&) -> std::optional<Error> {
      return ++calls > at ? std::optional(Error{.kind = ErrorKind::network, .message = "dead"})
                          : std::nullopt;
    };
    const Hook dead = [this](const std::string&, const std::string&) -> std::optional<Error> {
      return calls > at ? std::optional(Error{.kind = ErrorKind::network, .message = "dead"}) : std::nullopt;
    };
    const Hook count = [this, dead](const std::string& verb,
                                    const std::string& name) -> std::optional<Error> {
      if (std::optional<Error> error = dead(verb, name)) { return error; }
      ++calls;
      return std::nullopt;
    };
    world.files.before = world.objects.before = deed_done ? count : hook;
    world.files.after = world.objects.after = deed_done ? dead : Hook(no_hook);
  }
  static void disarm(World& world) {
    world.files.before = world.objects.before = no_hook;
    world.files.after = world.objects.after = no_hook;
  }
  [[nodiscard]] bool happened() const { return calls > at; }
};

}  // namespace gpubroker::testing
