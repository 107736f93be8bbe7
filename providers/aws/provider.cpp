#include "providers/aws/provider.hpp"

#include <algorithm>
#include <mutex>

#include "core/base/log.hpp"
#include "core/ports/machine_tags.hpp"
#include "providers/aws/booking.hpp"
#include "providers/aws/facts.hpp"
#include "providers/aws/machines.hpp"
#include "providers/aws/session.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::size_t kRegionsAtOnce = 8;
constexpr Millis kRegionsGood{3'600'000};  // an account opts into one by hand, and rarely
/// How long after its launch a machine may be missing from EC2's answers ("Eventual consistency", EC2 API
/// guide: up to a few minutes at worst).
constexpr Millis kUnseen{180'000};

/// Logged in once, for many calls.
struct Visit {
  explicit Visit(const CloudParts& parts)
      : request{.http = parts.http, .fan_out = parts.fan_out, .clock = parts.clock, .validators = none},
        session(request, parts.files, parts.processes) {}
  Validators none = {};
  FeedRequest request;
  Session session;
};

class AwsProvider final : public Provider, Provisioner, PriceSource, Attachments {
 public:
  explicit AwsProvider(const CloudParts& parts) : parts_(parts) {}
  [[nodiscard]] std::string name() const override { return "aws"; }
  [[nodiscard]] bool has_account() override { return has_credentials(parts_.files, parts_.processes); }
  PriceSource* prices() override { return this; }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "it powers itself off then, which EC2 takes as its end; one that hangs is billed on";
  }

  // --- machines ---

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    Result<std::vector<Machine>> gang =
        with_session([&](Session& session) { return book_gang(session, ground_, parts_, request); });
    if (gang.ok()) { return remember(gang.value()); }
    const ErrorKind kind = gang.error().kind;
    const bool comes_again =
        kind == ErrorKind::network || kind == ErrorKind::throttled || kind == ErrorKind::conflict;
    if (!comes_again) { static_cast<void>(sweep(request.token, request.offer.key)); }
    return gang.error();
  }

  Result<std::vector<NodeView>> list() override {
    TRY(const std::vector<Machine> machines,
        with_session([&](Session& session) { return list_all(session); }));
    std::vector<NodeView> views;
    for (const Machine& machine : machines) {
      TRY(NodeView view, with_keys(machine.view));
      views.push_back(std::move(view));
    }
    add_unseen(views);
    return views;
  }

  Status terminate(const std::vector<NodeId>& nodes) override {
    std::map<std::string, std::vector<std::string>> by_region;
    for (const NodeId& node : nodes) {
      const Place place = place_of(node);
      if (!place.instance.empty()) { by_region[place.region].push_back(place.instance); }
    }
    if (by_region.empty()) { return Ok{}; }
    return with_session([&](Session& session) -> Status {
      Status all = Ok{};
      for (const auto& [region, ids] : by_region) {
        Status ended = terminate_in(session, region, ids);
        if (!ended.ok() && all.ok()) { all = std::move(ended); }
      }
      return all;
    });
  }

  // --- prices ---

  Result<std::vector<Offer>> offers() override { return std::vector<Offer>{}; }

  Result<std::vector<PricePoint>> price_history(const OfferKey& key, Instant from, Instant to) override {
    if (find_type(key.instance_type) == nullptr) { return no_price(key); }
    if (key.market != Market::spot) { return std::vector<PricePoint>{}; }
    std::vector<PricePoint> points;
    TRY([[maybe_unused]] const Ok read, with_session([&](Session& session) {
          return session.call_pages(
              key.region, price_history_call(key, from, to),
              [&](const std::string& body) { return parse_price_history(body, key, points); });
        }));
    if (points.empty()) { return no_price(key); }
    clip_prices(points, from, to);
    return points;
  }

  // --- what is no machine ---

  Result<std::vector<Leftover>> leftovers() override {
    return with_session([&](Session& session) -> Result<std::vector<Leftover>> {
      return in_all_regions<Leftover>(
          session, [&](const std::string& region) { return Ground::leftovers(session, region); });
    });
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    if (leftovers.empty()) { return Ok{}; }
    return with_session([&](Session& session) { return ground_.remove(session, leftovers); });
  }

  Status sweep(const Token& token, const OfferKey& offer) override {
    if (fabric_layout(offer.instance_type).empty()) { return Ok{}; }  // it has nothing of its own
    return with_session([&](Session& session) -> Status {
      TRY(const std::vector<Leftover> all, Ground::leftovers(session, offer.region, token));
      return ground_.remove(session, all);
    });
  }

 private:
  static Error no_price(const OfferKey& key) {
    return {.kind = ErrorKind::not_found,
            .message = "EC2 tells no spot price of " + format_offer_key(key),
            .source = "aws " + key.region + " DescribeSpotPriceHistory"};
  }

  Result<std::shared_ptr<Visit>> open() {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (visit_ == nullptr) {
      auto visit = std::make_shared<Visit>(parts_);
      TRY([[maybe_unused]] const Ok in, visit->session.log_in());
      visit_ = std::move(visit);
    }
    return visit_;
  }

  template <class Work>
  auto with_session(Work work) -> decltype(work(std::declval<Session&>())) {
    TRY(const std::shared_ptr<Visit> visit, open());
    auto done = work(visit->session);
    if (!done.ok() && done.error().kind == ErrorKind::auth) {
      // The next call looks for other keys.
      const std::lock_guard<std::mutex> hold(mutex_);
      if (visit_ == visit) { visit_.reset(); }
    }
    return done;
  }

  Result<std::vector<std::string>> regions(Session& session) {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (!regions_.empty() && parts_.clock.now() < regions_until_) { return regions_; }
    }
    TRY(std::vector<std::string> told, session.regions());
    const std::lock_guard<std::mutex> hold(mutex_);
    regions_ = std::move(told);
    regions_until_ = parts_.clock.now() + kRegionsGood;
    return regions_;
  }

  /// All of it, or the first error.
  template <class Row, class Ask>
  Result<std::vector<Row>> in_all_regions(Session& session, Ask ask) {
    TRY(const std::vector<std::string> names, regions(session));
    std::vector<Result<std::vector<Row>>> parts(names.size(), std::vector<Row>{});
    parts_.fan_out.run(names.size(), kRegionsAtOnce, [&](std::size_t i) { parts[i] = ask(names[i]); });
    std::vector<Row> all;
    for (Result<std::vector<Row>>& part : parts) {
      if (!part.ok()) { return part.error(); }
      for (Row& row : part.value()) { all.push_back(std::move(row)); }
    }
    return all;
  }

  // --- listing ---

  Result<std::vector<Machine>> list_all(Session& session) {
    return in_all_regions<Machine>(session, [&](const std::string& region) -> Result<std::vector<Machine>> {
      std::vector<Machine> machines;
      TRY([[maybe_unused]] const Ok read, read_machines(session, region, {}, machines));
      const Result<int> given = Ground::give_addresses(session, region, machines);
      if (!given.ok()) {
        // The list is whole all the same; a machine that nobody reaches is given up by its broker.
        log_event(LogLevel::warn, "aws.address_failed",
                  {{"region", region}, {"message", given.error().message}});
      } else if (given.value() > 0) {
        machines.clear();  // they show it from now on
        TRY([[maybe_unused]] const Ok again, read_machines(session, region, {}, machines));
      }
      TRY([[maybe_unused]] const Ok told, announce_ends(session, region, machines));
      return machines;
    });
  }

  /// Machines of a Capacity Block that is about to end are told so in time to save.
  Status announce_ends(Session& session, const std::string& region, std::vector<Machine>& machines) {
    const bool has_blocks = std::any_of(machines.begin(), machines.end(), [](const Machine& one) {
      return !one.block.empty() && one.view.state == NodeState::running;
    });
    if (!has_blocks) { return Ok{}; }
    TRY(const HttpResponse answer, session.call("ec2", region, active_blocks_call()));
    TRY(const std::vector<CapacityBlock> blocks, parse_capacity_blocks(answer.body));
    for (Machine& machine : machines) {
      const auto block = std::find_if(blocks.begin(), blocks.end(),
                                      [&](const CapacityBlock& one) { return one.id == machine.block; });
      if (block == blocks.end() || !block->ends || machine.view.state != NodeState::running) { continue; }
      const Instant taken = *block->ends - kBlockEndsEarly;
      if (parts_.clock.now() >= taken - kBlockNotice) { machine.view.notice_until = taken; }
    }
    return Ok{};
  }

  Result<NodeView> with_keys(NodeView view) {
    if (view.state != NodeState::running) { return view; }
    TRY(view.address, login_address(parts_.keys, view, kUser));
    return view;
  }

  Result<std::vector<NodeView>> remember(const std::vector<Machine>& gang) {
    std::vector<NodeView> views;
    for (const Machine& machine : gang) {
      TRY(NodeView view, with_keys(machine.view));
      views.push_back(std::move(view));
    }
    const std::lock_guard<std::mutex> hold(mutex_);
    for (const NodeView& view : views) {
      if (view.state != NodeState::ended) { unseen_[view.id] = view; }
    }
    return views;
  }

  /// Those that we have booked and EC2 does not list yet: left out, they would be taken for gone.
  void add_unseen(std::vector<NodeView>& views) {
    const std::lock_guard<std::mutex> hold(mutex_);
    for (const NodeView& view : views) { unseen_.erase(view.id); }
    const Instant now = parts_.clock.now();
    std::erase_if(unseen_, [&](const auto& entry) { return now - entry.second.created_at > kUnseen; });
    for (const auto& [id, view] : unseen_) { views.push_back(view); }
  }

  // --- ending ---

  Status terminate_in(Session& session, const std::string& region, const std::vector<std::string>& ids) {
    const Result<HttpResponse> answer = session.act(region, terminate_call(ids));
    if (answer.ok()) { return Ok{}; }
    if (answer.error().kind != ErrorKind::not_found) { return answer.error(); }
    if (ids.size() == 1) { return is_gone(region, ids.front(), answer.error()); }
    // One unknown id refuses the whole call.
    Status all = Ok{};
    for (const std::string& id : ids) {
      Status ended = terminate_in(session, region, {id});
      if (!ended.ok() && all.ok()) { all = std::move(ended); }
    }
    return all;
  }

  Status is_gone(const std::string& region, const std::string& id, const Error& error) {
    const std::lock_guard<std::mutex> hold(mutex_);
    const auto found = unseen_.find(node_id(region, id));
    if (found == unseen_.end() || parts_.clock.now() - found->second.created_at > kUnseen) { return Ok{}; }
    Error again = error;
    again.kind = ErrorKind::network;
    again.message = id + " was booked a moment ago, and EC2 does not know it yet";
    return again;
  }

  CloudParts parts_;
  Ground ground_ = {};
  std::mutex mutex_ = {};  // of all below
  std::shared_ptr<Visit> visit_ = {};
  std::vector<std::string> regions_ = {};
  Instant regions_until_ = {};
  std::map<NodeId, NodeView> unseen_ = {};  // booked here, not listed yet
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<AwsProvider>(parts);
}

}  // namespace gpubroker::aws
