#pragma once
// A calm cloud with very many machines, under a virtual clock: what one supervisor costs.
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/broker/broker.hpp"

namespace gpubroker::bench {

class VirtualClock final : public Clock {
 public:
  Instant now() override { return at; }
  Millis monotonic() override { return at - Instant{}; }
  void sleep_until(Instant /*until*/) override {}
  Instant at = {1'800'000'000'000};
};

/// Machines run at once, agents answer with reports that move on: the wire's own text is written and read.
class Crowd final : public Provider,
                    public PriceSource,
                    public Provisioner,
                    public NodeChannel,
                    public OfferSource {
 public:
  Crowd(VirtualClock& clock, Millis observe) : clock_(clock), observe_(observe) {}
  [[nodiscard]] std::string name() const override { return "crowd"; }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return *this; }
  [[nodiscard]] Millis poll_interval() const override { return observe_; }

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

  std::int64_t observations = 0;

 private:
  struct Machine {
    NodeView view = {};
    Instant started_at = {};  // the agent; zero: not yet
  };
  VirtualClock& clock_;
  Millis observe_;
  std::map<Token, std::vector<NodeView>> gangs_ = {};
  std::map<NodeId, Machine> machines_ = {};
};

struct CrowdOptions {
  int workloads = 10'000;
  Millis observe{15'000};
  Millis measured{120'000};
  std::string journal_path = {};  // empty: the journal is kept in memory
};

struct CrowdFigures {
  int running = 0;
  double cpu_share = 0;  // CPU seconds per simulated second
  double peak_mib = 0;
  std::int64_t observations = 0;
  std::int64_t rows = 0;
  std::int64_t steps = 0;
  double restart_s = 0;        // another supervisor takes over: reads the journal and begins
  double accept_ms = 0;        // one more launch, median
  double find_unknown_ms = 0;  // a name that nobody has
};

/// Launches them over one interval of observation, waits until all run, and measures.
Result<CrowdFigures> run_crowd(const CrowdOptions& options);

}  // namespace gpubroker::bench
