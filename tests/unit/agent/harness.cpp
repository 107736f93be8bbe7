#include "tests/unit/agent/harness.hpp"

#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace gpubroker::testing {
namespace {

volatile std::sig_atomic_t g_stopping = 0;

std::string make_root() {
  std::string name = "/tmp/gpubroker-agent-XXXXXX";
  REQUIRE(mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

Node::Node() : Node(make_root()) {}

Node::Node(std::string root) : root_(std::move(root)) {}

Node::~Node() {
  if (agent_ > 0) {
    (void)::kill(static_cast<pid_t>(agent_), SIGKILL);
    (void)::waitpid(static_cast<pid_t>(agent_), nullptr, 0);
  }
  for (const std::int64_t pid : job_processes()) { (void)processes.signal(pid, SIGKILL); }
  (void)files.remove_all(root_);
}

AgentSpec Node::spec(const std::string& run) const {
  AgentSpec spec;
  spec.workload = {"w" + root_.substr(root_.size() - 6)};
  spec.attempt = 1;
  spec.node = {"local/n1"};
  spec.node_ips = {"127.0.0.1"};
  spec.run = run;
  spec.notice_path = "notice.json";
  spec.expires = SystemClock{}.now() + std::chrono::hours{1};
  return spec;
}

void Node::start(const AgentSpec& spec) {
  write("attempts/1/spec.json", encode_agent_spec(spec));
  start_agent();
}

void Node::start_agent(const std::function<std::unique_ptr<Clock>()>& make_clock) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    (void)std::signal(SIGTERM, [](int) { g_stopping = 1; });
    SystemClock system;
    const std::unique_ptr<Clock> other = make_clock ? make_clock() : nullptr;
    const AgentParts parts{.clock = other ? *other : system, .files = files, .processes = processes};
    const Status done = run_agent(parts, root_, 1, [] { return g_stopping != 0; });
    std::_Exit(done.ok() ? 0 : done.error().kind == ErrorKind::conflict ? 3 : 2);
  }
  if (agent_ < 0) { agent_ = pid; }
  if (agent_ != pid) {  // a second one beside the first is only worth its exit code
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status) == 3);
  }
}

int Node::wait_for_agent(Millis limit) {
  int status = 0;
  wait_for(
      "the agent to leave", [&] { return ::waitpid(static_cast<pid_t>(agent_), &status, WNOHANG) == agent_; },
      limit);
  agent_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Node::kill_agent(int signal) {
  (void)::kill(static_cast<pid_t>(agent_), signal);
  if (signal == SIGKILL) { (void)wait_for_agent(); }
}

bool Node::agent_lives() {
  return agent_ > 0 && ::waitpid(static_cast<pid_t>(agent_), nullptr, WNOHANG) == 0;
}

void Node::wait_for(const std::string& what, const std::function<bool()>& done, Millis limit) {
  const Millis until = clock.monotonic() + limit;
  while (!done()) {
    if (clock.monotonic() > until) {
      const Result<std::string> told = files.read(folder() + "/report.json");
      FAIL("waited in vain for " << what << "; report: " << (told.ok() ? told.value() : "none")
                                 << "; output: " << output().substr(0, 2'000));
    }
    clock.sleep_until(clock.now() + Millis{5});
  }
}

AgentReport Node::report() {
  const Result<std::string> bytes = files.read(folder() + "/report.json");
  if (!bytes.ok()) { return {}; }
  const Result<AgentReport> report = parse_agent_report(bytes.value());
  REQUIRE_MESSAGE(report.ok(), "a torn report: " << bytes.value());
  return report.value();
}

AgentReport Node::run(const AgentSpec& spec, Millis limit) {
  start(spec);
  CHECK(wait_for_agent(limit) == 0);
  AgentReport last = report();
  CHECK(last.phase == AgentPhase::exited);
  CHECK(last.ended_at.has_value());
  return last;
}

void Node::ask(const std::string& name, const AgentRequest& request) {
  write("attempts/1/requests/" + name, encode_agent_request(request));
}

std::string Node::output() {
  std::string all;
  const OutputSpan span = report().output;
  for (const std::int64_t base : {span.start, span.base}) {
    if (base == span.base || span.start != span.base) {
      const Result<std::string> bytes = files.read(folder() + "/" + output_name(base));
      all += bytes.ok() ? bytes.value() : "";
    }
    if (span.start == span.base) { break; }
  }
  return all;
}

std::string Node::text(const std::string& path) {
  const Result<std::string> bytes = files.read(root_ + "/" + path);
  return bytes.ok() ? bytes.value() : "";
}

void Node::write(const std::string& path, const std::string& bytes) {
  REQUIRE(files.write_atomic(root_ + "/" + path, bytes, 0600, /*durable=*/false).ok());
}

std::vector<std::int64_t> Node::job_processes() {
  return processes.find_by_env("GPUBROKER_TASK", spec("").workload.value + "/1/0");
}

}  // namespace gpubroker::testing
