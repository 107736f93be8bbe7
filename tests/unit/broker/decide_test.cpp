#include <algorithm>

#include <doctest/doctest.h>

#include "core/broker/broker.hpp"
#include "tests/unit/broker/story.hpp"

namespace gpubroker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::make_offer;
using testing::make_task;
using testing::Story;

constexpr int kExitJobFailed = 1;
constexpr int kExitLimit = 6;

Error error_of(ErrorKind kind, bool maybe_applied = false) {
  return {.kind = kind, .message = "so it is", .scope = ErrorScope::region, .maybe_applied = maybe_applied};
}

Story running_story(Task task) {
  Story story(std::move(task));
  story.book();
  story.start();
  REQUIRE(story.state.phase == Phase::running);
  return story;
}

Story running_story(int nodes = 2) {
  return running_story(make_task(nodes));
}

/// The first node says that it has come so far and has saved so much.
void make_progress(Story& story, std::int64_t step, std::int64_t committed) {
  AgentReport report = story.last().nodes.at(0).agent;
  report.step = step;
  report.committed_step = committed;
  report.committed = std::to_string(committed);
  story.report(story.last().number, 0, report);
}

TEST_CASE("from launch to success, and everything is given back") {
  Story story = running_story();
  CHECK(story.deeds == std::vector<std::string>{"1 create", "1 find", "1 start/0", "1 start/1"});
  story.exit_all(0);
  CHECK(story.state.phase == Phase::succeeded);
  CHECK(story.state.exit == 0);
  CHECK(story.last().end == AttemptEnd::finished);
  CHECK(story.state.is_live());  // the machines are not back yet
  story.give_back();
  CHECK_FALSE(story.state.is_live());
  CHECK(story.phases ==
        std::vector<Phase>{Phase::provisioning, Phase::starting, Phase::running, Phase::succeeded});
}

TEST_CASE("a machine whose sshd is not up yet is knocked at again, and the gang is not given up") {
  Story story;
  story.settle();
  story.book();
  story.answer("find");
  const Error refused{.kind = ErrorKind::network, .message = "Connection refused", .code = "unreachable"};
  story.fail("start/0", refused);
  CHECK(story.state.phase == Phase::starting);
  CHECK_FALSE(story.waits_for("start/0"));
  story.pass(seconds{1});
  CHECK(story.waits_for("start/0"));
}

TEST_CASE("a machine that looks new again on its way out is paid for all the same") {
  Story story = running_story();
  const std::optional<Instant> billed_from = story.last().nodes.at(0).view.billed_from;
  REQUIRE(billed_from);
  for (NodeView& view : story.machines) {
    view.state = NodeState::starting;
    view.billed_from.reset();
  }
  story.pass(seconds{1});
  story.see();
  CHECK(story.last().nodes.at(0).view.state == NodeState::starting);
  CHECK(story.last().nodes.at(0).view.billed_from == billed_from);
}

TEST_CASE("the cheapest offer is booked, and deciding again books nothing more") {
  Story story;
  story.settle();
  CHECK(story.last().offer.key.region == "east");
  story.settle();
  story.pass(seconds{1});
  CHECK(story.deeds == std::vector<std::string>{"1 create"});
}

TEST_CASE("a machine that goes ends the gang, and the next one follows only when the old is given back") {
  struct Row {
    std::string why;
    AttemptEnd end;
  };
  for (const Row& row : {Row{"preempted", AttemptEnd::preempted}, Row{"host failure", AttemptEnd::lost},
                         Row{"terminated", AttemptEnd::lost}}) {
    CAPTURE(row.why);
    Story story = running_story();
    story.end_machine(1, row.why);
    CHECK(story.last().end == row.end);
    CHECK(story.last().reason.find("node 1") != std::string::npos);
    CHECK(story.state.phase == Phase::recovering);
    CHECK(story.waits_for("end"));  // the whole gang is released, not only what is gone
    CHECK(story.state.attempts.size() == 1);
    story.give_back();
    CHECK(story.state.phase == Phase::provisioning);
    CHECK(story.last().number == 2);
  }
}

