#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/ports/departed_machines.hpp"
#include "core/ports/gang_of_singles.hpp"
#include "tests/sim/sim_provider.hpp"

namespace gpubroker::sim {

/// One cloud of the world, as it is: its stock, its machines, what lies about besides them. Never fails for
/// want of a network; that is CloudProvider's part.
class SimCloud {
 public:
  /// Draws prices and stock from the world's dice.
  SimCloud(World& world, const CloudRules& rules);

  [[nodiscard]] std::vector<Offer> offers() const;
  [[nodiscard]] std::vector<PricePoint> prices(const OfferKey& key) const;
  /// One call for the gang: all machines or none.
  Result<std::vector<NodeView>> book_gang(const GangRequest& request);
  /// One call for one machine.
  Result<NodeView> book_one(const GangRequest& request, int rank);
  void terminate(const std::vector<NodeId>& nodes);
  /// As its list shows them.
  [[nodiscard]] std::vector<NodeView> list() const;
  [[nodiscard]] std::vector<Leftover> leftovers() const;
  Status remove(const std::vector<Leftover>& leftovers);

  /// From the calm on there is room.
  Instant calm_at = {};
  const CloudRules& rules;

 private:
  [[nodiscard]] std::vector<std::string> zones() const;
  [[nodiscard]] int count_alive(const std::string& region, const std::string& zone) const;
  [[nodiscard]] int stock(const std::string& region, const std::string& zone) const;
  [[nodiscard]] Status check_quota(const GangRequest& request, int count) const;
  /// A zone with room for so many; nothing: sold out.
  [[nodiscard]] std::optional<std::string> find_zone(const GangRequest& request, int count) const;
  [[nodiscard]] std::vector<Machine*> made_for(const Token& token) const;
  Machine& make(const GangRequest& request, int rank, const std::optional<std::string>& zone);
  void draw_fate(Machine& machine);
  [[nodiscard]] bool is_listed(const Machine& machine) const;
  [[nodiscard]] NodeView shown(const Machine& machine) const;
  [[nodiscard]] Error sold_out(const GangRequest& request) const;

  World& world_;
  std::map<std::string, std::vector<std::pair<Millis, int>>> stock_ = {};  // "east/a": machines over time
  std::map<OfferKey, Rate> prices_ = {};
  std::set<Token> left_ = {};  // what was made for these gangs besides machines lies there
};

/// One process's way to a cloud: rough weather, and a memory that dies with the process.
class CloudProvider final : public Provider,
                            public Provisioner,
                            public PriceSource,
                            SingleMachines,
                            Attachments {
 public:
  CloudProvider(World& world, SimCloud& cloud)
      : world_(world),
        cloud_(cloud),
        forgets_(std::max(cloud.rules.ended_listed, cloud.rules.deletion) == Millis{0}),
        channel_(world) {}
  [[nodiscard]] std::string name() const override { return cloud_.rules.name; }
  PriceSource* prices() override { return cloud_.rules.spot_moves ? this : nullptr; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return channel_; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{10}; }
  [[nodiscard]] Millis boot_limit() const override { return cloud_.rules.boot_most * 3 / 2; }
  [[nodiscard]] Millis list_lag() const override {
    return cloud_.rules.knows_token ? Millis{0} : cloud_.rules.sight;
  }

  Result<std::vector<Offer>> offers() override { return cloud_.offers(); }
  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) override;
  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override;
  Result<std::vector<NodeView>> list() override;
  Status terminate(const std::vector<NodeId>& nodes) override;
  Result<std::vector<NodeView>> list_machines() override { return list(); }
  Result<NodeView> create_machine(const GangRequest& request, int rank) override;
  Status terminate_machines(const std::vector<NodeId>& nodes) override { return terminate(nodes); }
  Result<std::vector<Leftover>> leftovers() override;
  Status remove(const std::vector<Leftover>& leftovers) override;
  Status sweep(const Token& token, const OfferKey& offer) override;

  /// When lists were answered, for who wants to know how well this process sees.
  std::vector<Instant> looks = {};

 private:
  /// Sends a booking through the weather: it may arrive twice, late, or not at all.
  template <class Answer, class Book>
  Result<Answer> send_booking(Book book);

  World& world_;
  SimCloud& cloud_;
  bool forgets_;  // ended machines are in no list: what this process ended it tells itself
  SimChannel channel_;
  DepartedMachines departed_ = {};
  InTurn in_turn_ = {};
};

}  // namespace gpubroker::sim
