// What must end, ends, and the truth of it outlives the agent.
#include <csignal>
#include <sys/mount.h>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "tests/unit/agent/harness.hpp"

namespace gpubroker {
namespace {

using testing::Node;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool exists(Node& node, const std::string& path) {
  return node.files.stat(node.root() + "/" + path).ok();
}

TEST_CASE("agent: the whole tree ends with the run") {
  Node node;
  // One has left the session, one ignores SIGTERM, one has done both and cleared its environment's names.
  node.start(
      node.spec("setsid sleep 1000 & \n"
                "bash -c 'trap \"\" TERM; while :; do sleep 0.1; done' & \n"
                "env -i /bin/sleep 1000 & \n"
                "setsid bash -c 'trap \"\" TERM; echo $$ > deep; while :; do sleep 0.1; done' & \n"
                "echo $! > bare; jobs -p > all; while [ ! -s deep ]; do sleep 0.01; done; exit 4"));
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.report().exit_code == 4);
  CHECK(node.job_processes().empty());
  const std::vector<std::string> pids = split(trim(node.text("workdir/all")), '\n');
  CHECK(pids.size() == 4);
  for (const std::string& pid : pids) { CHECK_FALSE(node.processes.is_alive(parse_int(pid).value_or(0))); }
}

TEST_CASE("agent: a drain asks by file and by signal, and what it saved is said") {
  struct Case {
    const char* signal;
    const char* run;
  };
  for (const Case& c :
       {Case{"SIGUSR1", "trap 'echo by-signal > how; exit 75' USR1; touch up; while :; do sleep 0.02; done"},
        Case{"", "trap 'echo by-signal > how; exit 75' TERM; touch up; while :; do sleep 0.02; done"},
        Case{"SIGUSR1",
             "touch up; while [ ! -s \"$GPUBROKER_CHECKPOINT_REQUEST\" ]; do sleep 0.02; done; "
             "cp \"$GPUBROKER_CHECKPOINT_REQUEST\" how; exit 75"}}) {
    CAPTURE(c.run);
    Node node;
    AgentSpec spec = node.spec(c.run);
    spec.checkpoint.signal = c.signal;
    node.start(spec);
    node.wait_for("the job", [&] { return exists(node, "workdir/up"); });
    node.ask("drain-0", {.verb = AgentVerb::drain, .grace = std::chrono::seconds{20}});
    CHECK(node.wait_for_agent() == 0);
    const AgentReport report = node.report();
    CHECK(report.exit_code == 75);
    CHECK(report.done_requests == std::vector<std::string>{"drain-0"});
    const std::string how = node.text("workdir/how");
    CHECK_MESSAGE((how == "by-signal\n" || how == "stop\n"), how);
  }
}

TEST_CASE("agent: a job that ignores the drain is killed after the grace, and not before") {
  Node node;
  node.start(node.spec("trap '' TERM; touch up; while :; do sleep 0.02; done"));
  node.wait_for("the job", [&] { return exists(node, "workdir/up"); });
  const Millis asked = node.clock.monotonic();
  node.ask("drain-0", {.verb = AgentVerb::drain, .grace = Millis{400}});
  node.wait_for("draining", [&] { return node.report().phase != AgentPhase::running; });
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.clock.monotonic() - asked >= Millis{400});
  CHECK(node.report().exit_signal == SIGKILL);
  CHECK(contains(node.report().reason, "did not stop within the grace"));
  CHECK(node.job_processes().empty());
}

TEST_CASE("agent: the death date is enforced") {
  Node node;
  AgentSpec spec = node.spec("trap '' TERM; while :; do sleep 0.02; done");
  spec.expires = node.clock.now() + Millis{500};
  const AgentReport report = node.run(spec);
  CHECK(report.expired);
  CHECK(contains(report.reason, "expired"));
  CHECK(*report.ended_at >= spec.expires);
  CHECK(node.job_processes().empty());
}

/// A clock that is set back by an hour at its 40th nap.
class JumpingClock final : public Clock {
 public:
  Instant now() override { return system_.now() - jump_; }
  Millis monotonic() override { return system_.monotonic(); }
  void sleep_until(Instant at) override {
    system_.sleep_until(at + jump_);
    if (++naps_ == 40) { jump_ = std::chrono::hours{1}; }
  }