TEST_CASE("a machine that is no longer listed is gone") {
  Story story = running_story();
  story.machines.pop_back();
  story.see();
  CHECK(story.last().end == AttemptEnd::lost);
  CHECK(story.last().reason.find("no longer listed") != std::string::npos);
}

TEST_CASE("a machine that no list has shown yet is not taken for gone, and is ended when it is to be") {
  Story story(1);
  story.settle();
  REQUIRE(story.waits_for("create"));
  const NodeView booked{
      .id = {"m-0"}, .token = story.last().token, .offer = story.last().offer.key, .created_at = story.now};
  story.answer("create", {.nodes = {booked}});
  story.machines.clear();
  story.see();  // the list is late
  CHECK_FALSE(story.last().is_over());
  story.tell(AskedRecord{{.verb = UserVerb::down}});
  CHECK(story.waits_for("end"));
  story.answer("end");  // its cloud does not know it yet: "the gone succeeds"
  story.see();
  CHECK(story.state.is_live());
  story.machines = {booked};
  story.now = story.now + seconds{6};
  story.see();
  CHECK(story.waits_for("end"));  // here it is, and it is ended after all
  story.answer("end");
  story.machines.clear();
  story.now = story.now + seconds{20};
  story.see();
  CHECK(story.last().nodes.at(0).view.state == NodeState::ended);
}

TEST_CASE("of a machine that is gone its cloud may know the name alone") {
  Story story = running_story();
  const NodeView before = story.last().nodes.at(1).view;
  story.machines[1].offer = {.provider = "cloud"};
  story.machines[1].tags.owner.clear();
  story.end_machine(1, "preempted");
  const NodeView& after = story.state.attempts.front().nodes.at(1).view;
  CHECK(after.state == NodeState::ended);
  CHECK(after.offer == before.offer);
  CHECK(after.tags == before.tags);
}

TEST_CASE("a notice drains all nodes before the machine goes") {
  Story story = running_story();
  story.machines[0].notice_until = story.now + seconds{30};
  story.see();
  CHECK(story.state.phase == Phase::running);
  CHECK(story.last().drain_why == AttemptEnd::preempted);
  CHECK(story.waits_for("drain/0"));
  CHECK(story.waits_for("drain/1"));
  make_progress(story, 50, 50);
  story.exit_all(75);
  CHECK(story.last().end == AttemptEnd::preempted);
  CHECK(story.state.phase == Phase::recovering);
}

TEST_CASE("a job's own failure") {
  SUBCASE("with nothing saved ends the workload") {
    Story story = running_story();
    story.exit_all(3);
    CHECK(story.last().end == AttemptEnd::job_failed);
    CHECK(story.state.phase == Phase::failed);
    CHECK(story.state.exit == kExitJobFailed);
  }
  SUBCASE("is worth another life while each brings it further, up to the limit") {
    Task task = make_task(1);
    task.max_restarts = 2;
    Story story = running_story(task);
    for (std::int64_t life = 1; life <= 3; ++life) {
      CAPTURE(life);
      make_progress(story, life * 10, life * 10);
      story.exit_all(1);
      CHECK(story.state.job_failures == life);
      if (life == 3) { break; }
      CHECK(story.state.phase == Phase::recovering);
      story.give_back();
      story.book();
      story.answer("find", {.error = {}, .checkpoint = CheckpointId{"c"}, .step = life * 10});
      story.answer("start/0");
      story.report(story.last().number, 0, story.running_report(story.last().number, 0));
      CHECK(story.state.phase == Phase::running);
    }
    CHECK(story.state.phase == Phase::failed);
  }
  SUBCASE("is not believed before a list shows that all machines are there") {
    Story story = running_story();
    AgentReport report = story.last().nodes.at(1).agent;
    report.phase = AgentPhase::exited;
    report.exit_code = 1;
    story.report(1, 1, report);
    CHECK_FALSE(story.last().is_over());
    story.end_machine(0, "preempted");  // it was the echo of this
    CHECK(story.last().end == AttemptEnd::preempted);
  }
}

