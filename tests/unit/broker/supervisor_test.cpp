// The loop itself: what it asks for, how often, and what it does again after a restart.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/manual_clock.hpp"
#include "tests/sim/memory_journal.hpp"
#include "tests/sim/sim_world.hpp"
#include "tests/unit/broker/story.hpp"

namespace gpubroker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::make_offer;
using testing::make_task;

/// A cloud that notes what it is asked for. Its machines stay as `state` says.
class NotingCloud final : public Provider, public Provisioner, public NodeChannel, public OfferSource {
 public:
  explicit NotingCloud(Clock& clock) : clock_(clock) {}
  [[nodiscard]] std::string name() const override { return "cloud"; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return *this; }
  [[nodiscard]] Millis poll_interval() const override { return seconds{4}; }

  Result<std::vector<Offer>> offers() override {
    ++offers_asked;
    return on_sale;
  }
  Status ask_again(const std::vector<std::string>& providers) override {
    asked_again.push_back(providers);
    return Ok{};
  }
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    deeds.push_back("create " + request.token.value);
    if (refusal) { return *refusal; }
    machines.clear();
    for (int rank = 0; rank < request.nodes; ++rank) {
      NodeView view{.id = {"cloud/m" + std::to_string(rank)},
                    .token = request.token,
                    .index = rank,
                    .offer = request.offer.key,
                    .tags = request.tags};
      view.state = state;
      view.created_at = clock_.now();
      view.billed_from = clock_.now();
      machines.push_back(view);
    }
    return machines;
  }
  Result<std::vector<NodeView>> list() override {
    listed_at.push_back(clock_.now());
    for (NodeView& machine : machines) {
      if (machine.state != NodeState::ended) { machine.state = state; }
    }
    return machines;
  }
  Status terminate(const std::vector<NodeId>& nodes) override {
    for (const NodeId& id : nodes) {
      deeds.push_back("end " + id.value);
      for (NodeView& machine : machines) {
        if (machine.id != id) { continue; }
        machine.state = NodeState::ended;
        machine.ended_at = clock_.now();
      }
    }
    return Ok{};
  }
  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return Ok{}; }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return Ok{}; }
  Result<std::string> get(const NodeAddress&, const std::string&, std::int64_t, std::int64_t) override {
    return Error{.kind = ErrorKind::network, .message = "away"};
  }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override { return CommandResult{}; }
  Status start(const NodeAddress& node, const Command&, const std::string&) override {
    deeds.push_back("start " + node.id.value);
    return Ok{};
  }

  std::vector<Offer> on_sale = {make_offer("east", 2'000'000)};
  NodeState state = NodeState::starting;
  std::optional<Error> refusal = {};
  std::vector<NodeView> machines = {};
  std::vector<std::string> deeds = {};
  std::vector<Instant> listed_at = {};
  int offers_asked = 0;
  std::vector<std::vector<std::string>> asked_again = {};

 private:
  Clock& clock_;
};

/// A supervisor over it, whose tasks run when they are told to.
class Scene {
 public:
  SupervisorParts parts() {
    return {.journal = journal,
            .clock = clock,
            .offers = cloud,
            .providers = {{"cloud", &cloud}},
            .run_later = [this](std::function<void()> task) { tasks.push_back(std::move(task)); },
            .find_checkpoint = [](const WorkloadId&,
                                  const std::string&) -> Result<std::optional<SupervisorParts::Found>> {
              return std::optional<SupervisorParts::Found>{};
            },
            .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; }};
  }
  WorkloadId launch(const LaunchOptions& options = {.owner = "me"}) {
    const Result<Accepted> accepted = accept(journal, clock, dice, make_task(1), options);
    REQUIRE(accepted.ok());
    return accepted.value().id;
  }
  void turn(Supervisor& supervisor) {
    REQUIRE(supervisor.step().ok());
    for (const std::function<void()>& task : std::exchange(tasks, {})) { task(); }
  }
  /// Steps every half second for so long.
  void live(Supervisor& supervisor, Millis length) {
    for (const Instant until = clock.time + length; clock.time < until;) {
      turn(supervisor);
      clock.time = clock.time + Millis{500};
    }
  }
  void write(const WorkloadId& id, RecordBody body) {
    JournalBatch batch;
    batch.rows = {encode_record({.at = clock.now(), .workload = id, .body = std::move(body)})};
    REQUIRE(journal.append(batch, std::nullopt).ok());
  }

  testing::ManualClock clock = {};
  sim::Dice dice{7};
  sim::MemoryJournal journal = {};
  NotingCloud cloud{clock};
  std::vector<std::function<void()>> tasks = {};
};

