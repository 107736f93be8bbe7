#include "tests/sim/simulate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "tests/sim/crew.hpp"
#include "tests/sim/judge.hpp"

namespace gpubroker::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// How long the weather is rough.
constexpr Millis kStorm = minutes{12};

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

struct Supervision {
  std::string holder;
  std::unique_ptr<Supervisor> supervisor = {};
  SkewedClock clock;
  Instant next = {};
  Crew* crew = nullptr;
};

/// A task of one supervisor.
struct SimTask {
  const Supervision* owner = nullptr;
  std::function<void()> work = {};
};

class Run {
 public:
  explicit Run(const SimOptions& options)
      : options_(options), world_(options.seed), sim_(world_), provider_(sim_, options.plant) {
    plant();
    brew();
  }

  SimResult go() {
    const Instant calm_at = world_.now + kStorm;
    const Instant end_at = world_.now + std::chrono::hours{options_.clouds ? 24 : 5};
    while (result_.broken.empty() && !(world_.now > calm_at && is_over())) {
      if (world_.now > calm_at && !calm_since_) { calm_down(); }
      if (world_.now > end_at) {
        result_.broken = "not all workloads came to an end in the calm: " + judge_.unfinished();
        break;
      }
      turn();
      judge_.check(calm_since_);
    }
    if (result_.broken.empty()) { check_end(); }
    finish();
    return std::move(result_);
  }

 private:
  // --- making ---

  void plant() {
    journal_.tamper = [this](JournalBatch& batch) { tamper_with(batch, options_.plant); };
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
    if (options_.clouds) {
      world_.weather.duplicated = some(150);
      clouds_.brew(world_.began + kStorm);
      if (dice.chance(300)) { machine_life_ = minutes{60 + dice.below(60)}; }
    } else {
      brew_slots();
    }
    const int workloads = 1 + static_cast<int>(dice.below(3));
    for (int i = 0; i < workloads; ++i) { launches_.push_back(world_.now + seconds{dice.below(120)}); }
    supervisions_.push_back({"first", nullptr, SkewedClock(world_)});
    if (dice.chance(250)) { supervisions_.push_back({"second", nullptr, SkewedClock(world_)}); }
  }

