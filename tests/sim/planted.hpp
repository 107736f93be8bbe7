#pragma once
#include <map>

#include "core/ports/provider.hpp"
#include "tests/sim/memory_journal.hpp"
#include "tests/sim/simulate.hpp"

namespace gpubroker::sim {

/// A provider that books anew when it is asked again (double_create), forgets to end machines
/// (lost_terminate), or does not tell what lies about (unswept).
class BuggyProvider final : public Provider, public Provisioner, public Attachments {
 public:
  BuggyProvider(Provider& inner, Plant plant) : inner_(inner), plant_(plant) {}
  [[nodiscard]] std::string name() const override { return inner_.name(); }
  PriceSource* prices() override { return inner_.prices(); }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return inner_.channel(); }
  Attachments* attachments() override { return inner_.attachments() == nullptr ? nullptr : this; }
  [[nodiscard]] Millis boot_limit() const override { return inner_.boot_limit(); }
  [[nodiscard]] Millis list_lag() const override { return inner_.list_lag(); }
  [[nodiscard]] Millis poll_interval() const override { return inner_.poll_interval(); }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override;
  Result<std::vector<NodeView>> list() override { return inner_.provisioner().list(); }
  Status terminate(const std::vector<NodeId>& nodes) override;
  Result<std::vector<Leftover>> leftovers() override;
  Status remove(const std::vector<Leftover>& leftovers) override;
  Status sweep(const Token& token, const OfferKey& offer) override;

 private:
  Provider& inner_;
  Plant plant_;
  std::map<Token, int> asked_ = {};
};

/// Bugs of a journal: intents that are not written, charges that are dropped.
void tamper_with(JournalBatch& batch, Plant plant);

}  // namespace gpubroker::sim