/// The pauses between the lists that were asked for after `since`.
std::vector<Millis> pauses(const std::vector<Instant>& times, Instant since) {
  std::vector<Millis> between;
  for (std::size_t i = 1; i < times.size(); ++i) {
    if (times[i - 1] >= since) { between.push_back(times[i] - times[i - 1]); }
  }
  return between;
}

TEST_CASE("while machines boot their cloud is looked at twice as often") {
  Scene scene;
  scene.launch();
  Supervisor supervisor(scene.parts(), "one");
  REQUIRE(supervisor.start().ok());
  scene.live(supervisor, seconds{4});
  REQUIRE_FALSE(scene.cloud.machines.empty());
  Instant since = scene.clock.time;
  scene.live(supervisor, seconds{30});
  std::vector<Millis> between = pauses(scene.cloud.listed_at, since);
  REQUIRE(between.size() > 5);
  CHECK(std::all_of(between.begin(), between.end(), [](Millis pause) { return pause == seconds{2}; }));
  scene.cloud.state = NodeState::running;
  scene.live(supervisor, seconds{6});
  since = scene.clock.time;
  scene.live(supervisor, seconds{20});
  between = pauses(scene.cloud.listed_at, since);
  REQUIRE(between.size() > 2);
  CHECK(std::all_of(between.begin(), between.end(), [](Millis pause) { return pause == seconds{4}; }));
}

TEST_CASE("a clock that is set back by hours does not make the supervisor blind for hours") {
  Scene scene;
  const WorkloadId id = scene.launch();
  Supervisor supervisor(scene.parts(), "one");
  REQUIRE(supervisor.start().ok());
  scene.cloud.state = NodeState::running;
  scene.live(supervisor, seconds{20});
  const std::size_t before = scene.cloud.listed_at.size();
  scene.clock.time = scene.clock.time - std::chrono::hours{3};
  scene.live(supervisor, seconds{10});
  CHECK(scene.cloud.listed_at.size() >= before + 2);
  scene.cloud.machines.clear();  // and what it sees counts
  scene.live(supervisor, seconds{10});
  CHECK(supervisor.workloads().at(id).attempts.front().is_over());
}

TEST_CASE("after a restart only what gives back is done again for an attempt that is over") {
  Scene scene;
  const WorkloadId id = scene.launch();
  NodeView view{.id = {"cloud/m0"}, .token = attempt_token(id, 1), .offer = make_offer("east", 1).key};
  view.state = NodeState::running;
  view.billed_from = scene.clock.now();
  scene.cloud.machines = {view};
  scene.cloud.state = NodeState::running;
  scene.write(id, IntentRecord{.attempt = 1, .action = "create", .offer = make_offer("east", 2'000'000)});
  scene.write(id, OutcomeRecord{.attempt = 1, .action = "create", .nodes = {view}});
  for (const char* const action : {"start/0", "drain/0", "save/1", "end"}) {
    scene.write(id, IntentRecord{.attempt = 1, .action = action});
  }
  scene.write(id, AttemptRecord{.what = AttemptRecord::What::over, .attempt = 1, .why = AttemptEnd::lost});
  Supervisor supervisor(scene.parts(), "next");
  REQUIRE(supervisor.start().ok());
  REQUIRE(scene.tasks.size() == 1);
  for (const std::function<void()>& task : std::exchange(scene.tasks, {})) { task(); }
  CHECK(scene.cloud.deeds == std::vector<std::string>{"end cloud/m0"});
}

