#pragma once
// A simulated world under a virtual clock: clouds with machines and a bill, agents with jobs, a checkpoint
// store. Everything that happens follows from one seed.
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/broker/broker.hpp"

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
  std::optional<Instant> drain_at = {};  // when all ranks stop
  std::int64_t committed = -1;
  std::vector<std::string> requests = {};
};

struct Machine {
  NodeView view = {};
  Instant ready_at = {};
  std::optional<Instant> notice_at = {};
  std::optional<Instant> dies_at = {};
  std::string dies_why = {};
  std::map<std::string, std::string> files = {};
  std::optional<SimAgent> agent = {};
};

/// The machines of one token and the job on them.
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
  std::deque<std::pair<Instant, GangRequest>> late_bookings = {};
  std::map<std::string, std::vector<std::pair<Millis, int>>> slots = {};  // "region/type": capacity over time
  std::vector<std::string> trace = {};
  std::string broken = {};  // first invariant found broken inside the world
  int next_machine = 1;

  void say(const std::string& line);

 private:
  void advance_gang(Gang& gang);
  void end_machine(Machine& machine, Instant at, const std::string& why);
  void commit(const Gang& gang, Machine& leader, std::int64_t step);
  void stop_job(Gang& gang, Instant at);
  [[nodiscard]] int free_slots(const OfferKey& key) const;
};

/// The world as a provider: the same interfaces as the clouds, with lost, late and repeated answers.
class SimProvider final : public Provider,
                          public PriceSource,
                          public Provisioner,
                          public NodeChannel,
                          public OfferSource {
 public:
  explicit SimProvider(World& world) : world_(world) {}
  [[nodiscard]] std::string name() const override { return "sim"; }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return *this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{10}; }

  Result<std::vector<Offer>> offers() override;
  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) override;
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override;
  Result<std::vector<NodeView>> list() override;
  Status terminate(const std::vector<NodeId>& nodes) override;
  Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) override;
  Status put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) override;
  Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                          std::int64_t max) override;
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override;
  Status start(const NodeAddress& node, const Command& command, const std::string& output_path) override;

 private:
  World& world_;
};

}  // namespace gpubroker::sim
