#pragma once
#include "tests/sim/sim_world.hpp"

namespace gpubroker::sim {

/// What the caller hears of a call that was not fine; nothing: do it and answer.
std::optional<Error> bad_answer(World::Luck luck);

/// The nodes of the world, as rough as its weather.
class SimChannel final : public NodeChannel {
 public:
  explicit SimChannel(World& world) : world_(world) {}
  Status put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) override;
  Status put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) override;
  Result<std::string> get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                          std::int64_t max) override;
  Result<CommandResult> run(const NodeAddress& node, const Command& command, Millis timeout) override;
  Status start(const NodeAddress& node, const Command& command, const std::string& output_path) override;

 private:
  World& world_;
};

/// The world as a provider: the same interfaces as the clouds, with lost, late and repeated answers.
class SimProvider final : public Provider, public PriceSource, public Provisioner, public OfferSource {
 public:
  explicit SimProvider(World& world) : world_(world), channel_(world) {}
  [[nodiscard]] std::string name() const override { return "sim"; }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return channel_; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{10}; }

  Result<std::vector<Offer>> offers() override;
  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) override;
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override;
  Result<std::vector<NodeView>> list() override;
  Status terminate(const std::vector<NodeId>& nodes) override;

 private:
  World& world_;
  SimChannel channel_;
};

}  // namespace gpubroker::sim
