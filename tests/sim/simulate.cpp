#include "tests/sim/simulate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/wire/json.hpp"
#include "tests/sim/memory_journal.hpp"
#include "tests/sim/sim_world.hpp"

namespace gpubroker::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// kill -9 of the supervisor.
struct Crash {};

/// The supervisor's clock: the world's, and what it was set wrong by.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(World& world) : world_(world) {}
  Instant now() override { return world_.now + skew; }
  Millis monotonic() override { return world_.now - world_.began; }
  void sleep_until(Instant /*at*/) override {}
  Millis skew{0};

 private:
  World& world_;
};

/// A provider that books anew when it is asked again: the planted double create; or forgets to end machines.
class BuggyProvider final : public Provider, public Provisioner {
 public:
  BuggyProvider(SimProvider& inner, Plant plant) : inner_(inner), plant_(plant) {}
  [[nodiscard]] std::string name() const override { return inner_.name(); }
  PriceSource* prices() override { return inner_.prices(); }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return inner_.channel(); }
  [[nodiscard]] Millis poll_interval() const override { return inner_.poll_interval(); }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    GangRequest changed = request;
    const int time = ++asked_[request.token];
    if (plant_ == Plant::double_create && time > 1) { changed.token.value += "-" + std::to_string(time); }
    return inner_.ensure_gang(changed);
  }
  Result<std::vector<NodeView>> list() override { return inner_.list(); }
  Status terminate(const std::vector<NodeId>& nodes) override {
    std::vector<NodeId> some = nodes;
    if (plant_ == Plant::lost_terminate && !some.empty()) { some.pop_back(); }
    return inner_.terminate(some);
  }

 private:
  SimProvider& inner_;
  Plant plant_;
  std::map<Token, int> asked_ = {};
};

struct Supervision {
  std::string holder;
  std::unique_ptr<Supervisor> supervisor = {};
  SkewedClock clock;
  Instant next = {};
};

class Run {
 public:
  explicit Run(const SimOptions& options)
      : options_(options), world_(options.seed), sim_(world_), provider_(sim_, options.plant) {
    plant();
    brew();
  }

  SimResult go() {
    const Instant calm_at = world_.now + minutes{12};
    const Instant end_at = world_.now + std::chrono::hours{5};
    while (result_.broken.empty() && !(world_.now > calm_at && is_over())) {
      if (world_.now > calm_at && !calm_) { calm_down(); }
      if (world_.now > end_at) {
        result_.broken = "not all workloads came to an end in the calm: " + unfinished();
        break;
      }
      turn();
      check();
    }
    if (result_.broken.empty()) { check_end(); }
    finish();
    return std::move(result_);
  }

 private:
  // --- making ---

  void plant() {
    journal_.tamper = [this](JournalBatch& batch) {
      if (options_.plant == Plant::missing_intent) {
        batch.rows.erase(std::remove_if(batch.rows.begin(), batch.rows.end(),
                                        [](const JournalRow& row) {
                                          return row.kind == "intent" &&
                                                 row.token.find("/create") != std::string::npos;
                                        }),
                         batch.rows.end());
      }
      if (options_.plant == Plant::dropped_charge && !batch.charges.empty()) { batch.charges.pop_back(); }
    };
    journal_.on_append = [this](bool after) -> Status {
      if (world_.dice.chance(world_.weather.crash)) { throw Crash{}; }
      if (!after && world_.dice.chance(world_.weather.disk_full)) {
        return Error{.kind = ErrorKind::capacity, .message = "no space left", .scope = ErrorScope::account};
      }
      return Ok{};
    };
  }

