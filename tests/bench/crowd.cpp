#include "tests/bench/crowd.hpp"

#include <algorithm>
#include <ctime>
#include <iostream>
#include <sys/resource.h>

#include "core/store/sqlite_journal.hpp"

namespace gpubroker::bench {
namespace {

/// The real supervisor waits at least so long between two steps (cmd/supervise.cpp).
constexpr Millis kStep{10};

class CountingRandom final : public Random {
 public:
  std::uint64_t next() override {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return state_ >> 24U;
  }

 private:
  std::uint64_t state_ = 1;
};

double cpu_now() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double wall_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

Task make_task(int number) {
  Task task;
  task.name = "w" + std::to_string(number);
  task.needs[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
  task.setup = "pip install -r requirements.txt";
  task.run = "torchrun --nnodes $GPUBROKER_NUM_NODES --nproc-per-node 8 train.py --config config.yaml";
  task.envs = {{"LR", "3e-4"}, {"EPOCHS", "90"}};
  task.checkpoint = {.path = "ckpt", .store = "file:///checkpoints", .signal = "SIGUSR1"};
  return task;
}

/// One supervisor and its world.
class Scene {
 public:
  explicit Scene(const CrowdOptions& options) : options_(options), crowd_(clock_, options.observe) {}

  Result<CrowdFigures> run() {
    TRY(journal_, open_journal(options_.journal_path, OpenMode::read_write));
    auto supervisor = std::make_unique<Supervisor>(parts(), "bench");
    TRY([[maybe_unused]] const Ok started, supervisor->start());
    TRY([[maybe_unused]] const Ok launched, launch_all(*supervisor));
    TRY(const std::int64_t rows_before, journal_->last_seq());
    const std::int64_t looks_before = crowd_.observations;
    const double cpu_before = cpu_now();
    TRY([[maybe_unused]] const Ok lived, live(*supervisor, options_.measured));
    CrowdFigures figures;
    figures.cpu_share = (cpu_now() - cpu_before) * 1000 / static_cast<double>(options_.measured.count());
    figures.peak_mib = peak_mib();
    TRY(const std::int64_t rows, journal_->last_seq());
    figures.rows = rows - rows_before;
    figures.observations = crowd_.observations - looks_before;
    figures.steps = steps_;
    figures.running = count_running(*supervisor);
    supervisor->stop();
    supervisor.reset();
    TRY([[maybe_unused]] const Ok commands, time_commands(figures));
    const double began = wall_now();
    Supervisor next(parts(), "next");
    TRY([[maybe_unused]] const Ok again, next.start());
    TRY([[maybe_unused]] const Supervisor::Step step, next.step());
    figures.restart_s = wall_now() - began;
    return figures;
  }

 private:
  SupervisorParts parts() {
    return SupervisorParts{
        .journal = *journal_,
        .clock = clock_,
        .offers = crowd_,
        .providers = {{"crowd", &crowd_}},
        .run_later = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); },
        .find_checkpoint = [](const WorkloadId&,
                              const std::string&) -> Result<std::optional<SupervisorParts::Found>> {
          return std::optional<SupervisorParts::Found>{};
        },
        .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; }};
  }

  Status turn(Supervisor& supervisor) {
    TRY(const Supervisor::Step step, supervisor.step());
    ++steps_;
    for (const std::function<void()>& task : std::exchange(tasks_, {})) { task(); }
    clock_.at = std::max(clock_.at + kStep, supervisor.has_news() ? clock_.at : step.next);
    return Ok{};
  }

  Status live(Supervisor& supervisor, Millis length) {
    steps_ = 0;
    for (const Instant until = clock_.at + length; clock_.at < until;) {
      TRY([[maybe_unused]] const Ok turned, turn(supervisor));
    }
    return Ok{};
  }

  static int count_running(const Supervisor& supervisor) {
    const auto& all = supervisor.workloads();
    return static_cast<int>(std::count_if(
        all.begin(), all.end(), [](const auto& entry) { return entry.second.phase == Phase::running; }));
  }

  Status launch_all(Supervisor& supervisor) {
    // Spread over one interval, as they would be after a while: not all are looked at in the same moment.
    const Instant began = clock_.at;
    for (int number = 0; number < options_.workloads;) {
      const std::int64_t passed = (clock_.at - began).count();
      const auto due = static_cast<int>(passed * options_.workloads / options_.observe.count()) + 1;
      for (; number < std::min(due, options_.workloads); ++number) {
        TRY([[maybe_unused]] const Accepted accepted,
            accept(*journal_, clock_, random_, make_task(number),
                   {.key = "key-" + std::to_string(number), .owner = "bench"}));
      }
      TRY([[maybe_unused]] const Ok turned, turn(supervisor));
    }
    while (count_running(supervisor) < options_.workloads) {
      TRY([[maybe_unused]] const Ok lived, live(supervisor, std::chrono::seconds{5}));
      std::cerr << "  " << count_running(supervisor) << " of " << options_.workloads << " run\n";
      if (clock_.at - began > std::chrono::hours{1}) {
        return Error{.kind = ErrorKind::internal, .message = "the workloads do not come up"};
      }
    }
    return Ok{};
  }

