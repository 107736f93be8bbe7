#include "providers/gcp/provider.hpp"

#include <algorithm>
#include <mutex>

#include "core/ports/machine_tags.hpp"
#include "providers/gcp/credentials.hpp"
#include "providers/gcp/fabric.hpp"
#include "providers/gcp/gang_booking.hpp"

namespace gpubroker::gcp {
namespace {

constexpr Millis kForgetAfter = std::chrono::hours{24};
constexpr Millis kPatience = std::chrono::minutes{2};
constexpr const char* kStopped = "stopped machine";
constexpr const char* kPolicy = "placement policy";

class GcpProvider final : public Provider, Provisioner, Attachments {
 public:
  explicit GcpProvider(const CloudParts& parts) : parts_(parts), compute_(parts) {}
  [[nodiscard]] std::string name() const override { return "gcp"; }
  [[nodiscard]] bool has_account() override {
    return has_credentials(read_settings(parts_.files, parts_.processes), parts_.files, parts_.processes);
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    GangBooking booking(compute_, parts_, request, sightings());
    TRY(std::vector<Instance> gang, booking.run());
    return show(std::move(gang));
  }

  Result<std::vector<NodeView>> list() override {
    TRY(std::vector<Instance> all, find_machines(compute_, nullptr, sightings(), parts_.clock));
    return show(std::move(all));
  }

  Status terminate(const std::vector<NodeId>& nodes) override {
    return end_machines(compute_, parts_.fan_out, nodes);
  }

  // --- placement policies, firewall rules, the fabric's networks, machines that stand still ---

  Result<std::vector<Leftover>> leftovers() override {
    std::vector<Leftover> found;
    TRY([[maybe_unused]] const Ok policies,
        compute_.read_pages(
            "/aggregated/resourcePolicies",
            {{"maxResults", "500"}, {"returnPartialSuccess", "true"}, {"filter", "name eq gb-.*"}},
            [&](const std::string& body) { return parse_policies(body, found); }));
    TRY([[maybe_unused]] const Ok rules,
        compute_.read_pages("/global/firewalls", {{"maxResults", "500"}},
                            [&](const std::string& body) { return parse_own_firewalls(body, found); }));
    TRY(const std::vector<Instance> machines, find_machines(compute_, nullptr, sightings(), parts_.clock));
    for (const Instance& machine : machines) {
      if (machine.view.state != NodeState::ended || !machine.is_there) { continue; }
      const auto id = split_node_id(machine.view.id);
      if (!id) { continue; }
      found.push_back({.kind = kStopped,
                       .id = id->second,
                       .region = id->first,
                       .token = machine.view.token,
                       .costs = true});  // its disk
    }
    TRY(const FabricGround fabric, find_fabric(compute_));
    for (Leftover& one : fabric_leftovers(fabric)) { found.push_back(std::move(one)); }
    return found;
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    for (const Leftover& one : leftovers) {
      const Result<Operation> removed = compute_.remove(path_of(one), one.kind);
      if (!removed.ok() && removed.error().kind == ErrorKind::not_found) { continue; }
      if (!removed.ok()) { return removed.error(); }
      const Status gone = compute_.finish(removed.value(), kPatience);
      if (!gone.ok() && gone.error().kind != ErrorKind::not_found) { return gone; }
    }
    return Ok{};
  }

  Status sweep(const Token& token, const OfferKey& offer) override {
    return sweep_gang(compute_, token, offer);
  }

 private:
  static std::string path_of(const Leftover& one) {
    if (one.kind == kStopped) {
      return "/zones/" + url_encode(one.region) + "/instances/" + url_encode(one.id);
    }
    if (one.kind == kPolicy) {
      return "/regions/" + url_encode(one.region) + "/resourcePolicies/" + url_encode(one.id);
    }
    if (one.kind == kFabricSubnet) {
      return "/regions/" + url_encode(one.region) + "/subnetworks/" + url_encode(one.id);
    }
    if (one.kind == kFabricNetwork) { return "/global/networks/" + url_encode(one.id); }
    return "/global/firewalls/" + url_encode(one.id);
  }

  Sightings sightings() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return sightings_;
  }

  /// Keeps what is seen: of a machine that is deleted later only its operations tell, and they know no tags.
  Result<std::vector<NodeView>> show(std::vector<Instance> instances) {
    std::vector<NodeView> views;
    for (Instance& instance : instances) {
      NodeView& view = instance.view;
      if (view.state == NodeState::running) { TRY(view.address, login_address(parts_.keys, view, kUser)); }
      views.push_back(view);
    }
    remember(std::move(instances));
    return views;
  }

  void remember(std::vector<Instance> instances) {
    const Instant now = parts_.clock.now();
    const std::lock_guard<std::mutex> hold(mutex_);
    for (Instance& instance : instances) {
      if (!instance.is_there) { continue; }
      const NodeId id = instance.view.id;
      sightings_[id] = {std::move(instance), now};
    }
    std::erase_if(sightings_, [&](const auto& one) { return one.second.at + kForgetAfter < now; });
  }

  CloudParts parts_;
  Compute compute_;
  std::mutex mutex_ = {};
  Sightings sightings_ = {};
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<GcpProvider>(parts);
}

}  // namespace gpubroker::gcp