  void brew() {
    Dice& dice = world_.dice;
    const auto some = [&](int most) { return dice.chance(700) ? static_cast<int>(dice.below(most)) : 0; };
    world_.weather = {.lost_before = some(60),
                      .lost_after = some(60),
                      .late = some(40),
                      .throttled = some(50),
                      .twice = some(50),
                      .delayed = some(200),
                      .disk_full = some(30),
                      .crash = some(15),
                      .clock_jump = some(10)};
    for (const std::string region : {"east", "west"}) {
      std::vector<std::pair<Millis, int>>& line = world_.slots[region];
      line.emplace_back(Millis{0}, 4 + dice.below(8));
      for (int i = 1; i < 4; ++i) { line.emplace_back(seconds{dice.below(700)}, dice.below(10)); }
      std::sort(line.begin(), line.end());
      line.emplace_back(minutes{13}, 12);  // in the calm there is room
    }
    const int workloads = 1 + static_cast<int>(dice.below(3));
    for (int i = 0; i < workloads; ++i) { launches_.push_back(world_.now + seconds{dice.below(120)}); }
    supervisions_.push_back({"first", nullptr, SkewedClock(world_)});
    if (dice.chance(250)) { supervisions_.push_back({"second", nullptr, SkewedClock(world_)}); }
  }

