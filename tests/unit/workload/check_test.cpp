#include "core/workload/check.hpp"

#include <cstdlib>

#include <doctest/doctest.h>

#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/wire/json.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/workload/golden.hpp"

namespace gpubroker {
namespace {

using testing::printed;

struct Here {
  testing::TemporaryFolder folder = {};
  PosixFiles files = {};
  PosixProcesses processes = {};
  Here() {
    REQUIRE(files.write_atomic(folder / "file", "text", 0600, false).ok());
    REQUIRE(files.make_dirs(folder / "dir", 0755).ok());
  }
};

TEST_CASE("what a task names on the disk must be there") {
  Here here;
  const std::string root = here.folder.path();
  Task good{.workdir = root, .file_mounts = {{"/a", root + "/file"}, {"/b", root + "/dir"}}};
  CHECK(check_paths(good, here.files).ok());
  CHECK(check_paths(Task{}, here.files).ok());
  const auto said = [&](const Task& task) {
    const Status checked = check_paths(task, here.files);
    if (checked.ok()) { return std::string("taken"); }
    CHECK(checked.error().kind == ErrorKind::invalid);
    return printed(checked.error());
  };
  const std::string hint = "hint: relative paths are looked up beside the task file\n";
  CHECK(said({.workdir = root + "/none"}) == "error: " + root + "/none: workdir: cannot look at " + root +
                                                 "/none: No such file or directory\n" + hint);
  CHECK(said({.workdir = root + "/file"}) ==
        "error: " + root + "/file: workdir: " + root + "/file is not a folder\n" + hint);
  CHECK(said({.workdir = root + "/file/below"}) == "error: " + root +
                                                       "/file/below: workdir: cannot look at " + root +
                                                       "/file/below: Not a directory\n" + hint);
  CHECK(said({.file_mounts = {{"/a", root + "/none"}}}) ==
        "error: " + root + "/none: file_mounts./a: cannot look at " + root +
            "/none: No such file or directory\n" + hint);
}

TEST_CASE("secrets come from the environment or a file, and a missing one is named") {
  Here here;
  REQUIRE(here.files.write_atomic(here.folder / "key", "  s3cr\"t\n", 0600, false).ok());
  REQUIRE(::setenv("GB_TEST_SECRET", "from the environment", 1) == 0);
  CHECK(read_secrets_json(Task{}, here.files, here.processes).value().empty());
  const Task task{.secrets = {{.name = "GB_TEST_SECRET"}, {.name = "KEY", .file = here.folder / "key"}}};
  CHECK(Json::parse(read_secrets_json(task, here.files, here.processes).value()) ==
        Json{{"GB_TEST_SECRET", "from the environment"}, {"KEY", "s3cr\"t"}});
  REQUIRE(::unsetenv("GB_TEST_SECRET") == 0);

  const auto said = [&](const SecretNeed& need) {
    const Result<std::string> read = read_secrets_json({.secrets = {need}}, here.files, here.processes);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().kind == ErrorKind::invalid);
    return printed(read.error());
  };
  CHECK(said({.name = "GB_TEST_SECRET"}) ==
        "error: secrets.GB_TEST_SECRET: the secret GB_TEST_SECRET is not set in the environment\n"
        "hint: export GB_TEST_SECRET=…, or name a file: secrets: [{name: GB_TEST_SECRET, file: …}]\n");
  const std::string none = here.folder / "none";
  CHECK(said({.name = "KEY", .file = none}) ==
        "error: " + none + ": secrets.KEY: cannot open " + none +
            ": No such file or directory\nhint: relative paths are looked up beside the task file\n");
  const std::string dir = here.folder / "dir";
  CHECK(said({.name = "KEY", .file = dir}).find("Is a directory") != std::string::npos);
}

}  // namespace
}  // namespace gpubroker
