#include "tests/bench/stand_in.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "core/broker/broker.hpp"
#include "core/store/sqlite_journal.hpp"
#include "core/system/clock.hpp"
#include "core/system/random.hpp"
#include "core/system/thread_pool.hpp"

namespace gpubroker::bench {
namespace {

/// Its machines are up when they are listed; each call of its channel takes its time.
class SlowCloud final : public Provider, public Provisioner, public NodeChannel, public OfferSource {
 public:
  SlowCloud(Clock& clock, Millis call) : clock_(clock), call_(call) {}
  [[nodiscard]] std::string name() const override { return "slow"; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return *this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }

  Result<std::vector<Offer>> offers() override {
    Offer offer;
    offer.key = {.provider = "slow", .region = "here", .instance_type = "g8"};
    offer.gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
    offer.price = {2'000'000};
    return std::vector<Offer>{offer};
  }
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    for (int i = static_cast<int>(machines_.size()); i < request.nodes; ++i) {
      NodeView view{.id = {"slow/m" + std::to_string(i)},
                    .token = request.token,
                    .index = i,
                    .offer = request.offer.key,
                    .tags = request.tags};
      view.created_at = clock_.now();
      machines_.push_back(view);
    }
    return machines_;
  }
  Result<std::vector<NodeView>> list() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    for (NodeView& view : machines_) {
      view.state = NodeState::running;
      view.billed_from = view.created_at;
      view.address = {.id = view.id, .host = "10.0.0.1", .root = "/r", .binary = "gpubroker"};
    }
    if (!machines_.empty() && !up_at) { up_at = clock_.monotonic(); }
    return machines_;
  }
  Status terminate(const std::vector<NodeId>& /*nodes*/) override { return Ok{}; }

  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return pass(); }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return pass(); }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override {
    TRY([[maybe_unused]] const Ok passed, pass());
    return CommandResult{};
  }
  Status start(const NodeAddress& node, const Command&, const std::string&) override {
    TRY([[maybe_unused]] const Ok passed, pass());
    const std::lock_guard<std::mutex> hold(mutex_);
    started_[node.id] = clock_.now();
    if (started_.size() == machines_.size()) { all_started_at = clock_.monotonic(); }
    return Ok{};
  }
  Result<std::string> get(const NodeAddress& node, const std::string&, std::int64_t, std::int64_t) override {
    TRY([[maybe_unused]] const Ok passed, pass());
    const std::lock_guard<std::mutex> hold(mutex_);
    AgentReport report;
    report.version = "1";
    report.attempt = 1;
    for (const NodeView& view : machines_) {
      if (view.id == node.id) { report.rank = view.index; }
    }
    report.phase = AgentPhase::running;
    report.heartbeat_at = clock_.now();
    report.started_at = started_[node.id];
    report.run_started_at = started_[node.id];
    return encode_agent_report(report);
  }

  std::optional<Millis> up_at = {};
  std::optional<Millis> all_started_at = {};
  std::atomic<int> calls{0};
  std::atomic<int> most_at_once{0};

 private:
  Status pass() {
    const int now = ++at_once_;
    ++calls;
    int most = most_at_once;
    while (now > most && !most_at_once.compare_exchange_weak(most, now)) {}
    clock_.sleep_until(clock_.now() + call_);
    --at_once_;
    return Ok{};
  }

  Clock& clock_;
  Millis call_;
  std::atomic<int> at_once_{0};
  std::mutex mutex_ = {};
  std::vector<NodeView> machines_ = {};
  std::map<NodeId, Instant> started_ = {};
};

Task make_task(int nodes) {
  Task task;
  task.name = "wide";
  task.num_nodes = nodes;
  task.needs[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
  task.run = "train";
  return task;
}

}  // namespace

Result<StandInFigures> run_stand_in(const StandInOptions& options) {
  constexpr Millis kPatience = std::chrono::minutes{10};
  SystemClock clock;
  SystemRandom random;
  SlowCloud cloud(clock, options.call);
  TRY(const std::unique_ptr<Journal> journal, open_journal(":memory:", OpenMode::read_write));
  TRY(const Accepted accepted, accept(*journal, clock, random, make_task(options.nodes), {.owner = "bench"}));
  ThreadPool pool(static_cast<std::size_t>(options.threads));
  Supervisor supervisor(
      SupervisorParts{.journal = *journal,
                      .clock = clock,
                      .offers = cloud,
                      .providers = {{"slow", &cloud}},
                      .run_later = [&](std::function<void()> task) { pool.add(std::move(task)); },
                      .find_checkpoint = [](const WorkloadId&, const std::string&)
                          -> Result<std::optional<SupervisorParts::Found>> {
                        return std::optional<SupervisorParts::Found>{};
                      },
                      .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; }},
      "bench");
  TRY([[maybe_unused]] const Ok started, supervisor.start());
  const Millis began = clock.monotonic();
  while (clock.monotonic() - began < kPatience) {
    TRY(const Supervisor::Step step, supervisor.step());
    if (supervisor.workloads().at(accepted.id).phase == Phase::running) {
      const auto seconds_since_up = [&](Millis at) {
        return static_cast<double>((at - cloud.up_at.value_or(at)).count()) / 1'000;
      };
      return StandInFigures{
          .up_to_running_s = seconds_since_up(clock.monotonic()),
          .up_to_started_s = seconds_since_up(cloud.all_started_at.value_or(clock.monotonic())),
          .calls = cloud.calls,
          .most_at_once = cloud.most_at_once};
    }
    // As `supervise` waits: for news, ten milliseconds at a time.
    while (!supervisor.has_news() && clock.now() < step.next) { clock.sleep_until(clock.now() + Millis{10}); }
  }
  return Error{.kind = ErrorKind::internal, .message = "the gang does not come up"};
}

}  // namespace gpubroker::bench
