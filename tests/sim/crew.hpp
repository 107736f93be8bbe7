#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/judge.hpp"
#include "tests/sim/planted.hpp"
#include "tests/sim/sim_cloud.hpp"

namespace gpubroker::sim {

using Providers = std::map<std::string, Provider*>;

/// What one process has of the clouds: its ways to them.
struct Crew {
  std::vector<std::unique_ptr<CloudProvider>> clouds = {};
  std::vector<std::unique_ptr<BuggyProvider>> buggy = {};
  Providers providers = {};

  /// After a good step. What its lists have shown counts as seen when two steps were good since.
  void ripen(Sight& sight);

 private:
  std::map<std::string, std::vector<Instant>> fresh_ = {};  // looks that no step has seen yet
  std::map<std::string, std::vector<Instant>> ripe_ = {};   // and that one step has
};

/// The clouds of one world, and their offers in one answer.
class CloudScene final : public OfferSource {
 public:
  explicit CloudScene(World& world) : world_(world) {}

  /// Two clouds to all of them, so that each is often alone with few others. From `calm_at` on there is room.
  void brew(Instant calm_at);
  Result<std::vector<Offer>> offers() override;
  /// Stays until the end: a process's tasks may outlive it.
  Crew& make_crew(Plant plant);
  /// What lies about at a cloud; empty: nothing.
  [[nodiscard]] std::string untold() const;

 private:
  World& world_;
  std::vector<std::unique_ptr<SimCloud>> clouds_ = {};
  std::vector<std::unique_ptr<Crew>> crews_ = {};
};

}  // namespace gpubroker::sim
