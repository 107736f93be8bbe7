#include "providers/azure/provider.hpp"

#include <mutex>

#include "core/ports/machine_tags.hpp"
#include "providers/azure/gang.hpp"

namespace gpubroker::azure {
namespace {

class AzureProvider final : public Provider, Provisioner, Attachments {
 public:
  explicit AzureProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "azure"; }
  /// Whether this machine has an identity cannot be told without asking: it counts when a subscription is
  /// named.
  [[nodiscard]] bool has_account() override {
    const Access access = find_access(parts_.files, parts_.processes);
    return access.source != LoginSource::managed_identity || !access.subscription.empty();
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  /// The lists of a whole subscription are limited to about 60 a minute (?); two of them are asked for.
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{5}; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "powered off, and billed on until it is terminated: to Azure it is stopped, not deallocated";
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    return with_arm<std::vector<NodeView>>(
        [&](Arm& arm) { return azure::ensure_gang(arm, parts_, request); });
  }
  Result<std::vector<NodeView>> list() override {
    return with_arm<std::vector<NodeView>>([&](Arm& arm) { return list_machines(arm, parts_); });
  }
  Status terminate(const std::vector<NodeId>& nodes) override {
    return with_arm<Ok>([&](Arm& arm) { return end_machines(arm, parts_, nodes); });
  }

  // --- resource groups: what a crashed launch leaves, or an eviction ---

  Result<std::vector<Leftover>> leftovers() override {
    return with_arm<std::vector<Leftover>>([&](Arm& arm) -> Result<std::vector<Leftover>> {
      TRY(const std::vector<GangGroup> groups, list_groups(arm));
      std::vector<Leftover> found;
      for (const GangGroup& group : groups) {
        if (group.is_deleting) { continue; }
        found.push_back({.kind = "resource group",
                         .id = group.name,
                         .region = group.view.offer.region,
                         .token = group.view.token,
                         .costs = true});  // its addresses do
      }
      return found;
    });
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    return with_arm<Ok>([&](Arm& arm) -> Status {
      Status all = Ok{};
      for (const Leftover& leftover : leftovers) {
        const Status one = remove_group(arm, leftover.id);
        if (!one.ok()) { all = one; }
      }
      return all;
    });
  }

  Status sweep(const gpubroker::Token& token, const OfferKey& /*offer*/) override {
    return with_arm<Ok>([&](Arm& arm) { return remove_group(arm, gang_name(token)); });
  }

 private:
  /// The login and subscription are kept from call to call; after a refusal they are looked for anew.
  template <class T, class Call>
  Result<T> with_arm(Call call) {
    TRY(const std::shared_ptr<Arm> arm, open());
    Result<T> result = call(*arm);
    if (!result.ok() && result.error().kind == ErrorKind::auth) {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (arm_ == arm) { arm_.reset(); }
    }
    return result;
  }

  Result<std::shared_ptr<Arm>> open() {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (arm_) { return arm_; }
    auto arm = std::make_shared<Arm>(parts_);
    TRY([[maybe_unused]] const Ok opened, arm->open());
    arm_ = arm;
    return arm;
  }

  CloudParts parts_;
  std::mutex mutex_ = {};
  std::shared_ptr<Arm> arm_ = {};  // under the mutex
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<AzureProvider>(parts);
}

}  // namespace gpubroker::azure
