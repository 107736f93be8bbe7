#include "providers/nebius/provider.hpp"

#include <algorithm>
#include <mutex>

#include "providers/nebius/compute.hpp"
#include "providers/nebius/gang_booking.hpp"

namespace gpubroker::nebius {
namespace {

// A token lives for 12 hours; its file may be replaced meanwhile.
constexpr Millis kSessionLife = std::chrono::minutes{10};
constexpr Millis kPoll{3'000};

class NebiusProvider final : public Provider, Provisioner, Attachments {
 public:
  explicit NebiusProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "nebius"; }
  [[nodiscard]] bool has_account() override {
    return find_access(parts_.files, parts_.processes).is_usable();
  }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return kPoll; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "powered off; then its boot disk alone is billed until it is terminated: Nebius ends no machine "
           "by "
           "itself";
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    return visit([&](const Session& session) -> Result<std::vector<NodeView>> {
      GangBooking booking(session, parts_, request);
      TRY(std::vector<NodeView> gang, booking.run());
      return show(std::move(gang));
    });
  }

  Result<std::vector<NodeView>> list() override {
    return visit([&](const Session& session) -> Result<std::vector<NodeView>> {
      TRY(const std::vector<Project> projects, find_projects(session));
      TRY(std::vector<NodeView> machines, find_machines(session, parts_, projects));
      return show(std::move(machines));
    });
  }

  Status terminate(const std::vector<NodeId>& nodes) override {
    return visit([&](const Session& session) { return end_machines(session, parts_.fan_out, nodes); });
  }

  Result<std::vector<Leftover>> leftovers() override {
    return visit([&](const Session& session) -> Result<std::vector<Leftover>> {
      TRY(const std::vector<Project> projects, find_projects(session));
      return find_leftovers(session, parts_, projects);
    });
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    return visit([&](const Session& session) -> Status {
      for (const Leftover& one : leftovers) {
        TRY([[maybe_unused]] const Ok removed, remove_leftover(session, parts_.clock, one));
      }
      return Ok{};
    });
  }

  Status sweep(const Token& token, const OfferKey& offer) override {
    return visit([&](const Session& session) { return sweep_gang(session, parts_, token, offer.region); });
  }

 private:
  /// `use` with a session that is kept for a while: each new one may cost an exchange of keys. One that is
  /// refused is not used again.
  template <class Use>
  auto visit(Use use) -> decltype(use(std::declval<const Session&>())) {
    TRY(const std::shared_ptr<const Session> session, open());
    auto done = use(*session);
    if (!done.ok() && done.error().kind == ErrorKind::auth) {
      const std::lock_guard<std::mutex> hold(mutex_);
      session_.reset();
    }
    return done;
  }

  Result<std::shared_ptr<const Session>> open() {
    const std::lock_guard<std::mutex> hold(mutex_);
    const Instant now = parts_.clock.now();
    if (session_ && now < opened_at_ + kSessionLife) { return session_; }
    const Validators none;
    TRY(Session session,
        Session::open(
            find_access(parts_.files, parts_.processes),
            {.http = parts_.http, .fan_out = parts_.fan_out, .clock = parts_.clock, .validators = none}));
    session_ = std::make_shared<const Session>(std::move(session));
    opened_at_ = now;
    return session_;
  }

  Result<std::vector<NodeView>> show(std::vector<NodeView> views) {
    for (NodeView& view : views) {
      if (view.state == NodeState::running) { TRY(view.address, login_address(parts_.keys, view, kUser)); }
      date_notice(view);
    }
    return views;
  }

  /// A preemption's minute runs from when it was first seen.
  void date_notice(NodeView& view) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!view.notice_until) {
      notices_.erase(view.id);
      return;
    }
    // It may have begun right after the look before.
    view.notice_until = notices_.try_emplace(view.id, *view.notice_until - kPoll).first->second;
  }

  CloudParts parts_;
  std::mutex mutex_ = {};
  std::shared_ptr<const Session> session_ = {};
  Instant opened_at_ = {};
  std::map<NodeId, Instant> notices_ = {};
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<NebiusProvider>(parts);
}

}  // namespace gpubroker::nebius