  void brew_slots() {
    Dice& dice = world_.dice;
    for (const std::string region : {"east", "west"}) {
      std::vector<std::pair<Millis, int>>& line = world_.slots[region];
      line.emplace_back(Millis{0}, 4 + dice.below(8));
      for (int i = 1; i < 4; ++i) { line.emplace_back(seconds{dice.below(700)}, dice.below(10)); }
      std::sort(line.begin(), line.end());
      line.emplace_back(minutes{13}, 12);  // in the calm there is room
    }
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

  SupervisorParts parts(Supervision& supervision) {
    return SupervisorParts{
        .journal = journal_,
        .clock = supervision.clock,
        .offers = options_.clouds ? static_cast<OfferSource&>(clouds_) : sim_,
        .providers =
            supervision.crew != nullptr ? supervision.crew->providers : Providers{{"sim", &provider_}},
        .run_later =
            [this, owner = &supervision](std::function<void()> task) { keep_task(owner, std::move(task)); },
        .find_checkpoint = [this](const WorkloadId& id, const std::string&) { return newest(id); },
        .secrets = [](const WorkloadState&) -> Result<std::string> { return std::string{}; },
        .limits = {.machine_life = machine_life_}};
  }

  void keep_task(const Supervision* owner, std::function<void()> task) {
    if (!options_.clouds) {
      tasks_.push_back({owner, std::move(task)});
      return;
    }
    tasks_.push_back({owner, [this, asked_at = world_.now, task = std::move(task)] {
                        sight_.longest_delay = std::max(sight_.longest_delay, world_.now - asked_at);
                        task();
                      }});
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
    calm_since_ = world_.now;
    world_.weather = {};
    for (Supervision& supervision : supervisions_) { supervision.clock.skew = Millis{0}; }
    world_.say("calm");
    for (const auto& [id, state] : judge_.truth()) {
      (void)ask(journal_, clock_, id.value, {.verb = UserVerb::start});  // what the user stopped goes on
    }
  }

  void wish() {
    const std::map<WorkloadId, WorkloadState>& truth = judge_.truth();
    if (calm_since_ || truth.empty() || !world_.dice.chance(15)) { return; }
    auto at = truth.begin();
    std::advance(at, world_.dice.below(static_cast<std::int64_t>(truth.size())));
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
    if (dice.chance(world_.weather.clock_jump)) {
      supervision.clock.skew += seconds{dice.below(600) - 300};
      sight_.largest_skew = std::max(sight_.largest_skew, std::chrono::abs(supervision.clock.skew));
    }
    try {
      if (!supervision.supervisor) {
        if (!calm_since_ && dice.chance(600)) { return; }  // nobody supervises for a while
        if (options_.clouds) { supervision.crew = &clouds_.make_crew(options_.plant); }
        auto fresh = std::make_unique<Supervisor>(parts(supervision), supervision.holder);
        if (fresh->start().ok()) { supervision.supervisor = std::move(fresh); }
      }
      if (!supervision.supervisor) { return; }
      const Result<Supervisor::Step> step = supervision.supervisor->step();
      supervision.next = step.ok() ? step.value().next : Instant{};
      if (step.ok() && supervision.crew != nullptr) { supervision.crew->ripen(sight_); }
      if (!step.ok() && step.error().kind == ErrorKind::conflict) { supervision.supervisor.reset(); }
    } catch (const Crash&) { crash(supervision); }
  }

  /// What it had under way may still happen, or not; nobody hears of it.
  void crash(Supervision& supervision) {
    ++result_.crashes;
    world_.say("supervisor " + supervision.holder + " is killed");
    supervision.supervisor.reset();
    std::vector<SimTask> orphans = std::exchange(tasks_, {});
    for (SimTask& task : orphans) {
      if (task.owner != &supervision) {
        delayed_.push_back(std::move(task));  // another one's, that lives
      } else if (world_.dice.chance(500)) {
        task.work();
      }
    }
    tasks_.clear();
  }

  void run_tasks(Supervision& supervision) {
    std::vector<SimTask> queue = std::exchange(tasks_, {});
    std::move(delayed_.begin(), delayed_.end(), std::back_inserter(queue));
    delayed_.clear();
    while (!queue.empty()) {
      const auto at = static_cast<std::size_t>(world_.dice.below(static_cast<std::int64_t>(queue.size())));
      SimTask task = std::move(queue[at]);
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
      if (world_.dice.chance(world_.weather.delayed)) {
        delayed_.push_back(std::move(task));
        continue;
      }
      task.work();
      if (world_.dice.chance(world_.weather.twice)) { task.work(); }
      if (supervision.supervisor && world_.dice.chance(world_.weather.crash)) {
        tasks_ = std::move(queue);
        crash(supervision);
        return;
      }
    }
  }

  // --- the end ---

  [[nodiscard]] bool is_over() const {
    const bool all_came = launched_.size() == launches_.size() && world_.late_bookings.empty();
    // A booking that came too late is found by a look at a cloud where nothing is waited for.
    return all_came && judge_.all_over() && (!options_.clouds || world_.alive().empty());
  }

  void check_end() {
    judge_.check_end(/*with_projections=*/options_.plant == Plant::none);
    if (options_.clouds) { clean_up(); }
  }

  /// What the loop has left besides machines is told, wanted by nobody, and removed as `gc` does.
  void clean_up() {
    world_.now = world_.now + minutes{5};  // deletions are done
    world_.weather = {};
    const Providers& providers = clouds_.make_crew(options_.plant).providers;
    const auto found = discover_leftovers(journal_, providers, discover(journal_, providers).value());
    for (const FoundLeftover& one : found.value()) {
      ++result_.left_to_gc;
      if (one.wanted) { result_.broken = "a leftover is wanted when all is over: " + one.leftover.id; }
      const Status gone = providers.at(one.provider)->attachments()->remove({one.leftover});
      if (!gone.ok()) { result_.broken = "a leftover cannot be removed: " + gone.error().message; }
    }
    const std::string untold = clouds_.untold();
    if (!untold.empty()) { result_.broken = untold; }
  }

  void finish() {
    for (const auto& [id, state] : judge_.truth()) {
      result_.attempts += static_cast<int>(state.attempts.size());
    }
    result_.trace = world_.trace;
    result_.virtual_seconds = (world_.now - world_.began).count() / 1'000;
  }

  SimOptions options_;
  World world_;
  CloudScene clouds_{world_};
  Millis machine_life_ = Limits{}.machine_life;
  SimProvider sim_;
  BuggyProvider provider_;
  MemoryJournal journal_;
  SkewedClock clock_{world_};
  std::vector<Supervision> supervisions_;
  std::vector<SimTask> tasks_;
  std::vector<SimTask> delayed_;
  std::vector<Instant> launches_;
  std::set<int> launched_;
  std::map<std::string, WorkloadId> by_key_;
  std::optional<Instant> calm_since_;
  Sight sight_;
  SimResult result_;
  Judge judge_{world_, journal_, sight_, result_};
};

}  // namespace

SimResult simulate(const SimOptions& options) {
  return Run(options).go();
}

}  // namespace gpubroker::sim