  void launch(int number) {
    Dice& dice = world_.dice;
    Task task;
    task.name = "w" + std::to_string(number);
    task.num_nodes = 1 + static_cast<int>(dice.below(4));
    task.needs[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
    task.needs[0].markets = {Market::spot, Market::on_demand};
    task.run = "train";
    task.checkpoint = {.path = "ckpt", .store = "sim://store", .signal = "SIGUSR1", .grace = seconds{20}};
    LaunchOptions options{.key = "key-" + task.name, .owner = "sim", .retry_until_up = true};
    try {
      const Result<Accepted> accepted = accept(journal_, clock_, world_.dice, task, options);
      if (!accepted.ok()) { return; }
      const bool known = world_.steps_wanted.count(accepted.value().id) != 0;
      if (!known) { world_.steps_wanted[accepted.value().id] = 60 + dice.below(500); }
      launched_.insert(number);
      if (by_key_.count(options.key) != 0 && by_key_[options.key] != accepted.value().id) {
        result_.broken = "one key, two workloads";
      }
      by_key_[options.key] = accepted.value().id;
    } catch (const Crash&) { world_.say("launch is killed"); }
  }

  SupervisorParts parts(SkewedClock& clock) {
    return SupervisorParts{
        .journal = journal_,
        .clock = clock,
        .offers = sim_,
        .providers = {{"sim", &provider_}},
        .run_later = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); },
        .find_checkpoint = [this](const WorkloadId& id, const std::string&) { return newest(id); },
        .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; }};
  }

  Result<std::optional<SupervisorParts::Found>> newest(const WorkloadId& id) {
    if (world_.draw() != World::Luck::fine) {
      return Error{.kind = ErrorKind::network, .message = "store is away"};
    }
    const StoredCheckpoint* best = nullptr;
    for (const StoredCheckpoint& stored : world_.checkpoints[id]) {
      if (!stored.whole && options_.plant != Plant::torn_commit) { continue; }
      if (best == nullptr || stored.step > best->step) { best = &stored; }
    }
    if (best == nullptr) { return std::optional<SupervisorParts::Found>{}; }
    return std::optional(SupervisorParts::Found{.id = {std::to_string(best->step)}, .step = best->step});
  }

  // --- living ---

  void calm_down() {
    calm_ = true;
    world_.weather = {};
    for (Supervision& supervision : supervisions_) { supervision.clock.skew = Millis{0}; }
    world_.say("calm");
    for (const auto& [id, state] : truth_) {
      (void)ask(journal_, clock_, id.value, {.verb = UserVerb::start});  // what the user stopped goes on
    }
  }

  void wish() {
    if (calm_ || truth_.empty() || !world_.dice.chance(15)) { return; }
    auto at = truth_.begin();
    std::advance(at, world_.dice.below(static_cast<std::int64_t>(truth_.size())));
    const std::int64_t kind = world_.dice.below(10);
    const UserVerb verb = kind < 3   ? UserVerb::stop
                          : kind < 6 ? UserVerb::start
                          : kind < 9 ? UserVerb::migrate
                                     : UserVerb::down;
    try {
      if (ask(journal_, clock_, at->first.value, {.verb = verb}).ok()) {
        world_.say("user: " + std::string(to_string(verb)) + " " + at->first.value);
      }
    } catch (const Crash&) { world_.say("a command is killed"); }
  }

  void turn() {
    Dice& dice = world_.dice;
    for (std::size_t i = 0; i < launches_.size(); ++i) {
      const bool again = launched_.count(static_cast<int>(i)) != 0;
      if (launches_[i] <= world_.now && (!again || dice.chance(5))) { launch(static_cast<int>(i)); }
    }
    wish();
    for (Supervision& supervision : supervisions_) {
      supervise(supervision);
      run_tasks(supervision);
    }
    Instant next = world_.now + seconds{10};
    for (const Supervision& supervision : supervisions_) {
      next = std::min(next, supervision.next - supervision.clock.skew);
    }
    world_.advance(std::max(next, world_.now + Millis{500}));
  }

  void supervise(Supervision& supervision) {
    Dice& dice = world_.dice;
    if (dice.chance(world_.weather.clock_jump)) { supervision.clock.skew += seconds{dice.below(600) - 300}; }
    try {
      if (!supervision.supervisor) {
        if (!calm_ && dice.chance(600)) { return; }  // nobody supervises for a while
        auto fresh = std::make_unique<Supervisor>(parts(supervision.clock), supervision.holder);
        if (fresh->start().ok()) { supervision.supervisor = std::move(fresh); }
      }
      if (!supervision.supervisor) { return; }
      const Result<Supervisor::Step> step = supervision.supervisor->step();
      supervision.next = step.ok() ? step.value().next : Instant{};
      if (!step.ok() && step.error().kind == ErrorKind::conflict) { supervision.supervisor.reset(); }
    } catch (const Crash&) { crash(supervision); }
  }

  /// What it had under way may still happen, or not; nobody hears of it.
  void crash(Supervision& supervision) {
    ++result_.crashes;
    world_.say("supervisor " + supervision.holder + " is killed");
    supervision.supervisor.reset();
    std::vector<std::function<void()>> orphans = std::exchange(tasks_, {});
    for (std::function<void()>& task : orphans) {
      if (world_.dice.chance(500)) { task(); }
    }
    tasks_.clear();
  }

  void run_tasks(Supervision& supervision) {
    std::vector<std::function<void()>> queue = std::exchange(tasks_, {});
    std::move(delayed_.begin(), delayed_.end(), std::back_inserter(queue));
    delayed_.clear();
    while (!queue.empty()) {
      const auto at = static_cast<std::size_t>(world_.dice.below(static_cast<std::int64_t>(queue.size())));
      std::function<void()> task = std::move(queue[at]);
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
      if (world_.dice.chance(world_.weather.delayed)) {
        delayed_.push_back(std::move(task));
        continue;
      }
      task();
      if (world_.dice.chance(world_.weather.twice)) { task(); }
      if (supervision.supervisor && world_.dice.chance(world_.weather.crash)) {
        tasks_ = std::move(queue);
        crash(supervision);
        return;
      }
    }
  }

  // --- judging ---

  /// The state of every workload, folded here from the journal as any other reader would.
  void follow() {
    const Result<std::vector<JournalRow>> rows = journal_.read({}, followed_, 100'000);
    for (const JournalRow& row : rows.value()) {
      const Result<Record> record = decode_record(row);
      if (!record.ok()) {
        result_.broken = "a journal row cannot be read: " + record.error().message;
        return;
      }
      WorkloadState& state = truth_[row.workload];
      const Phase before = state.phase;
      apply(state, record.value(), row.seq);
      if (const auto* const phase = std::get_if<PhaseRecord>(&record.value().body)) {
        if (!may_step(before, phase->to)) {
          result_.broken = state.id.value + " steps from " + std::string(to_string(before)) + " to " +
                           std::string(to_string(phase->to));
        }
        world_.say(state.id.value + ": " + std::string(to_string(before)) + " -> " +
                   std::string(to_string(phase->to)) + ": " + phase->reason);
      }
      followed_ = row.seq;
      for (const char c : row.body) {
        result_.digest = (result_.digest ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
      }
    }
  }

  void check() {
    follow();
    if (result_.broken.empty()) { result_.broken = world_.broken; }
    for (const Machine* const machine : world_.alive()) { check_machine(*machine); }
  }

  void check_machine(const Machine& machine) {
    const auto at = truth_.find(machine.view.tags.workload);
    if (at == truth_.end()) {
      result_.broken = "a machine of a workload nobody knows: " + machine.view.id.value;
      return;
    }
    const WorkloadState& state = at->second;
    int open = 0;
    const Attempt* own = nullptr;
    for (const Attempt& attempt : state.attempts) {
      open += attempt.is_over() ? 0 : 1;
      if (attempt.token == machine.view.token) { own = &attempt; }
    }
    if (own == nullptr) {
      result_.broken =
          "a machine without an intent: " + machine.view.id.value + " of " + machine.view.token.value;
    } else if (open > 2 || (open == 2 && state.phase != Phase::migrating && state.phase != Phase::stopping &&
                            state.phase != Phase::recovering && state.phase != Phase::starting)) {
      result_.broken = state.id.value + " has " + std::to_string(open) + " gangs while " +
                       std::string(to_string(state.phase));
    }
    // Within one loop, when there is a loop: in the calm nothing of an attempt that is over lives for long.
    if (own != nullptr && calm_ && own->over_at && world_.now - *own->over_at > minutes{10} &&
        world_.now > world_.began + minutes{25}) {
      result_.broken = "a machine outlives its attempt: " + machine.view.id.value;
    }
  }

  [[nodiscard]] bool is_over() const {
    if (launched_.size() != launches_.size() || !world_.late_bookings.empty()) { return false; }
    return std::all_of(truth_.begin(), truth_.end(), [](const auto& entry) {
      return is_final(entry.second.phase) && !entry.second.is_live();
    });
  }

  [[nodiscard]] std::string unfinished() const {
    std::string names;
    for (const auto& [id, state] : truth_) {
      if (!is_final(state.phase) || state.is_live()) {
        names += " " + id.value + " (" + std::string(to_string(state.phase)) + ")";
      }
    }
    return names;
  }

  void check_end() {
    for (const Machine* const machine : world_.alive()) {
      result_.broken = "a leaked machine: " + machine->view.id.value + " of " + machine->view.token.value;
    }
    check_ledger();
    for (const auto& [id, state] : truth_) {
      const bool done =
          std::any_of(world_.gangs.begin(), world_.gangs.end(), [&, own = id](const auto& entry) {
            return entry.second.done && entry.second.machines.front().view.tags.workload == own;
          });
      if (state.phase == Phase::succeeded && !done) {
        result_.broken = id.value + " succeeded, but its job is not done";
      }
      if (state.phase == Phase::failed) { result_.broken = id.value + " failed: " + state.reason; }
      result_.succeeded += state.phase == Phase::succeeded ? 1 : 0;
    }
    const std::vector<WorkloadRow> before = journal_.workloads(false).value();
    if (options_.plant == Plant::none &&
        (!rebuild_projections(journal_).ok() || journal_.workloads(false).value() != before)) {
      result_.broken = "the rebuilt projections are not the written ones";
    }
  }

  void check_ledger() {
    std::map<NodeId, Money> ledger;
    const std::vector<ChargeRow> charges = journal_.charges().value();
    for (const ChargeRow& charge : charges) { ledger[charge.node].micros += charge.amount.micros; }
    for (const BillLine& line : world_.bill()) {
      const Money ours = ledger[line.node];
      ledger.erase(line.node);
      if (ours != line.amount) {
        result_.broken = line.node.value + ": the ledger says " + format_money(ours) + ", the bill " +
                         format_money(line.amount);
      }
    }
    if (!ledger.empty()) { result_.broken = "the ledger charges a machine that is not on the bill"; }
  }

  void finish() {
    for (const auto& [id, state] : truth_) { result_.attempts += static_cast<int>(state.attempts.size()); }
    result_.trace = world_.trace;
    result_.virtual_seconds = (world_.now - world_.began).count() / 1'000;
  }

  SimOptions options_;
  World world_;
  SimProvider sim_;
  BuggyProvider provider_;
  MemoryJournal journal_;
  SkewedClock clock_{world_};
  std::vector<Supervision> supervisions_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::function<void()>> delayed_;
  std::vector<Instant> launches_;
  std::set<int> launched_;
  std::map<std::string, WorkloadId> by_key_;
  std::map<WorkloadId, WorkloadState> truth_;
  std::int64_t followed_ = 0;
  bool calm_ = false;
  SimResult result_;
};

}  // namespace

SimResult simulate(const SimOptions& options) {
  return Run(options).go();
}

}  // namespace gpubroker::sim
