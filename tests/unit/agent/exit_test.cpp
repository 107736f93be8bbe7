// How a job ends, and what the report says of it.
#include <csignal>

#include <doctest/doctest.h>

#include "core/agent/memory.hpp"
#include "core/base/text.hpp"
#include "tests/unit/agent/harness.hpp"

namespace gpubroker {
namespace {

using testing::Node;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("agent: exit codes and signals are told apart") {
  struct Case {
    const char* run;
    std::optional<int> code;
    std::optional<int> signal;
    const char* words;
  };
  for (const Case& c :
       {Case{"exit 0", 0, {}, "run exited with code 0"}, Case{"exit 7", 7, {}, "run exited with code 7"},
        Case{"no-such-program-here", 127, {}, "command not found (exit code 127)"},
        Case{"bash -c 'kill -9 $$'; exit $?", 137, {}, "killed by signal 9"},
        Case{"kill -TERM $$", {}, SIGTERM, "run was killed by signal 15"},
        Case{"kill -SEGV $$", {}, SIGSEGV, "run was killed by signal 11"}}) {
    CAPTURE(c.run);
    Node node;
    const AgentReport report = node.run(node.spec(c.run));
    CHECK(report.exit_code == c.code);
    CHECK(report.exit_signal == c.signal);
    CHECK(contains(report.reason, c.words));
    CHECK_FALSE(report.setup_failed);
    CHECK_FALSE(report.out_of_memory);
    CHECK_FALSE(contains(report.reason, "out of memory"));  // the kernel counts here, and counted none
  }
}

TEST_CASE("agent: a setup that fails is told apart from a run that fails") {
  Node node;
  AgentSpec spec = node.spec("echo must-not-run");
  spec.setup = "echo from-setup; exit 5";
  const AgentReport report = node.run(spec);
  CHECK(report.setup_failed);
  CHECK(report.exit_code == 5);
  CHECK(contains(report.reason, "setup exited with code 5"));
  CHECK(contains(node.output(), " setup from-setup\n"));
  CHECK_FALSE(contains(node.output(), "must-not-run"));
}

/// The disk as it is, but for what the kernel says of memory.
class KernelFiles final : public PosixFiles {
 public:
  std::map<std::string, std::string> told = {};
  Result<std::string> read(const std::string& path) override {
    const auto at = told.find(path);
    if (at != told.end()) { return at->second; }
    return Error{.kind = ErrorKind::not_found, .message = path};
  }
};

TEST_CASE("agent: the kernel's count of kills for want of memory") {
  KernelFiles files;
  CHECK_FALSE(count_oom_kills(files).machine);
  CHECK_FALSE(count_oom_kills(files).ours);
  files.told["/proc/vmstat"] = "oom_kill_x 9\noom_kill 3\n";
  CHECK(count_oom_kills(files).machine == 3);
  files.told["/proc/self/cgroup"] = "1:cpu:/x\n4:memory:/box\n0::/\n";
  CHECK_FALSE(count_oom_kills(files).ours);  // the group does not tell
  files.told["/sys/fs/cgroup/memory/box/memory.oom_control"] = "under_oom 0\noom_kill 2\n";
  CHECK(count_oom_kills(files).ours == 2);
  files.told["/proc/self/cgroup"] = "0::/user.slice/job\n";
  files.told["/sys/fs/cgroup/user.slice/job/memory.events"] = "low 0\noom 1\noom_kill 4\n";
  CHECK(count_oom_kills(files).ours == 4);
  files.told["/sys/fs/cgroup/user.slice/job/memory.events"] = "garbage\n";
  CHECK_FALSE(count_oom_kills(files).ours);
}

/// A memory group of our own below the one we are in, or empty where that is not allowed.
std::string make_memory_group(Node& node) {
  const Result<std::string> groups = node.files.read("/proc/self/cgroup");
  for (const std::string& line : split(groups.ok() ? groups.value() : "", '\n')) {
    const std::vector<std::string> parts = split(line, ':');
    if (parts.size() == 3 && parts[1] == "memory") {
      std::string path = "/sys/fs/cgroup/memory" + parts[2] + "/" + node.root().substr(5);
      if (node.files.make_dirs(path, 0755).ok()) { return path; }
    }
  }
  return {};
}

TEST_CASE("agent: a job that takes too much memory is said to be out of memory") {
  Node node;
  const std::string group = make_memory_group(node);
  if (group.empty()) {
    MESSAGE(
        "skipped: needs a memory control group (version 1) that may be written, as root has in a container");
    return;
  }
  const AgentReport report =
      node.run(node.spec("echo 33554432 > " + group + "/memory.limit_in_bytes && echo $$ > " + group +
                         "/cgroup.procs && exec python3 -c 'x = bytearray(1 << 30); print(len(x))'"));
  (void)node.processes.run({.argv = {"rmdir", group}}, std::chrono::seconds{5});
  CHECK(report.out_of_memory);
  CHECK(report.exit_signal == SIGKILL);
  CHECK(contains(report.reason, "out of memory"));
  CHECK_FALSE(contains(report.reason, "?"));
}

}  // namespace
}  // namespace gpubroker