TEST_CASE("silence and standstill are losses") {
  SUBCASE("an agent whose heartbeat stands still") {
    Story story = running_story();
    story.pass(story.limits.agent_silent - Millis{1});
    CHECK_FALSE(story.last().is_over());
    story.pass(Millis{1});
    CHECK(story.last().end == AttemptEnd::lost);
    CHECK(story.last().reason.find("silent") != std::string::npos);
  }
  SUBCASE("a job that makes no step") {
    Task task = make_task(1);
    task.stall = minutes{5};
    Story story = running_story(task);
    AgentReport report = story.last().nodes.at(0).agent;
    report.step = 4;
    report.step_at = story.now;
    report.steps_seen = 3;
    story.report(1, 0, report);
    const auto pass_ten_seconds = [&] {  // its agent is well all the time
      story.now = story.now + seconds{10};
      report.heartbeat_at = story.now;
      report.since_progress += seconds{10};
      story.report(1, 0, report);
    };
    for (int i = 0; i < 29; ++i) { pass_ten_seconds(); }
    CHECK_FALSE(story.last().is_over());
    pass_ten_seconds();
    CHECK(story.last().end == AttemptEnd::lost);
    CHECK(story.last().reason.find("hangs") != std::string::npos);
  }
}

TEST_CASE("a gang is whole or nothing") {
  SUBCASE("one node of two comes: after the time to boot what is there is released") {
    Story story;
    story.settle();
    NodeView only;
    only.id = {"cloud/m9"};
    only.token = story.last().token;
    only.offer = story.last().offer.key;
    only.state = NodeState::running;
    only.billed_from = story.now;
    story.machines.push_back(only);
    OutcomeRecord partial;
    partial.nodes = {only};
    story.answer("create", partial);
    CHECK(story.state.phase == Phase::provisioning);
    CHECK_FALSE(story.waits_for("find"));
    story.pass(story.limits.boot);
    CHECK(story.state.attempts.front().end == AttemptEnd::lost);
    CHECK(story.state.attempts.front().actions.at("end").outstanding);
    CHECK(story.state.refusals.size() == 1);  // that offer is left alone for a while
    CHECK(story.last().offer.key.region == "west");
  }
  SUBCASE("a provider whose machines boot for long is given its own time") {
    Story story;
    story.settle();
    story.limits.slow_boot[story.last().offer.key.provider] = story.limits.boot * 3;
    NodeView booting;
    booting.id = {"cloud/m9"};
    booting.token = story.last().token;
    booting.offer = story.last().offer.key;
    story.machines.push_back(booting);
    OutcomeRecord partial;
    partial.nodes = {booting};
    story.answer("create", partial);
    story.pass(story.limits.boot);
    CHECK(story.state.phase == Phase::provisioning);
    story.pass(story.limits.boot * 2);
    CHECK(story.state.attempts.front().end == AttemptEnd::lost);
  }
  SUBCASE("a node ends while it boots: the other is released") {
    Story story;
    story.settle();
    OutcomeRecord booting;
    for (int rank : {0, 1}) {
      NodeView view;
      view.id = {"cloud/m" + std::to_string(rank)};
      view.token = story.last().token;
      view.index = rank;
      view.offer = story.last().offer.key;
      story.machines.push_back(view);
      booting.nodes.push_back(view);
    }
    story.answer("create", booting);
    story.end_machine(0, "preempted");
    CHECK(story.state.attempts.front().end == AttemptEnd::preempted);
    CHECK(story.state.attempts.front().actions.at("end").outstanding);
  }
}

