#include "core/net/key_ring.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "core/system/random.hpp"
#include "tests/fake_home.hpp"

namespace gpubroker {
namespace {

/// ssh-keygen that is not there.
class NoPrograms final : public PosixProcesses {
 public:
  Result<CommandResult> run(const Command& /*command*/, Millis /*timeout*/) override {
    return CommandResult{.exit = {.code = 127}, .out = {}, .err = "ssh-keygen: not found\n"};
  }
};

struct Ring {
  testing::FakeHome home = {};
  SystemRandom random = {};
  std::string folder = home.folder.path() + "/keys";
  FileKeyRing keys{home.files, home.processes, random, folder};
};

bool is_there(const std::string& path) {
  return std::filesystem::exists(path);
}

TEST_CASE("key ring: keys are made once, kept, found, and thrown away") {
  Ring ring;
  const WorkloadId id{"llama-7k2q"};
  CHECK_FALSE(ring.keys.find(id).value().has_value());
  const Result<NodeKeys> made = ring.keys.ensure(id);
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  const NodeKeys keys = made.value();
  CHECK(keys.identity == ring.folder + "/llama-7k2q/id");
  CHECK(keys.public_key.starts_with("ssh-ed25519 AAAA"));
  CHECK(keys.public_key.ends_with(" gpubroker"));
  CHECK(keys.host_public.starts_with("ssh-ed25519 AAAA"));
  CHECK(keys.host_public.find(' ', 12) == std::string::npos);  // no comment
  CHECK(keys.host_private.reveal().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
  CHECK(keys.public_key.find(keys.host_public) == std::string::npos);  // two pairs

  const auto mode = std::filesystem::status(keys.identity).permissions();
  CHECK((mode & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
        std::filesystem::perms::none);

  FileKeyRing other(ring.home.files, ring.home.processes, ring.random, ring.folder);  // another process
  CHECK(other.ensure(id).value().public_key == keys.public_key);
  CHECK(other.find(id).value()->host_public == keys.host_public);
  CHECK(other.ensure({"another"}).value().public_key != keys.public_key);

  CHECK(ring.keys.forget(id).ok());
  CHECK(ring.keys.forget(id).ok());
  CHECK_FALSE(ring.keys.find(id).value().has_value());
  CHECK_FALSE(is_there(keys.identity));
}

TEST_CASE("key ring: without ssh-keygen the user is told, and nothing half is left") {
  Ring ring;
  NoPrograms none;
  FileKeyRing keys(ring.home.files, none, ring.random, ring.folder);
  const Result<NodeKeys> made = keys.ensure({"w"});
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().kind == ErrorKind::invalid);
  CHECK(made.error().message.find("not found") != std::string::npos);
  CHECK(made.error().hint.find("OpenSSH") != std::string::npos);
  CHECK(std::filesystem::is_empty(ring.folder));
}

TEST_CASE("key ring: a pair that is not whole is an error, not another pair") {
  Ring ring;
  REQUIRE(ring.keys.ensure({"w"}).ok());
  std::filesystem::remove(ring.folder + "/w/host.pub");
  CHECK_FALSE(ring.keys.find({"w"}).ok());
  CHECK_FALSE(ring.keys.ensure({"w"}).ok());
}

}  // namespace
}  // namespace gpubroker
