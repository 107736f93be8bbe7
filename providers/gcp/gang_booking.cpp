#include "providers/gcp/gang_booking.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "core/wire/cloud_config.hpp"
#include "providers/gcp/fabric.hpp"

namespace gpubroker::gcp {
namespace {

constexpr Millis kBookingPatience = std::chrono::minutes{10};
constexpr Millis kShortPatience = std::chrono::minutes{2};
/// One flex-start machine may stand in the queue for long; who is refused is told within seconds.
constexpr Millis kQueueLook{3'000};
constexpr std::size_t kAtOnce = 8;

/// A list that leaves out what does not answer says so: then it is no list (find_silent_zone).
QueryPairs aggregated(const std::string& filter) {
  return {{"maxResults", "500"}, {"returnPartialSuccess", "true"}, {"filter", filter}};
}

Error used_up(const GangRequest& request, const std::string& how) {
  return {.kind = ErrorKind::invalid,
          .message = "token " + request.token.value + " was used for another request: " + how,
          .source = "gcp",
          .code = "TokenMismatch"};
}

bool lives(const Instance& instance) {
  return instance.view.state != NodeState::ended;
}

}  // namespace

Result<std::vector<Instance>> find_machines(Compute& compute, const Token* token, const Sightings& sightings,
                                            Clock& clock) {
  const std::string gang = token == nullptr ? std::string{} : gang_name(*token);
  const std::string of_label = gang.empty() ? ":*" : " = " + gang;
  const std::string of_name = gang.empty() ? "gb-.*" : gang + "-[0-9]+";
  std::vector<Instance> listed;
  std::vector<Operation> operations;
  // Machines first: what ends in between is then told by its operation.
  TRY([[maybe_unused]] const Ok machines,
      compute.read_pages("/aggregated/instances", aggregated("labels.gpubroker-gang" + of_label),
                         [&](const std::string& body) { return parse_instances(body, listed); }));
  TRY([[maybe_unused]] const Ok ends,
      compute.read_pages("/aggregated/operations", aggregated("targetLink eq .*/instances/" + of_name),
                         [&](const std::string& body) { return parse_operations(body, operations); }));
  std::vector<Instance> all = combine(std::move(listed), operations, sightings, clock.now());
  if (token != nullptr) {
    std::erase_if(all, [&](const Instance& one) { return one.view.token != *token; });
  }
  return all;
}

Result<std::vector<Instance>> GangBooking::run() {
  const MachineFact* const machine = find_machine(request_.offer.key.instance_type);
  if (machine == nullptr || request_.nodes < 1) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "Google Cloud has no machine type " + request_.offer.key.instance_type +
                            " that gpubroker knows",
                 .source = "gcp",
                 .scope = ErrorScope::offer};
  }
  TRY(std::optional<std::vector<Instance>> there, look());
  if (there) { return *std::move(there); }
  TRY(const std::vector<std::string> zones, places(*machine));
  Error last{
      .kind = ErrorKind::capacity,
      .message = "no zone of " + request_.offer.key.region + " sells " + request_.offer.key.instance_type,
      .source = "gcp",
      .scope = ErrorScope::offer};
  for (const std::string& zone : zones) {
    Result<std::vector<Instance>> gang = book_in(*machine, zone);
    if (gang.ok() || gang.error().kind != ErrorKind::capacity) { return gang; }
    const bool lived = last.maybe_applied || gang.error().maybe_applied;
    last = gang.error();
    last.maybe_applied = lived;
  }
  return last;
}

Result<std::vector<std::string>> GangBooking::places(const MachineFact& machine) {
  const OfferKey& offer = request_.offer.key;
  const bool is_reserved = offer.market == Market::block || offer.market == Market::contract;
  const bool is_open = offer.zone.empty() && !is_reserved && request_.nodes > 1;
  if (!is_open || !pins_zone(machine.type)) { return std::vector<std::string>{offer.zone}; }
  return zones_selling(compute_, offer.instance_type, offer.region);
}