  Status time_commands(CrowdFigures& figures) {
    std::vector<double> accepts;
    for (int i = 0; i < 50; ++i) {
      const double began = wall_now();
      TRY([[maybe_unused]] const Accepted accepted,
          accept(*journal_, clock_, random_, make_task(options_.workloads + i),
                 {.key = "more-" + std::to_string(i), .owner = "bench"}));
      accepts.push_back((wall_now() - began) * 1000);
    }
    figures.accept_ms = median(accepts);
    const double began = wall_now();
    (void)load_state(*journal_, "nobody-has-this-name");
    figures.find_unknown_ms = (wall_now() - began) * 1000;
    return Ok{};
  }

  CrowdOptions options_;
  VirtualClock clock_;
  Crowd crowd_;
  CountingRandom random_;
  std::unique_ptr<Journal> journal_;
  std::vector<std::function<void()>> tasks_;
  std::int64_t steps_ = 0;
};

}  // namespace

Result<std::vector<Offer>> Crowd::offers() {
  Offer offer;
  offer.key = {.provider = "crowd", .region = "here", .instance_type = "g8", .market = Market::on_demand};
  offer.gpu = {.model = "H100", .form = "SXM", .memory_gib = 80, .count = 8};
  offer.vcpus = 96;
  offer.memory_mib = 1 << 20;
  offer.price = {2'000'000};
  offer.learnt_at = clock_.at;
  offer.source = "bench";
  return std::vector<Offer>{offer};
}

Result<std::vector<PricePoint>> Crowd::price_history(const OfferKey& /*key*/, Instant from, Instant /*to*/) {
  return std::vector<PricePoint>{{from, {2'000'000}}};
}

Result<std::vector<NodeView>> Crowd::ensure_gang(const GangRequest& request) {
  std::vector<NodeView>& gang = gangs_[request.token];
  for (int i = static_cast<int>(gang.size()); i < request.nodes; ++i) {
    NodeView view;
    view.id = {"crowd/m" + std::to_string(machines_.size())};
    view.token = request.token;
    view.index = i;
    view.offer = request.offer.key;
    view.tags = request.tags;
    view.state = NodeState::running;
    view.address = {.id = view.id, .host = "10.0.0.1", .root = "/opt/gpubroker", .binary = "gpubroker"};
    view.env = {{"NCCL_SOCKET_IFNAME", "eth0"}};
    view.created_at = clock_.at;
    view.billed_from = clock_.at;
    machines_[view.id] = {.view = view, .started_at = {}};
    gang.push_back(std::move(view));
  }
  return gang;
}

Result<std::vector<NodeView>> Crowd::list() {
  std::vector<NodeView> views;
  views.reserve(machines_.size());
  for (const auto& [id, machine] : machines_) { views.push_back(machine.view); }
  return views;
}

Status Crowd::terminate(const std::vector<NodeId>& nodes) {
  for (const NodeId& id : nodes) {
    NodeView& view = machines_[id].view;
    view.state = NodeState::ended;
    view.ended_at = clock_.at;
  }
  return Ok{};
}

Status Crowd::put(const NodeAddress& /*node*/, const std::string& /*path*/, std::string_view /*bytes*/,
                  int /*mode*/) {
  return Ok{};
}

Status Crowd::put_file(const NodeAddress& /*node*/, const std::string& /*path*/,
                       const std::string& /*local_path*/) {
  return Ok{};
}

Result<std::string> Crowd::get(const NodeAddress& node, const std::string& path, std::int64_t /*offset*/,
                               std::int64_t /*max*/) {
  if (path.find("/report.json") == std::string::npos) {
    return Error{.kind = ErrorKind::not_found, .message = "no such file"};
  }
  ++observations;
  const Instant started = machines_.at(node.id).started_at;
  AgentReport report;
  report.version = "1";
  report.attempt = 1;
  report.pid = 4242;
  report.phase = AgentPhase::running;
  report.heartbeat_at = clock_.at;
  report.started_at = started;
  report.run_started_at = started;
  report.step = (clock_.at - started).count() / 1'000;
  report.step_at = clock_.at;
  report.committed_step = report.step / 600 * 600;
  report.committed = "00000" + std::to_string(report.committed_step) + "-a1";
  return encode_agent_report(report);
}

Result<CommandResult> Crowd::run(const NodeAddress& /*node*/, const Command& /*command*/,
                                 Millis /*timeout*/) {
  return CommandResult{.exit = {.code = 0}};
}

Status Crowd::start(const NodeAddress& node, const Command& /*command*/, const std::string& /*output_path*/) {
  machines_.at(node.id).started_at = clock_.at;
  return Ok{};
}

Result<CrowdFigures> run_crowd(const CrowdOptions& options) {
  return Scene(options).run();
}

}  // namespace gpubroker::bench
