#include "providers/azure/gang.hpp"

#include <mutex>

#include "core/base/text.hpp"
#include "core/ports/gang_of_singles.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/cloud_config.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::size_t kAtOnce = 8;

/// A capacity reservation that has room for the gang. `capacity` when there is none.
Result<std::string> find_reservation(Arm& arm, const GangRequest& request) {
  const OfferKey& key = request.offer.key;
  std::vector<std::string> groups;
  TRY([[maybe_unused]] const Ok listed,
      arm.list<std::string>(
          reservation_groups_url(arm.subscription()),
          [&](const std::string& body) { return parse_reservation_groups(body, key.region); }, groups));
  for (const std::string& group : groups) {
    std::vector<int> rooms;
    TRY([[maybe_unused]] const Ok told,
        arm.list<int>(
            reservations_url(group),
            [&](const std::string& body) { return parse_reservations(body, key.instance_type); }, rooms));
    int room = 0;
    for (const int one : rooms) { room += one; }
    if (room >= request.nodes) { return group; }
  }
  return Error{.kind = ErrorKind::capacity,
               .message = "no capacity reservation in " + key.region + " has room for " +
                          std::to_string(request.nodes) + " x " + key.instance_type,
               .source = "azure capacityReservationGroups",
               .scope = ErrorScope::offer};
}

/// One call of ensure_gang.
class Booking final : public SingleMachines {
 public:
  Booking(Arm& arm, const CloudParts& parts, const GangRequest& request)
      : arm_(arm),
        parts_(parts),
        request_(request),
        place_{.subscription = arm.subscription(), .group = gang_name(request.token)} {}

  Result<std::vector<NodeView>> run() {
    Result<std::vector<NodeView>> gang = ensure_singles(*this, parts_.fan_out, request_, kAtOnce);
    if (gang.ok()) {
      if (!is_booked_) {
        TRY([[maybe_unused]] const HttpResponse told,
            arm_.change(encode_patch(place_.tags_url(), encode_booked(parts_.clock.now()))));
      }
      return gang;
    }
    Error error = gang.error();
    const bool goes_on = error.kind == ErrorKind::network || error.kind == ErrorKind::throttled;
    if (goes_on || !began_) { return error; }
    if (const Status removed = arm_.remove(place_.group_url()); !removed.ok()) {
      error.maybe_applied = true;
      error.message += "; and its resource group could not be deleted: " + removed.error().message;
    }
    return error;
  }

  Result<std::vector<NodeView>> list_machines() override {
    TRY(const std::string group, group_body());
    if (!group.empty()) {
      TRY(const std::optional<GangGroup> there, parse_group(group));
      if (there && there->is_deleting) {
        return Error{.kind = ErrorKind::capacity,
                     .message = "the gang " + request_.token.value + " was given back",
                     .source = "azure",
                     .scope = ErrorScope::offer,
                     .maybe_applied = true};
      }
      is_booked_ = there && there->booked;
    }
    return azure::list_machines(arm_, parts_);
  }

  Result<NodeView> create_machine(const GangRequest& request, int rank) override {
    TRY([[maybe_unused]] const Ok prepared, prepare());
    const std::string name = machine_name(request.token, rank);
    TRY([[maybe_unused]] const Resource card,
        arm_.put_and_wait(resource_url(place_.card_id(name)), encode_card(request, rank, place_)));
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    const std::string boot =
        cloud_config({.keys = keys, .now = parts_.clock.now(), .expires = request.tags.expires});
    const std::string id = place_.machine_id(name);
    HttpRequest booking = encode_put(
        resource_url(id), encode_machine(request, rank, place_, keys.public_key, boot, reservation_));
    // A lost answer is the broker's to hear of: it looks before it asks again.
    booking.repeatable = false;
    TRY(const HttpResponse accepted, arm_.change(booking));
    TRY(const Resource machine, parse_resource(accepted.body));
    TRY(const bool is_allocated, arm_.await_allocation(id, accepted));
    NodeView view{.id = node_id(place_.group, name),
                  .token = request.token,
                  .index = rank,
                  .offer = request.offer.key,
                  .tags = request.tags};
    view.created_at = machine.created == Instant{} ? parts_.clock.now() : machine.created;
    if (is_allocated) { view.billed_from = view.created_at; }
    return view;
  }

  /// The gang is given up: its group takes all along, also what was only half made.
  Status terminate_machines(const std::vector<NodeId>& /*nodes*/) override {
    return arm_.remove(place_.group_url());
  }