Result<std::vector<Instance>> GangBooking::book_in(const MachineFact& machine, const std::string& zone) {
  const Result<Operation> begun = book(machine, zone);
  if (begun.ok()) { return follow(begun.value()); }
  Error error = begun.error();
  const bool will_be_asked_again = error.kind == ErrorKind::network || error.kind == ErrorKind::throttled;
  if (!will_be_asked_again) {
    // Of the refused nothing is left but, perhaps, the policy.
    static_cast<void>(sweep_gang(compute_, request_.token, request_.offer.key));
  }
  return error;
}

Result<std::optional<std::vector<Instance>>> GangBooking::look() {
  using Found = std::optional<std::vector<Instance>>;
  TRY(std::vector<Instance> found, find_machines(compute_, &request_.token, sightings_, parts_.clock));
  if (found.empty()) { return Found{}; }
  const auto count = static_cast<std::size_t>(request_.nodes);
  for (const Instance& one : found) {
    const OfferKey& offer = one.view.offer;
    const bool is_known = !offer.instance_type.empty();
    if (is_known && (offer.instance_type != request_.offer.key.instance_type ||
                     offer.region != request_.offer.key.region)) {
      return used_up(request_, format_offer_key(offer));
    }
    if ((one.nodes != 0 && one.nodes != request_.nodes) || one.view.index >= request_.nodes) {
      return used_up(request_, "of " + std::to_string(std::max(one.nodes, one.view.index + 1)) + " machines");
    }
  }
  if (found.size() == count) {
    std::sort(found.begin(), found.end(),
              [](const Instance& a, const Instance& b) { return a.view.index < b.view.index; });
    return Found{std::move(found)};
  }
  if (std::all_of(found.begin(), found.end(), lives)) { return Found{}; }  // it is being made
  return give_back(
      Error{.kind = ErrorKind::capacity,
            .message = "the gang " + request_.token.value + " is not complete and was given back",
            .source = "gcp",
            .scope = ErrorScope::offer,
            .maybe_applied = true});
}

Result<Operation> GangBooking::book(const MachineFact& machine, const std::string& zone) {
  TRY(const NodeKeys keys, parts_.keys.ensure(request_.tags.workload));
  TRY(const std::optional<Reservation> reservation, find_reservation());
  TRY([[maybe_unused]] const Ok open, open_ssh());
  const bool is_placed = needs_placement(request_, machine);
  if (is_placed) { TRY([[maybe_unused]] const Ok placed, ensure_placement(machine)); }
  const OfferKey& offer = request_.offer.key;
  const std::string chosen = reservation ? reservation->zone : zone;
  TRY(std::vector<FabricPlace> fabric, ensure_interfaces(chosen));
  const Instant now = parts_.clock.now();
  const Booking booking{
      .request = request_,
      .machine = machine,
      .keys = keys,
      .user_data = cloud_config({.keys = keys, .now = now, .expires = request_.tags.expires}),
      .now = now,
      .zone = chosen,
      .policy = is_placed ? gang_name(request_.token) : std::string{},
      .reservation = reservation,
      .fabric = std::move(fabric)};
  // Another zone is another request.
  const std::string where = zone == offer.zone ? std::string() : "/" + zone;
  const std::string query = "?requestId=" + request_id("gpubroker/" + request_.token.value + where);
  if (stands_in_queue(request_)) {
    return compute_.post("/zones/" + url_encode(booking.zone) + "/instances" + query, encode_insert(booking),
                         "instances");
  }
  const std::string place =
      booking.zone.empty() ? "/regions/" + url_encode(offer.region) : "/zones/" + url_encode(booking.zone);
  return compute_.post(place + "/instances/bulkInsert" + query, encode_bulk_insert(booking),
                       "instances/bulkInsert");
}