TEST_CASE(
    "a new machine that no list shows yet is waited for, and one that was given up comes back to be ended") {
  Story story(1);
  story.settle();
  NodeView view;
  view.id = {"cloud/a"};
  view.token = story.last().token;
  view.offer = story.last().offer.key;
  view.tags.workload = story.state.id;
  story.answer("create", {.error = {}, .refusal = {}, .nodes = {view}});
  story.pass(seconds{20});
  story.see();  // lists are eventually consistent
  CHECK_FALSE(story.last().is_over());
  CHECK(story.last().nodes.at(0).view.state == NodeState::starting);

  story.pass(minutes{3});
  story.see();
  CHECK(story.state.attempts.front().is_over());
  CHECK(story.state.attempts.front().nodes.at(0).view.end_reason == "no longer listed");
  story.answer("settle/0");
  REQUIRE_FALSE(needs_release(story.state.attempts.front()));
  view.state = NodeState::running;
  view.billed_from = story.now;
  story.machines = {view};
  story.see();
  CHECK(needs_release(story.state.attempts.front()));
  REQUIRE(story.waits_for("end"));
  CHECK(build_action(story.state, story.state.attempts.front(), "end")->nodes ==
        std::vector<NodeId>{view.id});
  story.answer("end");
  story.machines.front().state = NodeState::ended;
  story.machines.front().ended_at = story.now;
  story.see();
  CHECK(story.waits_for("settle/0"));
}

TEST_CASE("what was settled for a machine that came back is not settled twice") {
  Story story = running_story(1);
  const Instant began = *story.last().nodes.at(0).view.billed_from;
  const NodeView lost_sight_of = std::exchange(story.machines, {}).front();
  story.pass(seconds{30});
  story.see();
  const Instant gone = story.now;
  REQUIRE(story.state.attempts.front().is_over());
  story.answer("settle/0");
  story.machines = {lost_sight_of};
  story.pass(seconds{30});
  story.see();
  const NodeRecord& node = story.state.attempts.front().nodes.at(0);
  CHECK(node.view.billed_from == gone);
  CHECK(began < gone);
  CHECK_FALSE(node.settled);
  CHECK(story.waits_for("end"));
}

TEST_CASE("a booking that arrived twice: the machine too many is ended and paid for, the gang goes on") {
  Story story = running_story(1);
  NodeView twin = story.machines.front();
  twin.id = {"cloud/twin"};
  twin.address.id = twin.id;
  twin.billed_from = story.now;
  story.machines.push_back(twin);
  story.pass(seconds{1});
  story.see();
  REQUIRE(story.last().surplus.size() == 1);
  CHECK(story.last().surplus.front().view.id == twin.id);
  CHECK(story.last().nodes.at(0).view.id.value == "cloud/m0");
  CHECK(story.waits_for("end_surplus"));
  CHECK_FALSE(story.waits_for("end"));
  const std::optional<Action> end = build_action(story.state, story.last(), "end_surplus");
  REQUIRE(end);
  CHECK(end->nodes == std::vector<NodeId>{twin.id});
  story.answer("end_surplus");
  CHECK(story.state.phase == Phase::running);

  story.machines.back().state = NodeState::ended;
  story.machines.back().ended_at = story.now;
  story.machines.back().end_reason = "terminated";
  story.see();
  REQUIRE(story.waits_for("settle_surplus/0"));
  const std::optional<Action> settle = build_action(story.state, story.last(), "settle_surplus/0");
  REQUIRE(settle);
  CHECK(settle->node.id == twin.id);
  CHECK_FALSE(settle->sweeps);  // what was made for the gang is still needed
  const Money before = story.state.settled();
  story.answer("settle_surplus/0",
               {.error = {},
                .refusal = {},
                .charges = {{.workload = story.state.id, .node = twin.id, .amount = {77}}}});
  CHECK(story.state.settled().micros == before.micros + 77);
  CHECK(story.state.phase == Phase::running);
  CHECK(state_json(story.state, story.now).find("cloud/twin") != std::string::npos);
  story.exit_all(0);
  story.give_back();
  CHECK(story.state.phase == Phase::succeeded);
  CHECK_FALSE(story.state.is_live());
}