 private:
  /// The group as it is; empty when it is not there.
  Result<std::string> group_body() {
    Result<std::string> body = arm_.get(place_.group_url());
    if (!body.ok() && body.error().kind == ErrorKind::not_found) { return std::string(); }
    return body;
  }

  /// What all machines of the gang share, made once for all ranks of this call.
  Status prepare() {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!prepared_) { prepared_ = std::make_unique<Status>(prepare_network()); }
    return *prepared_;
  }

  Status prepare_network() {
    if (request_.offer.key.market == Market::contract) {
      TRY(reservation_, find_reservation(arm_, request_));
    }
    began_ = true;
    TRY([[maybe_unused]] const HttpResponse group,
        arm_.change(encode_put(place_.group_url(), encode_group(request_))));
    TRY(const std::vector<std::string> peers, ensure_addresses());
    TRY([[maybe_unused]] const Resource firewall,
        arm_.put_and_wait(resource_url(place_.firewall_id()), encode_firewall(request_, peers)));
    TRY([[maybe_unused]] const Resource network,
        arm_.put_and_wait(resource_url(place_.network_id()), encode_network(request_, place_)));
    if (has_placement(request_)) {
      TRY([[maybe_unused]] const Resource placement,
          arm_.put_and_wait(resource_url(place_.placement_id()), encode_placement(request_)));
    }
    return Ok{};
  }

  /// One public address for each rank; the firewall has to know them all.
  Result<std::vector<std::string>> ensure_addresses() {
    std::vector<Result<Resource>> made(static_cast<std::size_t>(request_.nodes), Resource{});
    parts_.fan_out.run(made.size(), kAtOnce, [&](std::size_t i) {
      const int rank = static_cast<int>(i);
      made[i] = arm_.put_and_wait(resource_url(place_.address_id(machine_name(request_.token, rank))),
                                  encode_address(request_, rank));
    });
    std::vector<std::string> ips;
    for (Result<Resource>& one : made) {
      TRY(const Resource address, std::move(one));
      ips.push_back(address.ip);
    }
    return ips;
  }

  Arm& arm_;
  const CloudParts& parts_;
  const GangRequest& request_;
  GangPlace place_;
  bool is_booked_ = false;  // the group says so
  bool began_ = false;      // something was made by this call
  std::string reservation_ = {};
  std::mutex mutex_ = {};
  std::unique_ptr<Status> prepared_ = {};
};

/// The ranks of a gang by the names of its machines.
std::map<std::string, int> ranks_of(const GangGroup& group) {
  std::map<std::string, int> ranks;
  for (int rank = 0; rank < group.nodes; ++rank) { ranks[machine_name(group.view.token, rank)] = rank; }
  return ranks;
}

/// Whether a machine is there and not on its way out. Asked by its name: lists lag.
Result<bool> is_living(Arm& arm, const std::string& machine_id) {
  const Result<std::string> body = arm.get(resource_url(machine_id));
  if (!body.ok() && body.error().kind == ErrorKind::not_found) { return false; }
  if (!body.ok()) { return body.error(); }
  TRY(const Resource machine, parse_resource(body.value()));
  return machine.state != "Deleting";
}

Status end_in_group(Arm& arm, const GangPlace& place, const std::set<std::string>& names) {
  const Result<std::string> body = arm.get(place.group_url());
  if (!body.ok()) { return body.error().kind == ErrorKind::not_found ? Status(Ok{}) : body.error(); }
  TRY(const std::optional<GangGroup> group, parse_group(body.value()));
  if (group && group->is_deleting) { return Ok{}; }
  std::vector<int> ranks;
  bool is_last = group && group->nodes > 0;
  for (const auto& [name, rank] : group ? ranks_of(*group) : std::map<std::string, int>{}) {
    if (names.count(name) > 0) {
      ranks.push_back(rank);
    } else if (is_last) {
      TRY(const bool lives, is_living(arm, place.machine_id(name)));
      is_last = !lives;
    }
  }
  if (is_last) { return arm.remove(place.group_url()); }
  if (!ranks.empty()) {
    // Before they go: else a spot machine that we end would look as if it had been taken.
    TRY([[maybe_unused]] const HttpResponse told,
        arm.change(encode_patch(place.tags_url(), encode_ended(ranks))));
  }
  Status all = Ok{};
  for (const std::string& name : names) {
    const Status one = arm.remove(resource_url(place.machine_id(name)) + "&forceDeletion=true");
    if (!one.ok()) { all = one; }
  }
  return all;
}