Result<std::vector<FabricPlace>> GangBooking::ensure_interfaces(const std::string& zone) {
  const OfferKey& offer = request_.offer.key;
  // A single machine talks to nobody.
  if (request_.nodes < 2) { return std::vector<FabricPlace>{}; }
  const std::vector<FabricNetwork> networks = fabric_networks(offer.instance_type, zone);
  if (networks.empty()) { return std::vector<FabricPlace>{}; }
  TRY([[maybe_unused]] const Ok there, ensure_fabric(compute_, parts_.fan_out, networks, offer.region));
  return fabric_places(networks, offer.region);
}

Status GangBooking::open_ssh() {
  bool is_open = false;
  TRY([[maybe_unused]] const Ok read,
      compute_.read_pages("/global/firewalls", {{"maxResults", "500"}},
                          [&](const std::string& body) { return parse_firewalls(body, is_open); }));
  if (is_open) { return Ok{}; }
  const Result<Operation> made = compute_.post_again("/global/firewalls", encode_firewall(), "firewalls");
  if (!made.ok()) {
    // Somebody else was faster.
    return made.error().kind == ErrorKind::conflict ? Status{Ok{}} : made.error();
  }
  return compute_.finish(made.value(), kShortPatience);
}

Result<std::optional<Reservation>> GangBooking::find_reservation() {
  const OfferKey& offer = request_.offer.key;
  if (offer.market != Market::block && offer.market != Market::contract) {
    return std::optional<Reservation>{};
  }
  std::vector<Reservation> all;
  TRY([[maybe_unused]] const Ok read,
      compute_.read_pages("/aggregated/reservations",
                          {{"maxResults", "500"}, {"returnPartialSuccess", "true"}},
                          [&](const std::string& body) { return parse_reservations(body, all); }));
  std::sort(all.begin(), all.end(),
            [](const Reservation& a, const Reservation& b) { return a.name < b.name; });
  for (const Reservation& one : all) {
    // A zone is named after its region, whatever follows: "us-central1-ai1a".
    const bool is_here =
        offer.zone.empty() ? one.zone.starts_with(offer.region + "-") : one.zone == offer.zone;
    if (is_here && one.type == offer.instance_type && one.free >= request_.nodes) {
      return std::optional<Reservation>{one};
    }
  }
  return Error{.kind = ErrorKind::capacity,
               .message = "no reservation in " + offer.region + " has " + std::to_string(request_.nodes) +
                          " x " + offer.instance_type + " free",
               .source = "gcp",
               .scope = ErrorScope::offer};
}

Status GangBooking::ensure_placement(const MachineFact& machine) {
  const std::string path = "/regions/" + url_encode(request_.offer.key.region) + "/resourcePolicies";
  const Result<Operation> made =
      compute_.post_again(path, encode_placement(request_, machine), "resourcePolicies");
  if (!made.ok()) { return made.error().kind == ErrorKind::conflict ? Status{Ok{}} : made.error(); }
  return compute_.finish(made.value(), kShortPatience);
}

Result<std::vector<Instance>> GangBooking::follow(const Operation& begun) {
  const bool in_queue = stands_in_queue(request_);
  Result<Operation> done = compute_.wait(begun, in_queue ? kQueueLook : kBookingPatience);
  if (!done.ok()) {
    Error error = done.error();
    error.maybe_applied = true;
    return error;
  }
  const Operation& operation = done.value();
  if (in_queue && !operation.failure) { return made_in(request_.offer.key.zone); }
  if (operation.is_done && !operation.failure && operation.created == request_.nodes) {
    return made_in(operation.made_in);
  }
  if (operation.is_done) { return give_up(operation); }
  return Error{.kind = ErrorKind::network,
               .message = "the machines are still being made",
               .source = "gcp bulkInsert",
               .maybe_applied = true};
}

std::vector<Instance> GangBooking::made_in(const std::string& zone) const {
  std::vector<Instance> gang;
  for (int rank = 0; rank < request_.nodes; ++rank) {
    Instance one{.nodes = request_.nodes};
    one.view.id = node_id(zone, machine_name(request_.token, rank));
    one.view.token = request_.token;
    one.view.index = rank;
    one.view.offer = request_.offer.key;
    one.view.tags = request_.tags;
    one.view.created_at = parts_.clock.now();
    gang.push_back(std::move(one));
  }
  return gang;
}