TEST_CASE("a cloud that knows no token is asked again only when its list must show what was booked") {
  Story story(1);
  story.limits.list_lag["cloud"] = seconds{20};
  story.settle();
  REQUIRE(story.last().offer.key.provider == "cloud");
  story.fail("create", error_of(ErrorKind::network, /*maybe_applied=*/true));
  CHECK(progress_of(story.last(), "create").not_before == story.now + seconds{20});
  story.pass(seconds{19});
  CHECK_FALSE(progress_of(story.last(), "create").outstanding);
  story.pass(seconds{1});
  CHECK(progress_of(story.last(), "create").outstanding);
  // What was certainly not done need not be waited for.
  story.fail("create", error_of(ErrorKind::network));
  CHECK(progress_of(story.last(), "create").not_before < story.now + seconds{20});
}

TEST_CASE("two machines of one place that a lost answer left behind: one is taken, one is ended") {
  Story story(1);
  story.settle();
  story.fail("create", error_of(ErrorKind::network, /*maybe_applied=*/true));
  NodeView view;
  view.id = {"cloud/a"};
  view.token = story.last().token;
  view.offer = story.last().offer.key;
  story.machines = {view};  // they boot
  view.id = {"cloud/b"};
  story.machines.push_back(view);
  story.see();
  CHECK(story.last().nodes.at(0).view.id.value == "cloud/a");
  REQUIRE(story.last().surplus.size() == 1);
  // The booking, asked again, may answer with the other one: what was seen first keeps its place.
  story.pass(seconds{1});
  view.billed_from = story.now;
  story.answer("create", {.error = {}, .refusal = {}, .nodes = {view}});
  CHECK(story.last().nodes.at(0).view.id.value == "cloud/a");
  CHECK(story.last().surplus.size() == 1);
  CHECK(story.waits_for("end_surplus"));
}

TEST_CASE("a machine too many whose end is lost on the way is ended again, also when the attempt is over") {
  Story story = running_story(1);
  NodeView twin = story.machines.front();
  twin.id = {"cloud/twin"};
  story.machines.push_back(twin);
  story.see();
  story.answer("end_surplus");
  story.pass(seconds{10});
  story.see();  // it still runs
  CHECK(story.waits_for("end_surplus"));
  story.fail("end_surplus", error_of(ErrorKind::auth));
  story.end_machine(0, "host failure");  // of both machines
  story.give_back();
  CHECK(story.waits_for("settle_surplus/0"));
  CHECK(needs_release(story.state.attempts.front()));
}

TEST_CASE("a refused booking: elsewhere, later, or the end") {
  struct Row {
    ErrorKind kind;
    Phase phase;  // after the first refusal, with two offers
    int exit;     // when it has failed
    std::size_t attempts;
  };
  for (const Row& row :
       {Row{ErrorKind::capacity, Phase::provisioning, 0, 2}, Row{ErrorKind::quota, Phase::provisioning, 0, 2},
        Row{ErrorKind::not_found, Phase::provisioning, 0, 2}, Row{ErrorKind::auth, Phase::failed, 3, 1},
        Row{ErrorKind::invalid, Phase::failed, 2, 1}, Row{ErrorKind::internal, Phase::failed, 8, 1},
        Row{ErrorKind::throttled, Phase::provisioning, 0, 1},
        Row{ErrorKind::conflict, Phase::provisioning, 0, 1},
        Row{ErrorKind::network, Phase::provisioning, 0, 1}}) {
    CAPTURE(to_string(row.kind));
    Story story;
    story.settle();
    story.fail("create", error_of(row.kind));
    CHECK(story.state.phase == row.phase);
    CHECK(story.state.exit == row.exit);
    CHECK(story.state.attempts.size() == row.attempts);
    if (row.attempts == 2) { CHECK(story.last().offer.key.region == "west"); }
    CHECK(std::count(story.phases.begin(), story.phases.end(), Phase::failed) == (row.exit == 0 ? 0 : 1));
  }
}

