#include "providers/aws/booking.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "core/wire/cloud_config.hpp"
#include "providers/aws/fleet.hpp"

namespace gpubroker::aws {
namespace {

/// How long EC2's list is waited for after a fleet has launched, and how often it is asked.
constexpr Millis kSeenWithin = std::chrono::seconds{20};
constexpr Millis kLookAgain = std::chrono::seconds{1};

/// One booking of one gang.
class Booking {
 public:
  Booking(Session& session, Ground& ground, const CloudParts& parts, const GangRequest& request)
      : session_(session), ground_(ground), parts_(parts), request_(request) {}

  Result<std::vector<Machine>> run() {
    const OfferKey& key = request_.offer.key;
    LaunchPlan plan{.zone = key.zone};
    TRY(plan.security_group, ground_.ensure_group(session_, key.region));
    TRY(const NodeKeys keys, parts_.keys.ensure(request_.tags.workload));
    plan.user_data =
        cloud_config({.keys = keys, .now = parts_.clock.now(), .expires = request_.tags.expires});
    if (key.market == Market::block) { TRY([[maybe_unused]] const Ok is_there, choose_block(plan)); }
    if (request_.nodes > 1) { plan.cards = fabric_layout(key.instance_type); }
    if (plan.cards.empty()) { return launch(plan); }
    return launch_with_fabric(plan);
  }

 private:
  Status choose_block(LaunchPlan& plan) {
    const OfferKey& key = request_.offer.key;
    TRY(const HttpResponse answer, session_.call("ec2", key.region, capacity_blocks_call(key)));
    TRY(const std::vector<CapacityBlock> blocks, parse_capacity_blocks(answer.body));
    const CapacityBlock* next = nullptr;
    for (const CapacityBlock& block : blocks) {
      if (!block.has_begun) {
        next = next == nullptr || block.begins < next->begins ? &block : next;
        continue;
      }
      if (block.available < request_.nodes) { continue; }
      plan.capacity_reservation = block.id;
      plan.zone = block.zone;
      return Ok{};
    }
    Error error{.kind = ErrorKind::capacity,
                .message = "no Capacity Block of the account has begun and has " +
                           std::to_string(request_.nodes) + " x " + key.instance_type + " free",
                .hint = "buy one first: it is paid up front and not refunded",
                .source = "aws " + key.region + " DescribeCapacityReservations",
                .scope = ErrorScope::offer};
    if (next != nullptr) {
      error.message += "; " + next->id + " begins at " + format_utc(next->begins);
      error.hint = "--retry-until-up waits for it";
    }
    return error;
  }

  Result<std::vector<Machine>> launch_with_fabric(LaunchPlan plan) {
    const OfferKey& key = request_.offer.key;
    TRY(const HttpResponse answer, session_.call("ec2", key.region, subnets_call(plan.zone)));
    TRY(const std::vector<Subnet> subnets, parse_subnets(answer.body));
    if (subnets.empty()) {
      return Error{.kind = ErrorKind::capacity,
                   .message = "there is no default subnet to put machines into",
                   .hint = "`aws ec2 create-default-subnet --availability-zone …`",
                   .source = "aws " + key.region + " DescribeSubnets",
                   .scope = key.zone.empty() ? ErrorScope::region : ErrorScope::zone};
    }
    if (subnets.size() > 1) {
      // What a lost answer booked is looked for first: its template may be gone, and the same call with it.
      TRY(std::vector<Machine> there, find_gang());
      if (!there.empty()) { return there; }
    }
    if (key.market != Market::block) {
      TRY([[maybe_unused]] const Ok close, Ground::ensure_placement(session_, key.region, request_.token));
      plan.placement_group = gang_name(request_.token);
    }
    if (plan.cards.size() > 1) {
      TRY([[maybe_unused]] const Ok addresses,
          Ground::ensure_addresses(session_, key.region, request_.token, request_.nodes));
    }
    if (subnets.size() > 1) { return launch_somewhere(plan, subnets); }
    plan.subnet = subnets.front().id;
    plan.zone = subnets.front().zone;
    return launch(plan);
  }

