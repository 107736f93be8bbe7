#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/money.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"
#include "providers/local/booking.hpp"
#include "providers/local/channel.hpp"
#include "providers/local/here.hpp"
#include "providers/local/records.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker::local {

struct LocalParts {
  Clock& clock;
  Random& random;
  Files& files;
  Processes& processes;
};

struct LocalConfig {
  std::string folder = {};  // <home>/local: the cloud's books and its machines' disks
  std::string binary = {};  // the gpubroker program on the nodes; "<binary> local-machine" is a machine
  /// The scenario file to live by; "none": this machine as it is; empty: as the cloud has lived so far. A
  /// cloud changes its scenario only while none of its machines lives.
  std::string scenario_path = {};
  HerePrices prices = {};  // without a scenario
  std::string nvml_library = "libnvidia-ml.so.1";
};

/// This machine as a cloud: its nodes are process groups, its books are a file. Any number of processes may
/// use one folder at once. Safe from several threads.
class LocalProvider : public Provider, private PriceSource, private Provisioner, private Preemptible {
 public:
  /// Fails with `invalid` for a scenario file that cannot be read.
  static Result<std::unique_ptr<Provider>> make(LocalParts parts, LocalConfig config);

  [[nodiscard]] std::string name() const override { return kProvider; }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return channel_; }
  Preemptible* preemptible() override { return this; }
  [[nodiscard]] bool shares_machine() const override { return true; }
  [[nodiscard]] Millis poll_interval() const override { return poll_interval_; }

 private:
  /// The cloud's books in hand, under the lock.
  struct Session {
    std::unique_ptr<FileLock> lock = {};
    CloudRecord record = {};
    Instant now = {};
    bool is_changed = false;
    std::vector<std::string> dead_disks = {};  // removed once the books say that their machines have ended
  };

  LocalProvider(LocalParts parts, LocalConfig config)
      : parts_(parts), config_(std::move(config)), channel_(parts.clock, parts.files, parts.processes) {}

  Result<std::vector<Offer>> offers() override;
  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) override;
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override;
  Result<std::vector<NodeView>> list() override;
  Status terminate(const std::vector<NodeId>& nodes) override;
  Status preempt(const std::vector<NodeId>& nodes, Millis notice) override;

  Result<Session> open();
  Result<Session> begin(CloudCall call, const std::vector<NodeId>& nodes, std::set<std::string> regions,
                        Trouble& trouble);
  Status close(Session& session);
  Status adopt_scenario(Session& session);
  Status notice_ends(Session& session);
  void notice_dead_disks(Session& session);
  Result<std::optional<EndedNote>> look_at(const NodeRecord& node);
  Result<std::shared_ptr<const Scenario>> scenario_of(const CloudRecord& record);
  Status sell(Session& session, const Scenario& scenario);
  Result<std::vector<NodeRecord>> create(Session& session, const GangRequest& request);
  Status start_machine(const NodeRecord& node);
  Status undo(Session& session, const std::vector<NodeRecord>& nodes);
  Status end_machine(Session& session, NodeRecord& node, const EndedNote& note);
  std::set<int> used_ports();
  std::vector<NodeView> views(const std::vector<NodeRecord>& nodes);
  std::string nodes_folder() const { return config_.folder + "/nodes"; }
  std::string root_of(const NodeRecord& node) const { return nodes_folder() + "/" + node.name; }

  LocalParts parts_;
  LocalConfig config_;
  LocalChannel channel_;
  std::optional<std::string> wanted_ = {};  // the scenario asked for, as format_scenario writes it
  Millis poll_interval_{100};
  std::mutex mutex_;
  std::string read_text_ = {};                 // the scenario text …
  std::shared_ptr<const Scenario> read_ = {};  // … and what it says
  std::shared_ptr<const Scenario> here_ = {};
};

}  // namespace gpubroker::local