TEST_CASE("no offer is left") {
  struct Row {
    std::string name;
    ErrorKind kind;
    LaunchOptions options;
    Phase phase;
    int exit;
  };
  for (const Row& row : {Row{"impatient", ErrorKind::capacity, {}, Phase::failed, 5},
                         Row{"quota everywhere", ErrorKind::quota, {}, Phase::failed, 4},
                         Row{"until up", ErrorKind::capacity, {.retry_until_up = true}, Phase::queued, 0},
                         Row{"for a while", ErrorKind::capacity, {.wait = minutes{30}}, Phase::queued, 0}}) {
    CAPTURE(row.name);
    Story story;
    story.state.options = row.options;
    story.settle();
    story.fail("create", error_of(row.kind));
    story.fail("create", error_of(row.kind));
    CHECK(story.state.phase == row.phase);
    CHECK(story.state.exit == row.exit);
    if (row.phase != Phase::queued) { continue; }
    CHECK(story.state.wait_reason.find("last refusal: cloud/") != std::string::npos);
    CHECK(story.state.wait_until > story.now);
    story.pass(minutes{11});  // the refusals are forgotten by then
    CHECK(story.state.phase == Phase::provisioning);
  }
}

TEST_CASE("a lost answer: the same token again, and what appears late is ended") {
  Story story;
  story.settle();
  const Token token = story.last().token;
  story.fail("create", error_of(ErrorKind::network, /*maybe_applied=*/true));
  CHECK_FALSE(story.waits_for("create"));  // it backs off
  story.pass(minutes{1});
  CHECK(story.waits_for("create"));
  CHECK(story.last().token == token);
  CHECK(story.state.attempts.size() == 1);
  for (int tries = 2; tries <= 12; ++tries) {
    story.fail("create", error_of(ErrorKind::network, /*maybe_applied=*/true));
    story.pass(minutes{1});
  }
  const Attempt& given_up = story.state.attempts.front();
  CHECK(given_up.end == AttemptEnd::refused);
  CHECK(needs_release(given_up));  // nobody knows whether it was booked
  SUBCASE("nothing of it appears: resolved once a list is late enough") {
    story.see();
    story.pass(minutes{2});
    story.see();
    CHECK_FALSE(needs_release(story.state.attempts.front()));
  }
  SUBCASE("it appears: ended, and paid for") {
    NodeView late;
    late.id = {"cloud/late"};
    late.token = token;
    late.offer = given_up.offer.key;
    late.state = NodeState::running;
    late.billed_from = story.now;
    story.machines.push_back(late);
    story.see();
    CHECK(story.state.attempts.front().actions.at("end").outstanding);
    story.give_back();
    CHECK(story.state.attempts.front().nodes.at(0).settled);
  }
}