 private:
  SystemClock system_;
  Millis jump_{0};
  int naps_ = 0;
};

std::unique_ptr<Clock> make_jumping_clock() {
  return std::make_unique<JumpingClock>();
}

TEST_CASE("agent: a clock set back stops neither heartbeats, grace nor the death date") {
  Node node;
  AgentSpec spec =
      node.spec("trap '' TERM; touch up; while :; do echo '{\"step\": '$((++i))'}'; sleep 0.05; done");
  SUBCASE("heartbeats and grace") {
    node.write("attempts/1/spec.json", encode_agent_spec(spec));
    node.start_agent(make_jumping_clock);
    const Instant began = node.clock.now();
    node.wait_for("the jump", [&] {
      return node.report().heartbeat_at < began - std::chrono::minutes{30} &&
             node.report().phase == AgentPhase::running;
    });
    const AgentReport first = node.report();
    node.wait_for("a later heartbeat", [&] { return node.report().step > first.step + 2; });
    CHECK(node.report().longest_gap < std::chrono::minutes{1});
    node.ask("d", {.verb = AgentVerb::drain, .grace = Millis{300}});
    CHECK(node.wait_for_agent() == 0);
    CHECK(contains(node.report().reason, "grace"));
  }
  SUBCASE("death date") {
    spec.expires = node.clock.now() + Millis{2'500};
    node.write("attempts/1/spec.json", encode_agent_spec(spec));
    node.start_agent(make_jumping_clock);
    CHECK(node.wait_for_agent() == 0);
    CHECK(node.report().expired);
    CHECK(node.report().heartbeat_at < spec.expires - std::chrono::minutes{30});  // it had jumped by then
  }
}

TEST_CASE("agent: a notice is seen, told and drained") {
  Node node;
  AgentSpec spec = node.spec("trap 'exit 75' TERM; touch up; while :; do sleep 0.02; done");
  spec.checkpoint.grace = std::chrono::seconds{10};
  node.start(spec);
  node.wait_for("the job", [&] { return exists(node, "workdir/up"); });
  node.write("notice.json", "{torn");
  node.write("notice.json", encode_notice({node.clock.now() + std::chrono::seconds{30}}));
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.report().notice_at.has_value());
  CHECK(*node.report().notice_until > *node.report().notice_at + std::chrono::seconds{20});
  CHECK(node.report().exit_code == 75);
}

