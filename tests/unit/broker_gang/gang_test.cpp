// What is thought of a gang whose machines are all up.
#include "core/broker/gang.hpp"

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kNow{1'800'000'000'000};

/// Two nodes whose agents run and talk; rank 0 tells steps.
struct Gang {
  WorkloadState state = {};
  Attempt attempt = {};
  World world = {};
  Limits limits = {};

  Gang() {
    attempt.number = 1;
    attempt.running_at = kNow - minutes{60};
    attempt.offer.key.provider = "sim";
    for (int rank = 0; rank < 2; ++rank) {
      NodeRecord node;
      node.view.id = {"sim/" + std::to_string(rank)};
      node.view.index = rank;
      node.view.state = NodeState::running;
      node.agent_started = true;
      attempt.nodes[rank] = node;
      AgentSight& sight = world.agents[node.view.id];
      sight.reachable = true;
      sight.changed_at = kNow;
      sight.report.version = "1";
      sight.report.rank = rank;
      sight.report.phase = AgentPhase::running;
    }
    tell(0, 50, seconds{2}, seconds{1});
  }

  void tell(int rank, std::int64_t steps, Millis gap, Millis since) {
    AgentReport& report = world.agents[attempt.nodes[rank].view.id].report;
    report.step = steps;
    report.steps_seen = steps;
    report.longest_gap = gap;
    report.since_progress = since;
    report.step_at = kNow - since;
  }

  [[nodiscard]] GangVerdict judge() const { return judge_gang(state, attempt, world, limits, kNow); }
};

/// A rank has exited, and a list asked for since shows all machines.
void exit_with(Gang& gang, int rank, int code) {
  NodeRecord& node = gang.attempt.nodes[rank];
  node.agent = gang.world.agents[node.view.id].report;
  node.agent.phase = AgentPhase::exited;
  node.agent.exit_code = code;
  node.agent.reason = "run exited with code " + std::to_string(code);
  node.agent_seq = 10;
  gang.world.listings["sim"] = {.known = true, .started_seq = 11, .at = kNow};
}

TEST_CASE("gang: a rank that asks to be run again waits for the word of the rank that was told to go") {
  Gang gang;
  exit_with(gang, 0, 75);
  CHECK(gang.judge().end == AttemptEnd::none);
  SUBCASE("its notice is known by its own machine alone") {
    exit_with(gang, 1, 75);
    gang.attempt.nodes[1].agent.notice_until = kNow + seconds{25};
    CHECK(gang.judge().drain == AttemptEnd::preempted);
  }
  SUBCASE("nobody was told anything") {
    exit_with(gang, 1, 75);
    CHECK(gang.judge().end == AttemptEnd::job_failed);
  }
  SUBCASE("an error beside it is the job's own") {
    exit_with(gang, 1, 3);
    CHECK(gang.judge().end == AttemptEnd::job_failed);
    CHECK(gang.judge().reason.find("code 3") != std::string::npos);
  }
}

TEST_CASE("gang: a hang is judged by the job's own pace") {
  struct Case {
    std::int64_t steps;
    Millis gap;
    Millis since;
    bool hangs;
  };
  for (const Case& c :
       {Case{50, seconds{2}, seconds{1}, false}, Case{50, seconds{2}, minutes{10} - Millis{1}, false},
        Case{50, seconds{2}, minutes{10}, true},
        Case{50, minutes{3}, minutes{29}, false},  // ten times the longest gap
        Case{50, minutes{3}, minutes{30}, true},
        Case{2, seconds{2}, minutes{500}, false},  // too few to know its pace
        Case{3, seconds{2}, minutes{10}, true}}) {
    CAPTURE(c.steps);
    CAPTURE(c.gap.count());
    CAPTURE(c.since.count());
    Gang gang;
    gang.tell(0, c.steps, c.gap, c.since);
    CHECK((gang.judge().end == AttemptEnd::lost) == c.hangs);
    if (c.hangs) {
      CHECK(gang.judge().reason.find("the job hangs") != std::string::npos);
      CHECK(gang.judge().reason.find("`stall:`") != std::string::npos);
    }
  }
}

TEST_CASE("gang: the task's `stall` is the last word") {
  Gang gang;
  gang.state.task.stall = seconds{30};
  gang.tell(0, 1, Millis{0}, seconds{29});
  CHECK(gang.judge().end == AttemptEnd::none);
  gang.tell(0, 1, Millis{0}, seconds{30});
  CHECK(gang.judge().end == AttemptEnd::lost);
  gang.tell(0, 0, Millis{0}, minutes{60});  // before the first step nothing is known
  CHECK(gang.judge().end == AttemptEnd::none);
  gang.state.task.stall = Millis{0};  // off
  gang.tell(0, 50, seconds{1}, minutes{5'000});
  CHECK(gang.judge().end == AttemptEnd::none);
  gang.state.task.stall.reset();
  gang.limits.stall = Millis{0};
  CHECK(gang.judge().end == AttemptEnd::none);
}

TEST_CASE("gang: any rank's step is a sign of life, and the slowest rank's gap counts") {
  Gang gang;
  gang.tell(0, 50, seconds{1}, minutes{20});
  gang.tell(1, 50, seconds{1}, seconds{5});
  CHECK(gang.judge().end == AttemptEnd::none);
  gang.tell(1, 50, minutes{2}, minutes{19});
  CHECK(gang.judge().end == AttemptEnd::none);
  gang.tell(1, 50, seconds{1}, minutes{19});
  CHECK(gang.judge().end == AttemptEnd::lost);
  gang.attempt.drain_at = kNow;  // it is leaving anyway
  CHECK(gang.judge().end == AttemptEnd::none);
}

TEST_CASE("gang: the nodes' clocks are not compared with ours") {
  Gang gang;
  for (auto& [id, sight] : gang.world.agents) {
    sight.report.step_at = kNow - minutes{600};
    sight.report.heartbeat_at = kNow - minutes{600};
  }
  CHECK(gang.judge().end == AttemptEnd::none);
}

TEST_CASE("gang: an agent that never said a word is told apart from one that fell silent") {
  Gang gang;
  AgentSight& sight = gang.world.agents[gang.attempt.nodes[1].view.id];
  sight.changed_at = kNow - seconds{30};
  CHECK(gang.judge().end == AttemptEnd::lost);  // it spoke before: the machine, or the way to it
  sight.report = {};
  sight.reachable = false;
  CHECK(gang.judge().end == AttemptEnd::lost);  // the node does not answer
  sight.absent = "libfoo.so: cannot open shared object file";
  CHECK(gang.judge().end == AttemptEnd::job_failed);
  CHECK(gang.judge().reason ==
        "the agent of node 1 never reported: libfoo.so: cannot open shared object file");
  sight.changed_at = kNow - seconds{29};
  CHECK(gang.judge().end == AttemptEnd::none);
}

}  // namespace
}  // namespace gpubroker