TEST_CASE("limits end a workload with exit 6") {
  SUBCASE("ttl, whatever it does") {
    Task task = make_task(1);
    task.ttl = minutes{30};
    Story story = running_story(task);
    CHECK(story.last().expires == story.state.created_at + *task.ttl);
    story.pass(minutes{30});
    CHECK(story.state.phase == Phase::expired);
    CHECK(story.state.exit == kExitLimit);
    CHECK(story.waits_for("end"));
  }
  SUBCASE("budget: it saves first") {
    Task task = make_task(1);
    task.budget = Money{1'000'000};  // half an hour of the offer
    Story story = running_story(task);
    story.limits.agent_silent = std::chrono::hours{10};
    story.pass(minutes{29});
    CHECK(story.state.phase == Phase::running);
    story.pass(minutes{1});
    CHECK(story.state.phase == Phase::stopping);
    CHECK(story.waits_for("drain/0"));
    story.exit_all(75);
    CHECK(story.state.phase == Phase::failed);
    CHECK(story.state.exit == kExitLimit);
  }
  SUBCASE("a deadline that passes before there was any gang") {
    Task task = make_task(1);
    task.deadline = minutes{20};
    Story story(task);
    story.state.options.retry_until_up = true;
    story.offers.clear();
    story.settle();
    CHECK(story.state.phase == Phase::queued);
    story.pass(minutes{20});
    CHECK(story.state.phase == Phase::failed);
    CHECK(story.state.exit == kExitLimit);
    CHECK(story.state.reason.find("deadline") != std::string::npos);
  }
  SUBCASE("a deadline does not end a job that has run") {
    Task task = make_task(1);
    task.deadline = minutes{20};
    Story story = running_story(task);
    story.limits.agent_silent = std::chrono::hours{10};
    story.pass(minutes{25});
    CHECK(story.state.phase == Phase::running);
    story.offers.clear();
    story.end_machine(0, "preempted");
    story.give_back();
    story.pass(minutes{1});
    CHECK(story.state.phase == Phase::queued);
  }
}

TEST_CASE("stop and start") {
  Story story = running_story();
  story.tell(AskedRecord{{.verb = UserVerb::stop}});
  CHECK(story.state.phase == Phase::stopping);
  CHECK(story.waits_for("drain/0"));
  CHECK(story.waits_for("drain/1"));
  story.exit_all(75);
  CHECK(story.last().end == AttemptEnd::ended_by_us);
  CHECK(story.state.phase == Phase::stopped);
  story.give_back();
  CHECK_FALSE(story.state.is_live());
  story.tell(AskedRecord{{.verb = UserVerb::start}});
  CHECK(story.state.phase == Phase::provisioning);
  CHECK(story.last().number == 2);
}

TEST_CASE("a stopping gang that does not answer is ended after its grace") {
  Story story = running_story();
  story.limits.agent_silent = std::chrono::hours{1};
  story.tell(AskedRecord{{.verb = UserVerb::stop}});
  story.pass(story.state.task.checkpoint.grace + seconds{10});
  CHECK(story.state.phase == Phase::stopped);
  CHECK(story.waits_for("end"));
}

TEST_CASE("down ends it from every phase, and whatever is held is given back") {
  struct Row {
    std::string where;
    void (*lead)(Story&);
    bool holds;
  };
  for (const Row& row : {
           Row{"queued", [](Story& s) { s.offers.clear(); }, false},
           Row{"provisioning", [](Story& s) { s.settle(); }, true},
           Row{"starting", [](Story& s) { s.book(); }, true},
           Row{"running", [](Story& s) { s.book(), s.start(); }, true},
           Row{"stopping",
               [](Story& s) { s.book(), s.start(), s.tell(AskedRecord{{.verb = UserVerb::stop}}); }, true},
           Row{"recovering", [](Story& s) { s.book(), s.start(), s.end_machine(0, "preempted"); }, true},
           Row{"migrating",
               [](Story& s) {
                 s.book(), s.start(), s.tell(AskedRecord{{.verb = UserVerb::migrate, .region = "west"}});
               },
               true},
       }) {
    CAPTURE(row.where);
    Story story;
    story.state.options.retry_until_up = true;
    row.lead(story);
    CHECK(to_string(story.state.phase) == row.where);
    story.tell(AskedRecord{{.verb = UserVerb::down}});
    CHECK(story.state.phase == Phase::cancelled);
    for (const Attempt& attempt : story.state.attempts) { CHECK(attempt.is_over()); }
    CHECK(story.state.is_live() == row.holds);
    // A booking under way is answered at last: what it brought is given back too.
    while (story.waits_for("create")) { story.fail("create", error_of(ErrorKind::capacity)); }
    story.give_back();
    CHECK_FALSE(story.state.is_live());
  }
}

