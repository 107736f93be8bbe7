#include "cmd/ssh_config.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

std::string known_hosts(const NodeAddress& node) {
  return "/h/known/" + node.id.value;
}

WorkloadState running(const std::string& id, int nodes) {
  WorkloadState state;
  state.id = {id};
  state.phase = Phase::running;
  Attempt attempt;
  attempt.number = 1;
  for (int rank = 0; rank < nodes; ++rank) {
    NodeView& view = attempt.nodes[rank].view;
    view.id = {"lambda/i" + std::to_string(rank)};
    view.index = rank;
    view.state = NodeState::running;
    view.address = {.id = view.id, .host = "10.0.0." + std::to_string(rank + 1), .user = "ubuntu"};
    view.address.identity = "/h/keys/" + id + "/id";
    view.address.host_key = "ssh-ed25519 AAAA";
  }
  state.attempts.push_back(attempt);
  return state;
}

TEST_CASE("ssh config: the first node has the workload's own name, all have their rank's") {
  WorkloadState state = running("llama-7k2q", 2);
  NodeAddress& second = state.attempts[0].nodes[1].view.address;
  second.port = 40'022;
  second.host_key.clear();
  second.identity.clear();
  CHECK(ssh_config_text({{state.id, state}}, known_hosts) ==
        "Host llama-7k2q llama-7k2q-0\n"
        "  HostName 10.0.0.1\n"
        "  Port 22\n"
        "  User ubuntu\n"
        "  IdentityFile \"/h/keys/llama-7k2q/id\"\n"
        "  IdentitiesOnly yes\n"
        "  HostKeyAlias lambda/i0\n"
        "  UserKnownHostsFile \"/h/known/lambda/i0\"\n"
        "  StrictHostKeyChecking yes\n"
        "Host llama-7k2q-1\n"
        "  HostName 10.0.0.2\n"
        "  Port 40022\n"
        "  User ubuntu\n"
        "  HostKeyAlias lambda/i1\n"
        "  UserKnownHostsFile \"/h/known/lambda/i1\"\n"
        "  StrictHostKeyChecking accept-new\n");
}

TEST_CASE("ssh config: what cannot be reached by ssh is not in it") {
  WorkloadState state = running("w", 3);
  state.attempts[0].nodes[0].view.address.user.clear();         // a process on this machine
  state.attempts[0].nodes[1].view.state = NodeState::starting;  // not up yet
  state.attempts[0].nodes[2].view.address.port = 0;             // as the user's own config says
  const std::string text = ssh_config_text({{state.id, state}}, known_hosts);
  CHECK(text.find("w-0") == std::string::npos);
  CHECK(text.find("w-1") == std::string::npos);
  CHECK(text.find("Host w-2\n") == 0);
  CHECK(text.find("Port") == std::string::npos);
  state.attempts[0].end = AttemptEnd::finished;
  CHECK(ssh_config_text({{state.id, state}}, known_hosts).empty());
}

/// $HOME as it is while this lives; Context reads the real environment.
class Home {
 public:
  Home() {
    ::setenv("HOME", folder.path().c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
  }
  ~Home() { ::setenv("HOME", before_.c_str(), 1); }  // NOLINT(concurrency-mt-unsafe): one thread
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  testing::TemporaryFolder folder = {};

 private:
  std::string before_ = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): one thread
};

TEST_CASE("ssh config: the user's file gets one line at its top, once, and is else left alone") {
  const Home home;
  Context context({.home = home.folder / "state"});
  std::filesystem::create_directories(home.folder / "state");
  const WorkloadState state = running("w", 1);
  SUBCASE("a user of ssh") {
    std::filesystem::create_directories(home.folder / ".ssh");
    std::ofstream(home.folder / ".ssh/config") << "Host mine\n  User me\n";
    REQUIRE(write_ssh_config({{state.id, state}}, context).ok());
    const std::string text = home.read(".ssh/config");
    CHECK(text == "# gpubroker: names of its workloads\nInclude \"" + (home.folder / "state") +
                      "/ssh_config\"\n\nHost mine\n  User me\n");
    CHECK(home.read("state/ssh_config").starts_with("Host w w-0\n"));
    REQUIRE(write_ssh_config({{state.id, running("w", 2)}}, context).ok());
    CHECK(home.read(".ssh/config") == text);
    REQUIRE(write_ssh_config({}, context).ok());
    CHECK(home.read("state/ssh_config").empty());
    CHECK(home.read(".ssh/config") == text);
  }
  SUBCASE("nobody who uses ssh") {
    REQUIRE(write_ssh_config({{state.id, state}}, context).ok());
    CHECK_FALSE(std::filesystem::exists(home.folder / ".ssh"));
  }
  SUBCASE("nothing to say: no file is made") {
    REQUIRE(write_ssh_config({}, context).ok());
    CHECK_FALSE(std::filesystem::exists(home.folder / "state/ssh_config"));
  }
}

}  // namespace
}  // namespace gpubroker