  /// In one zone, whichever has room for all.
  Result<std::vector<Machine>> launch_somewhere(const LaunchPlan& plan, const std::vector<Subnet>& subnets) {
    const Result<std::vector<std::string>> ids = launch_fleet(session_, request_, plan, subnets);
    if (!ids.ok()) { return explained(ids.error()); }
    // A fleet tells ids and no more: which machine is of which rank only EC2's list tells, some seconds late.
    const Instant deadline = parts_.clock.now() + kSeenWithin;
    while (true) {
      TRY(std::vector<Machine> gang, listed_gang());
      if (gang.size() == ids.value().size()) { return in_ranks(std::move(gang), ids.value()); }
      if (parts_.clock.now() >= deadline) { break; }
      parts_.clock.sleep_until(parts_.clock.now() + kLookAgain);
    }
    return Error{.kind = ErrorKind::network,
                 .message = "the gang was booked a moment ago and is not to be seen yet",
                 .source = "aws " + request_.offer.key.region + " CreateFleet",
                 .maybe_applied = true};
  }

  /// A gang whose machines EC2 has numbered through. Where it has not (nobody says that it must within a
  /// fleet), the gang is given back.
  Result<std::vector<Machine>> in_ranks(std::vector<Machine> gang, const std::vector<std::string>& ids) {
    for (std::size_t rank = 0; rank < gang.size(); ++rank) {
      if (gang[rank].view.index == static_cast<int>(rank)) { continue; }
      TRY([[maybe_unused]] const Ok ended, end_part(session_, request_.offer.key.region, ids));
      return Error{.kind = ErrorKind::internal,
                   .message = "EC2 gave two machines of a fleet the same amiLaunchIndex",
                   .source = "aws " + request_.offer.key.region + " CreateFleet",
                   .scope = ErrorScope::offer};
    }
    return whole_gang(std::move(gang), request_);
  }

  Result<std::vector<Machine>> launch(const LaunchPlan& plan) {
    const OfferKey& key = request_.offer.key;
    const Result<HttpResponse> answer = session_.act(key.region, launch_call(request_, plan));
    if (answer.ok()) {
      Result<std::vector<Machine>> gang = parse_launched(answer.value().body, key.region);
      if (gang.ok()) { return whole_gang(std::move(gang).value(), request_); }
      // They run, whatever the answer says: the same call again tells it properly.
      Error unread = gang.error();
      unread.kind = ErrorKind::network;
      unread.maybe_applied = true;
      return unread;
    }
    Error error = answer.error();
    if (error.code == "IdempotentParameterMismatch") {
      // The first request said when to power off counted from another minute.
      TRY(std::vector<Machine> gang, find_gang());
      if (!gang.empty()) { return gang; }
      error.kind = ErrorKind::network;
      error.maybe_applied = true;
      error.message = "the gang was booked a moment ago and is not to be seen yet";
    }
    return explained(std::move(error));
  }

  /// A launch's error in the broker's terms.
  Error explained(Error error) {
    const OfferKey& key = request_.offer.key;
    if (error.kind == ErrorKind::quota) { error = with_quota(error, request_); }
    if (error.kind == ErrorKind::capacity && error.scope == ErrorScope::zone && key.zone.empty()) {
      error.scope = ErrorScope::region;
    }
    if (error.code == "InvalidGroup.NotFound" || error.code == "InvalidPlacementGroup.Unknown" ||
        error.code == "InvalidLaunchTemplateName.NotFoundException") {
      // Made a moment ago, and not known everywhere yet; or removed by somebody else.
      ground_.forget_group(key.region);
      error.kind = ErrorKind::network;
    }
    return error;
  }

  /// The machines of this token that EC2 lists, by rank, whatever their state.
  Result<std::vector<Machine>> listed_gang() {
    std::vector<Machine> gang;
    TRY([[maybe_unused]] const Ok read,
        read_machines(session_, request_.offer.key.region, request_.token.value, gang));
    std::sort(gang.begin(), gang.end(),
              [](const Machine& a, const Machine& b) { return a.view.index < b.view.index; });
    return gang;
  }

  /// The gang of this token; empty: there is none.
  Result<std::vector<Machine>> find_gang() {
    TRY(std::vector<Machine> gang, listed_gang());
    if (gang.empty()) { return gang; }
    return whole_gang(std::move(gang), request_);
  }

  Session& session_;
  Ground& ground_;
  const CloudParts& parts_;
  const GangRequest& request_;
};

}  // namespace

Status read_machines(Session& session, const std::string& region, const std::string& token,
                     std::vector<Machine>& machines) {
  return session.call_pages(region, machines_call(token),
                            [&](const std::string& body) -> Result<std::string> {
                              TRY(MachinePage page, parse_machines(body, region));
                              for (Machine& one : page.machines) { machines.push_back(std::move(one)); }
                              return page.next;
                            });
}

Result<std::vector<Machine>> book_gang(Session& session, Ground& ground, const CloudParts& parts,
                                       const GangRequest& request) {
  return Booking(session, ground, parts, request).run();
}

}  // namespace gpubroker::aws