TEST_CASE(
    "after a restart a gang that nobody wants is not booked, but looked for until it cannot come any more") {
  Scene scene;
  const WorkloadId id = scene.launch();
  scene.write(id, IntentRecord{.attempt = 1, .action = "create", .offer = make_offer("east", 2'000'000)});
  scene.write(id,
              AttemptRecord{.what = AttemptRecord::What::over, .attempt = 1, .why = AttemptEnd::ended_by_us});
  scene.write(id, AskedRecord{.request = {.verb = UserVerb::down}});
  Supervisor supervisor(scene.parts(), "next");
  REQUIRE(supervisor.start().ok());
  scene.live(supervisor, seconds{30});
  REQUIRE(supervisor.workloads().count(id) == 1);  // it may still appear
  CHECK(supervisor.workloads().at(id).phase == Phase::cancelled);
  scene.live(supervisor, minutes{2});
  CHECK(supervisor.workloads().count(id) == 0);
  CHECK(scene.cloud.deeds.empty());
}

TEST_CASE(
    "after a refusal the next clouds are asked what they have, beside the next booking and not before it") {
  Scene scene;
  scene.cloud.refusal =
      Error{.kind = ErrorKind::capacity, .message = "sold out", .scope = ErrorScope::region};
  scene.cloud.on_sale = {make_offer("east", 1'000'000), make_offer("west", 2'000'000)};
  for (const char* const other : {"b", "c"}) {
    scene.cloud.on_sale.push_back(make_offer("east", 3'000'000));
    scene.cloud.on_sale.back().key.provider = other;
  }
  scene.launch({.owner = "me", .wait = minutes{30}});
  Supervisor supervisor(scene.parts(), "one");
  REQUIRE(supervisor.start().ok());
  scene.live(supervisor, seconds{3});
  REQUIRE_FALSE(scene.cloud.asked_again.empty());
  CHECK(scene.cloud.asked_again.front() == std::vector<std::string>{"cloud", "b", "c"});
  CHECK(scene.cloud.deeds.size() >= 2);  // the second booking did not wait for the answer
}

TEST_CASE("--wait: nothing is sold, then it is, and the gang is booked at once") {
  Scene scene;
  const std::vector<Offer> later = std::exchange(scene.cloud.on_sale, {});
  const WorkloadId id = scene.launch({.owner = "me", .wait = minutes{30}});
  Supervisor supervisor(scene.parts(), "one");
  REQUIRE(supervisor.start().ok());
  scene.live(supervisor, minutes{10});
  CHECK(supervisor.workloads().at(id).phase == Phase::queued);
  CHECK(scene.cloud.deeds.empty());
  CHECK(scene.cloud.offers_asked >= 10 * 60 / 15);  // it keeps asking, not merely waiting
  scene.cloud.on_sale = later;
  scene.live(supervisor, seconds{20});
  CHECK(scene.cloud.deeds.size() == 1);
  CHECK(supervisor.workloads().at(id).phase == Phase::provisioning);
}

TEST_CASE("--wait: what was refused is asked for again while there is time, and not after") {
  Scene scene;
  scene.cloud.refusal =
      Error{.kind = ErrorKind::capacity, .message = "sold out", .scope = ErrorScope::region};
  const WorkloadId id = scene.launch({.owner = "me", .wait = minutes{30}});
  Supervisor supervisor(scene.parts(), "one");
  REQUIRE(supervisor.start().ok());
  scene.live(supervisor, minutes{29});
  const std::size_t asked = scene.cloud.deeds.size();
  CHECK(asked >= 4);  // 30 s, 1, 2, 4, 8 min: each refusal is remembered for longer
  CHECK(asked <= 8);
  CHECK(supervisor.workloads().at(id).phase == Phase::queued);
  scene.live(supervisor, minutes{15});
  CHECK(supervisor.workloads().count(id) == 0);  // over: exit 5
  CHECK(load_state(scene.journal, id.value).value().exit == 5);
}

}  // namespace
}  // namespace gpubroker
