#include "providers/nebius/gang_booking.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "core/wire/cloud_config.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::size_t kAtOnce = 8;
// That there is no room shows within seconds after the booking was taken, in its operation.
constexpr Millis kPatience{30'000};

}  // namespace

Result<std::vector<NodeView>> GangBooking::run() {
  Result<std::vector<NodeView>> gang = ensure_singles(*this, parts_.fan_out, request_, kAtOnce);
  if (gang.ok()) { return gang; }
  const ErrorKind kind = gang.error().kind;
  // After these the same call comes again, and needs what there is.
  if (kind == ErrorKind::network || kind == ErrorKind::throttled) { return gang; }
  if (place_) { static_cast<void>(sweep_gang(session_, parts_, request_.token, request_.offer.key.region)); }
  return gang;
}

Result<std::vector<NodeView>> GangBooking::list_machines() {
  TRY(const std::vector<Project> projects, find_projects(session_));
  return find_machines(session_, parts_, projects);
}

Status GangBooking::terminate_machines(const std::vector<NodeId>& nodes) {
  return end_machines(session_, parts_.fan_out, nodes);
}

Result<NodeView> GangBooking::create_machine(const GangRequest& request, int rank) {
  TRY(const Place where, place());
  TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
  const std::string boot = cloud_config(
      {.keys = keys, .now = parts_.clock.now(), .expires = request.tags.expires, .user = std::string(kUser)});
  TRY(const std::string message, encode_create_instance(request, rank, where, boot));
  TRY(const std::string answer,
      session_.change(kCreateInstance, message, idempotency_key(request.token, rank)));
  TRY(const Operation creation, parse_operation(answer));
  NodeView view{.id = {"nebius/" + creation.resource},
                .token = request.token,
                .index = rank,
                .offer = request.offer.key,
                .tags = request.tags,
                .created_at = creation.created};
  if (const Status stands = await_machine(creation); !stands.ok()) {
    Error error = stands.error();
    // What is left of it holds a disk.
    if (const Status ended = terminate_machines({view.id}); !ended.ok()) { error.maybe_applied = true; }
    return error;
  }
  return view;
}

/// Looks whether the machine gets a place. That a look fails says nothing about the machine: it is booked,
/// and whether it stands is seen in the lists; so is one that had its place and broke while it started.
Status GangBooking::await_machine(const Operation& creation) {
  const auto has_place = [&] {
    const Result<std::string> answer = session_.call(kGetInstance, encode_id(creation.resource));
    const Result<InstanceState> state =
        answer.ok() ? parse_instance_state(answer.value()) : Result<InstanceState>(answer.error());
    return state.ok() && state.value() != InstanceState::unspecified &&
           state.value() != InstanceState::creating && state.value() != InstanceState::error;
  };
  const Result<Operation> seen = await_operation(session_, parts_.clock, creation, kPatience, has_place);
  if (!seen.ok() || !seen.value().failure) { return Ok{}; }
  if (seen.value().failure->kind == ErrorKind::internal) { return Ok{}; }
  return booking_failure(seen.value());
}

Result<Place> GangBooking::place() {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!place_) { place_.emplace(find_place()); }
  return *place_;
}

Result<Place> GangBooking::find_place() {
  const OfferKey& key = request_.offer.key;
  TRY(const auto projects, session_.projects_by_region());
  const auto project = projects.find(key.region);
  if (project == projects.end()) {
    return Error{.kind = ErrorKind::quota,
                 .message = "the account has no project in " + key.region + ": 0 machines are allowed there",
                 .hint = "nebius iam project create, in the region " + key.region,
                 .source = "nebius ProjectService/List",
                 .code = "NoProjectInRegion",
                 .scope = ErrorScope::region};
  }
  Place where{.project = project->second};
  TRY(where.subnet, find_subnet(where.project));
  if (request_.nodes > 1 && joins_fabric(key.instance_type)) {
    TRY(where.cluster, ensure_cluster(where.project));
  }
  return where;
}

Result<std::string> GangBooking::find_subnet(const std::string& project) const {
  TRY(const std::vector<Subnet> subnets,
      session_.list<Subnet>(
          kListSubnets, [&](const std::string& page) { return encode_list_in(project, page); },
          parse_subnets));
  for (const Subnet& subnet : subnets) {
    if (subnet.is_default) { return subnet.id; }
  }
  if (!subnets.empty()) { return subnets.front().id; }
  return Error{.kind = ErrorKind::not_found,
               .message = "the project " + project + " has no subnet",
               .hint = "nebius vpc network create-default --parent-id " + project,
               .source = "nebius SubnetService/List",
               .scope = ErrorScope::region};
}

Result<std::string> GangBooking::find_cluster(const std::string& project) const {
  TRY(const std::vector<Belonging> clusters,
      session_.list<Belonging>(
          kListClusters, [&](const std::string& page) { return encode_list_in(project, page); },
          parse_clusters));
  for (const Belonging& one : clusters) {
    if (one.token == request_.token) { return one.id; }
  }
  return std::string();
}

/// The fabric by the advisor's counts; where it says nothing, the known one.
Result<std::string> GangBooking::choose() const {
  std::vector<Advice> advice;
  Harvest remarks;  // stale counts are no counts
  if (const Result<std::vector<std::string>> tenants = session_.tenants(); tenants.ok()) {
    for (const std::string& tenant : tenants.value()) {
      const Result<std::vector<Advice>> rows = session_.list<Advice>(
          kListAdvice, [&](const std::string& page) { return encode_list_advice(tenant, page); },
          [&](const std::string& message) { return parse_advice(message, remarks); });
      if (rows.ok()) { advice.insert(advice.end(), rows.value().begin(), rows.value().end()); }
    }
  }
  std::string fabric = choose_fabric(advice, request_.offer.key);
  if (!fabric.empty()) { return fabric; }
  return Error{.kind = ErrorKind::capacity,
               .message = "no InfiniBand fabric with " + request_.offer.key.instance_type + " is known in " +
                          request_.offer.key.region,
               .source = "nebius GpuClusterService/Create",
               .scope = ErrorScope::offer};
}

Result<std::string> GangBooking::ensure_cluster(const std::string& project) const {
  TRY(std::string found, find_cluster(project));
  if (!found.empty()) { return found; }
  TRY(const std::string fabric, choose());
  // No idempotency key: it would give the first cluster of this token back for ever, also when it was swept.
  // Its name is unique in the project, which does the same.
  const Result<std::string> answer =
      session_.change(kCreateCluster, encode_create_cluster(request_, project, fabric));
  if (!answer.ok()) {
    if (answer.error().kind != ErrorKind::conflict) { return answer.error(); }
    TRY(found, find_cluster(project));
    if (found.empty()) { return answer.error(); }
    return found;
  }
  TRY(const Operation creation, parse_operation(answer.value()));
  TRY(const Operation done, await_operation(session_, parts_.clock, creation, kPatience));
  if (done.failure) { return booking_failure(done); }
  return done.resource;
}

}  // namespace gpubroker::nebius