TEST_CASE("an answer after the end brings nothing back to life") {
  Story story;
  story.settle();
  const Token token = story.last().token;
  story.tell(AskedRecord{{.verb = UserVerb::down}});
  NodeView late;
  late.id = {"cloud/late"};
  late.token = token;
  late.offer = story.last().offer.key;
  late.state = NodeState::running;
  late.billed_from = story.now;
  story.machines.push_back(late);
  OutcomeRecord outcome;
  outcome.nodes = {late};
  story.answer("create", outcome);
  CHECK(story.state.phase == Phase::cancelled);
  CHECK(story.waits_for("end"));
  story.give_back();
  CHECK_FALSE(story.state.is_live());
  story.tell(OutcomeRecord{.attempt = 1, .action = "create", .error = {}, .nodes = {late}});  // told twice
  CHECK(story.last().nodes.at(0).view.state == NodeState::ended);
}

TEST_CASE("a migration makes before it breaks") {
  Story story = running_story();
  story.tell(AskedRecord{{.verb = UserVerb::migrate, .region = "west"}});
  CHECK(story.state.phase == Phase::migrating);
  REQUIRE(story.state.migration_target() != nullptr);
  CHECK(story.state.migration_target()->offer.key.region == "west");
  CHECK_FALSE(story.state.attempts.front().drain_at.has_value());  // nothing is broken yet
  story.book();
  CHECK(story.waits_for("drain/0"));
  for (int rank : {0, 1}) {  // the source saves and leaves
    AgentReport report = story.state.attempts.front().nodes.at(rank).agent;
    report.phase = AgentPhase::exited;
    report.exit_code = 75;
    story.report(1, rank, report);
  }
  CHECK(story.state.attempts.front().end == AttemptEnd::superseded);
  CHECK(story.state.phase == Phase::starting);
  CHECK_FALSE(story.waits_for("find"));  // two gangs never run the job at once: first the old one's end
  story.give_back();
  CHECK(story.waits_for("find"));
  story.start();
  CHECK(story.state.phase == Phase::running);
  CHECK_FALSE(story.state.migrate.has_value());
}

TEST_CASE("a migration to nowhere is given up and the job goes on") {
  Story story = running_story();
  story.tell(AskedRecord{{.verb = UserVerb::migrate, .region = "mars"}});
  CHECK(story.state.phase == Phase::running);
  CHECK_FALSE(story.state.migrate.has_value());
  CHECK(story.state.attempts.size() == 1);
}

TEST_CASE("a machine that outlives its end is ended again") {
  Story story = running_story();
  story.exit_all(0);
  story.answer("end");
  const auto ends = [&] { return std::count(story.deeds.begin(), story.deeds.end(), "1 end"); };
  CHECK(ends() == 1);
  story.pass(seconds{10});
  story.see();  // still there
  CHECK(ends() == 2);
}

TEST_CASE("the end of machines is never given up") {
  Story story = running_story();
  story.exit_all(0);
  for (const ErrorKind kind :
       {ErrorKind::network, ErrorKind::auth, ErrorKind::internal, ErrorKind::throttled}) {
    for (int tries = 0; tries < 15; ++tries) {
      story.fail("end", error_of(kind));
      story.pass(minutes{2});
      CHECK(story.waits_for("end"));
    }
  }
}

TEST_CASE("the table of phases: nothing follows an end, and every phase can be left") {
  for (int i = 0; i <= static_cast<int>(Phase::expired); ++i) {
    const auto from = static_cast<Phase>(i);
    CHECK(phase_from(to_string(from)) == from);
    CHECK_FALSE(may_step(from, from));
    int ways = 0;
    for (int j = 0; j <= static_cast<int>(Phase::expired); ++j) {
      ways += may_step(from, static_cast<Phase>(j)) ? 1 : 0;
    }
    CHECK((ways == 0) == is_final(from));
    if (!is_final(from)) { CHECK(may_step(from, Phase::cancelled)); }
  }
  CHECK_FALSE(phase_from("sleeping").has_value());
}

}  // namespace
}  // namespace gpubroker
