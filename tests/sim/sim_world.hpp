#pragma once
// A simulated world under a virtual clock: clouds with machines and a bill, agents with jobs, a checkpoint
// store. Everything that happens follows from one seed.
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/broker/broker.hpp"
#include "tests/sim/cloud_rules.hpp"

namespace gpubroker::sim {

/// splitmix64: small, and the same everywhere.
class Dice final : public Random {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;
  /// 0 … limit-1.
  std::int64_t below(std::int64_t limit);
  /// True with a chance of `per_mille` in 1000.
  bool chance(int per_mille);

 private:
  std::uint64_t state_;
};

/// How rough the world is; all in per mille of calls, zero when calm.
struct Weather {
  int lost_before = 0;  // the call never arrived; the caller cannot know
  int lost_after = 0;   // it was done; the answer is lost
  int late = 0;         // it is done up to 45 s later; no answer
  int throttled = 0;
  int twice = 0;       // a task runs twice: duplicated deed and answer
  int duplicated = 0;  // a booking arrives twice (clouds only)
  int delayed = 0;     // a task waits for a later turn
  int disk_full = 0;   // an append of the journal is refused
  int crash = 0;       // per step: the supervisor dies
  int clock_jump = 0;  // per step
};

struct SimAgent {
  AgentSpec spec = {};
  Instant run_at = {};  // setup is over
  bool exited = false;
  int exit_code = 0;
  std::optional<int> exit_signal = {};
  std::optional<Instant> ended_at = {};
  std::string reason = {};
  std::optional<Instant> drain_at = {};      // when all ranks stop
  std::optional<Instant> notice_until = {};  // what its cloud told it on the node
  std::int64_t committed = -1;
  std::vector<std::string> requests = {};
};

struct Machine {
  NodeView view = {};                 // the truth; what a list shows of it is the cloud's affair
  const CloudRules* rules = nullptr;  // null: those of `local`
  std::string zone = {};
  Instant visible_at = {};              // in lists from then on
  bool lies_there = false;              // stopped, until it is removed
  std::vector<PricePoint> prices = {};  // what it is billed at; empty: World::prices
  Instant ready_at = {};                // kNever: it does not come up
  std::optional<Instant> notice_at = {};
  std::optional<Instant> dies_at = {};
  std::string dies_why = {};
  std::map<std::string, std::string> files = {};
  std::optional<SimAgent> agent = {};
};

inline constexpr Instant kNever{std::numeric_limits<std::int64_t>::max()};

/// Whether it is there for its cloud: also when it is off.
bool is_alive(const Machine& machine);

/// The machines of one token and the job on them. More than `nodes` where a booking was made twice.
struct Gang {
  Token token = {};
  int nodes = 0;
  std::vector<Machine> machines = {};
  std::int64_t step = -1;  // last finished step of the job on it
  bool done = false;       // all steps done
};

struct StoredCheckpoint {
  std::int64_t step = 0;
  int attempt = 0;
  bool whole = true;
};

struct BillLine {
  NodeId node = {};
  Money amount = {};
  const Machine* machine = nullptr;
};

/// The one world. Time moves only by advance().
class World {
 public:
  explicit World(std::uint64_t seed) : dice(seed) {}

  void advance(Instant to);

  /// One call arrives from outside at a rough moment; what the caller hears.
  enum class Luck { fine, lost_before, lost_after, late, throttled };
  Luck draw();

  Result<std::vector<NodeView>> book(const GangRequest& request);
  Status end(const std::vector<NodeId>& ids, const std::string& why);
  std::vector<NodeView> list() const;
  std::vector<Offer> offers() const;
  std::vector<PricePoint> prices(const OfferKey& key) const;
  Machine* find(const NodeId& id);
  Status start_agent(Machine& machine, const std::string& spec_text);
  void ask_agent(Machine& machine, const std::string& name, const std::string& text);
  std::string report_of(const Machine& machine) const;
  /// What the clouds bill, computed on its own: piece by piece, in whole numbers of
  /// micro-dollar-milliseconds.
  std::vector<BillLine> bill() const;

  [[nodiscard]] std::vector<const Machine*> alive() const;

  Dice dice;
  Weather weather = {};
  Instant now = {1'800'000'000'000};
  Instant began = {1'800'000'000'000};
  std::map<Token, Gang> gangs = {};
  std::map<WorkloadId, std::vector<StoredCheckpoint>> checkpoints = {};
  std::map<WorkloadId, std::int64_t> steps_wanted = {};
  std::multimap<Instant, std::function<void()>> late_bookings = {};
  std::map<std::string, std::vector<std::pair<Millis, int>>> slots = {};  // "region/type": capacity over time
  std::vector<std::string> trace = {};
  std::string broken = {};  // first invariant found broken inside the world
  int next_machine = 1;

  void say(const std::string& line);
  void end_machine(Machine& machine, Instant at, const std::string& why);

 private:
  void advance_machine(Machine& machine);
  void power_off(Machine& machine);
  void advance_gang(Gang& gang);
  void commit(const Gang& gang, Machine& leader, std::int64_t step);
  void stop_job(Gang& gang, Instant at);
  [[nodiscard]] int free_slots(const OfferKey& key) const;
};

}  // namespace gpubroker::sim