/// Machines by their ids; those that are not there are left out.
Result<std::vector<SeenMachine>> ask_each(Arm& arm, const CloudParts& parts,
                                          const std::vector<std::string>& ids) {
  std::vector<Result<std::string>> bodies(ids.size(), std::string());
  parts.fan_out.run(ids.size(), kAtOnce,
                    [&](std::size_t i) { bodies[i] = arm.get(machine_state_url(ids[i])); });
  std::vector<SeenMachine> seen;
  for (const Result<std::string>& body : bodies) {
    if (!body.ok() && body.error().kind == ErrorKind::not_found) { continue; }
    if (!body.ok()) { return body.error(); }
    TRY(std::optional<SeenMachine> one, parse_machine(body.value()));
    if (one) { seen.push_back(*std::move(one)); }
  }
  return seen;
}

}  // namespace

Result<std::vector<GangGroup>> list_groups(Arm& arm) {
  std::vector<GangGroup> groups;
  TRY([[maybe_unused]] const Ok listed,
      arm.list<GangGroup>(groups_url(arm.subscription()), parse_groups, groups));
  return groups;
}

Result<std::vector<NodeView>> list_machines(Arm& arm, const CloudParts& parts) {
  Sight sight;
  const std::string& subscription = arm.subscription();
  // The machines first: a group that is there when its machines are asked for is there afterwards, unless it
  // was deleted, and then nobody misses them.
  TRY([[maybe_unused]] const Ok machines,
      arm.list<Machine>(machines_url(subscription), parse_machines, sight.machines));
  TRY(sight.groups, list_groups(arm));
  TRY(const std::vector<SeenMachine> asked,
      ask_each(arm, parts, unlisted(sight, subscription, parts.clock.now())));
  if (!sight.machines.empty() || !asked.empty()) {
    std::vector<StatusRow> statuses;
    TRY([[maybe_unused]] const Ok told,
        arm.list<StatusRow>(statuses_url(subscription), parse_statuses, statuses));
    sight.statuses.insert(statuses.begin(), statuses.end());
    std::vector<AddressRow> addresses;
    TRY([[maybe_unused]] const Ok known,
        arm.list<AddressRow>(addresses_url(subscription), parse_addresses, addresses));
    sight.addresses.insert(addresses.begin(), addresses.end());
  }
  for (const SeenMachine& seen : asked) {
    sight.statuses[seen.machine.id] = seen.status;
    sight.machines.push_back(seen.machine);
  }
  std::vector<NodeView> views = assemble(sight, parts.clock.now());
  for (NodeView& view : views) {
    if (view.state != NodeState::running) { continue; }
    TRY(view.address, login_address(parts.keys, view, kUser));
  }
  return views;
}

Result<std::vector<NodeView>> ensure_gang(Arm& arm, const CloudParts& parts, const GangRequest& request) {
  return Booking(arm, parts, request).run();
}

Status end_machines(Arm& arm, const CloudParts& parts, const std::vector<NodeId>& nodes) {
  std::map<std::string, std::set<std::string>> by_group;
  for (const NodeId& node : nodes) {
    // What cannot be one of ours is gone.
    if (const auto name = parse_node_id(node)) { by_group[name->group].insert(name->machine); }
  }
  const std::vector<std::pair<std::string, std::set<std::string>>> groups(by_group.begin(), by_group.end());
  return run_all(parts.fan_out, groups.size(), kAtOnce, [&](std::size_t i) {
    const GangPlace place{.subscription = arm.subscription(), .group = groups[i].first};
    return end_in_group(arm, place, groups[i].second);
  });
}

Status remove_group(Arm& arm, const std::string& group) {
  const GangPlace place{.subscription = arm.subscription(), .group = group};
  std::vector<std::string> living;
  const Status listed = arm.list<std::string>(place.machines_url(), parse_living, living);
  if (!listed.ok()) { return listed.error().kind == ErrorKind::not_found ? Status(Ok{}) : listed.error(); }
  if (living.empty()) { return arm.remove(place.group_url()); }
  return Error{.kind = ErrorKind::conflict,
               .message = "the resource group " + group + " still has the machine " + living.front(),
               .source = "azure"};
}

}  // namespace gpubroker::azure