Error GangBooking::give_up(const Operation& failed) {
  std::vector<Operation> inserts;
  if (!failed.group.empty()) {
    // The bulk operation says that it failed; the inserts of its group say why.
    static_cast<void>(
        compute_.read_pages("/aggregated/operations", aggregated("operationGroupId eq " + failed.group),
                            [&](const std::string& body) { return parse_operations(body, inserts); }));
  }
  Error error = bulk_failure(failed, inserts);
  if (error.kind == ErrorKind::conflict) {
    error.kind = ErrorKind::capacity;
  }  // see kCodes in operations.cpp
  return give_back(std::move(error));
}

Error GangBooking::give_back(Error error) {
  const Result<std::vector<Instance>> left =
      find_machines(compute_, &request_.token, sightings_, parts_.clock);
  std::vector<NodeId> ids;
  if (left.ok()) {
    for (const Instance& one : left.value()) {
      if (lives(one)) { ids.push_back(one.view.id); }
    }
  }
  // What lived for a moment is paid for: it is to be found again.
  error.maybe_applied = error.maybe_applied || !left.ok() || !ids.empty();
  if (!ids.empty()) {
    if (const Status ended = end_machines(compute_, parts_.fan_out, ids); !ended.ok()) {
      error.message += "; and those that were made could not be ended: " + ended.error().message;
    }
  }
  static_cast<void>(sweep_gang(compute_, request_.token, request_.offer.key));
  return error;
}

Status end_machines(Compute& compute, FanOut& fan_out, const std::vector<NodeId>& nodes) {
  return run_all(fan_out, nodes.size(), kAtOnce, [&](std::size_t i) -> Status {
    const auto parts = split_node_id(nodes[i]);
    if (!parts) { return Ok{}; }  // never was one of Google's
    const std::string path = "/zones/" + url_encode(parts->first) + "/instances/" + url_encode(parts->second);
    const Result<Operation> deleted = compute.remove(path, "instances");
    if (!deleted.ok() && deleted.error().kind != ErrorKind::not_found) { return deleted.error(); }
    return Ok{};
  });
}

Status sweep_gang(Compute& compute, const Token& token, const OfferKey& offer) {
  std::vector<Instance> there;
  TRY([[maybe_unused]] const Ok read,
      compute.read_pages("/aggregated/instances", aggregated("labels.gpubroker-gang = " + gang_name(token)),
                         [&](const std::string& body) { return parse_instances(body, there); }));
  for (const Instance& one : there) {
    if (lives(one) || one.view.token != token) { continue; }
    const auto id = split_node_id(one.view.id);
    if (!id) { continue; }
    const Result<Operation> deleted = compute.remove(
        "/zones/" + url_encode(id->first) + "/instances/" + url_encode(id->second), "instances");
    if (!deleted.ok() && deleted.error().kind == ErrorKind::not_found) { continue; }
    if (!deleted.ok()) { return deleted.error(); }
    TRY([[maybe_unused]] const Ok gone, compute.finish(deleted.value(), kShortPatience));
  }
  const MachineFact* const machine = find_machine(offer.instance_type);
  const bool may_have_policy =
      machine == nullptr || machine->fabric == Fabric::tcpx || machine->fabric == Fabric::roce;
  if (!may_have_policy) { return Ok{}; }
  const Result<Operation> removed = compute.remove(
      "/regions/" + url_encode(offer.region) + "/resourcePolicies/" + url_encode(gang_name(token)),
      "resourcePolicies");
  if (!removed.ok()) { return removed.error().kind == ErrorKind::not_found ? Status{Ok{}} : removed.error(); }
  return compute.finish(removed.value(), kShortPatience);
}

}  // namespace gpubroker::gcp
