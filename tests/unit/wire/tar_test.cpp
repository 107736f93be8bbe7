#include "core/wire/tar.hpp"

#include <doctest/doctest.h>

#include "core/system/process.hpp"

namespace gpubroker {
namespace {

/// What the system's tar makes of it.
std::string list(const std::string& tar, const std::vector<std::string>& words) {
  PosixProcesses processes;
  Command command{.argv = {"tar"}, .stdin_bytes = tar};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  const Result<CommandResult> done = processes.run(command, Millis{10'000});
  REQUIRE(done.ok());
  CHECK(done.value().err.empty());
  CHECK(done.value().exit.code == 0);
  return done.value().out;
}

TEST_CASE("tar: what is written, tar reads") {
  std::string tar;
  append_tar_file(tar, "empty", 0600, "");
  append_tar_file(tar, "block", 0755, std::string(512, 'b'));
  append_tar_file(tar, std::string(100, 'n'), 0640, std::string("a\0b", 3));
  append_tar_end(tar);
  CHECK(tar.size() % 512 == 0);
  const std::string listed = list(tar, {"-tv", "--full-time", "--numeric-owner", "--utc"});
  CHECK(listed.find("-rw------- 0/0               0 1970-01-01 00:00:00 empty\n") != std::string::npos);
  CHECK(listed.find("-rwxr-xr-x 0/0             512 1970-01-01 00:00:00 block\n") != std::string::npos);
  CHECK(listed.find("-rw-r----- 0/0               3 1970-01-01 00:00:00 " + std::string(100, 'n')) !=
        std::string::npos);
  CHECK(list(tar, {"-xO", "block"}) == std::string(512, 'b'));
  CHECK(list(tar, {"-xO", std::string(100, 'n')}) == std::string("a\0b", 3));
}

}  // namespace
}  // namespace gpubroker