TEST_CASE("agent: a notice shorter than the grace shortens it") {
  Node node;
  AgentSpec spec = node.spec("trap '' TERM; touch up; while :; do sleep 0.02; done");
  spec.checkpoint.grace = std::chrono::minutes{5};
  node.start(spec);
  node.wait_for("the job", [&] { return exists(node, "workdir/up"); });
  node.write("notice.json", encode_notice({node.clock.now() + Millis{1'500}}));
  CHECK(node.wait_for_agent() == 0);
  CHECK(contains(node.report().reason, "grace"));
  CHECK(*node.report().ended_at - *node.report().notice_at < std::chrono::seconds{60});
}

TEST_CASE("agent: SIGTERM to the agent ends the job and is told") {
  Node node;
  node.start(node.spec("trap '' TERM; touch up; while :; do sleep 0.02; done"));
  node.wait_for("the job", [&] { return exists(node, "workdir/up"); });
  node.kill_agent(SIGTERM);
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.report().phase == AgentPhase::exited);
  CHECK(contains(node.report().reason, "asked to end"));
  CHECK(node.job_processes().empty());
}

TEST_CASE("agent: killed and started again, it ends what was left and never runs twice") {
  Node node;
  AgentSpec spec = node.spec(
      "echo run >> runs; mkdir -p ckpt; echo s > ckpt/s; "
      "echo '{\"step\": 6, \"file\": \"s\"}' > ckpt/.L; mv ckpt/.L ckpt/LATEST.json; "
      "echo '{\"step\": 6}'; sleep 1000");
  spec.checkpoint.path = "ckpt";
  spec.checkpoint.store = node.store_url();
  node.start(spec);
  node.wait_for("a commit", [&] { return node.report().committed_step == 6; });
  node.kill_agent(SIGKILL);
  CHECK_FALSE(node.job_processes().empty());  // they go on: nobody told them
  SUBCASE("the report is whole") {}
  SUBCASE("the report is torn") {
    node.write("attempts/1/report.json", "{\"wire\": 1, \"ver");
  }
  node.start_agent();
  CHECK(node.wait_for_agent() == 0);
  const AgentReport report = node.report();
  CHECK(report.phase == AgentPhase::exited);
  CHECK(report.exit_signal == SIGKILL);
  CHECK(contains(report.reason, "the agent died"));
  CHECK(report.committed_step == 6);
  CHECK(node.job_processes().empty());
  node.start_agent();
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.report() == report);
  CHECK(node.text("workdir/runs") == "run\n");
}

TEST_CASE("agent: a second agent on one folder leaves, and the first goes on") {
  Node node;
  node.start(node.spec("echo run >> runs; sleep 1000"));
  node.wait_for("the job", [&] { return node.report().phase == AgentPhase::running; });
  node.start_agent();  // checks that it says `conflict`
  CHECK(node.agent_lives());
  CHECK(node.job_processes().size() > 0);
  node.ask("k", {.verb = AgentVerb::kill});
  CHECK(node.wait_for_agent() == 0);
  CHECK(node.text("workdir/runs") == "run\n");
}

TEST_CASE("agent: a spec of another wire or none at all is refused in a report") {
  Node node;
  AgentSpec spec = node.spec("touch ran");
  spec.wire = kAgentWireVersion + 1;
  SUBCASE("another version") {
    node.start(spec);
  }
  SUBCASE("garbage") {
    node.write("attempts/1/spec.json", "\xff{");
    node.start_agent();
  }
  CHECK(node.wait_for_agent() == 0);
  const AgentReport report = node.report();
  CHECK(report.phase == AgentPhase::exited);
  CHECK(report.setup_failed);
  CHECK_FALSE(report.version.empty());
  CHECK(contains(report.reason, "cannot read what to run"));
  CHECK_FALSE(exists(node, "workdir/ran"));
}

/// A small disk, mounted on a folder of its own.
class SmallDisk {
 public:
  explicit SmallDisk(const char* options) {
    std::string name = "/tmp/gpubroker-disk-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    is_there_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (is_there_) { (void)::umount2(path_.c_str(), MNT_DETACH); }
    (void)PosixFiles{}.remove_all(path_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool is_there() const { return is_there_; }
  [[nodiscard]] std::string root() const { return path_ + "/node"; }

 private:
  std::string path_;
  bool is_there_ = false;
};

TEST_CASE("agent: a full disk ends nothing that can go on, and the report is never torn") {
  const SmallDisk disk("size=4m");
  if (!disk.is_there()) {
    MESSAGE("skipped: needs the right to mount a tmpfs");
    return;
  }
  Node node(disk.root());
  SUBCASE("the output fills it: old output gives way") {
    AgentSpec spec =
        node.spec("yes 'a line of thirty-nine characters or so' | head -c 16000000; echo the-end; exit 3");
    spec.output_bytes_max = 64 << 20;
    node.start(spec);
    while (node.agent_lives()) { (void)node.report(); }  // requires that it is whole, at every moment
    const AgentReport report = node.report();
    CHECK(report.phase == AgentPhase::exited);
    CHECK(report.exit_code == 3);
  }
  SUBCASE("the job fills it and gives it back: it goes on") {
    node.start(
        node.spec("echo '{\"step\": 1}'; cat /dev/zero > big; touch full || true; sleep 1; rm big; "
                  "echo '{\"step\": 2}'; exit 0"));
    while (node.agent_lives()) { (void)node.report(); }
    CHECK(node.report().exit_code == 0);
    CHECK(node.report().step == 2);
  }
  SUBCASE("the job fills it for good: it is ended with a clear word") {
    node.start(node.spec("cat /dev/zero > big; sleep 1000"));
    while (node.agent_lives()) { (void)node.report(); }
    CHECK(node.report().phase == AgentPhase::exited);
    CHECK(contains(node.report().reason, "disk"));
    CHECK(contains(lower(node.report().reason), "no space left"));
  }
}

}  // namespace
}  // namespace gpubroker
