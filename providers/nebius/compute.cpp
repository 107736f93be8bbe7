#include "providers/nebius/compute.hpp"

#include <algorithm>
#include <optional>

namespace gpubroker::nebius {
namespace {

constexpr std::size_t kAtOnce = 8;
constexpr std::size_t kPrefixLength = std::string_view("nebius/").size();
constexpr Millis kFirstPause{100};
constexpr Millis kMostPause{2'000};
// A machine that is deleted has a minute to stop.
constexpr Millis kSweepPatience{90'000};
constexpr Millis kRemovalPatience{30'000};
constexpr const char* kStopped = "stopped machine";
constexpr const char* kCluster = "GPU cluster";
constexpr const char* kDisk = "disk";

Result<std::vector<NodeView>> machines_of(const Session& session, const Project& project, Instant now) {
  // The instances first: one that is deleted between the two lists is then still told as alive, not missing.
  TRY(std::vector<Instance> instances,
      session.list<Instance>(
          kListInstances, [&](const std::string& page) { return encode_list_in(project.id, page); },
          [&](const std::string& message) { return parse_instances(message, project.region); }));
  TRY(const std::vector<Operation> operations,
      session.list<Operation>(
          kListOperations, [&](const std::string& page) { return encode_list_operations(project.id, page); },
          [&](const std::string& message) { return parse_operations(message, project.region); }));
  return tell_machines(std::move(instances), operations, now);
}

/// `ask` of each project side by side, put together. Fails with the first failure.
template <class T, class Ask>
Result<std::vector<T>> ask_all(FanOut& fan_out, const std::vector<Project>& projects, Ask ask) {
  std::vector<std::optional<Result<std::vector<T>>>> parts(projects.size());
  fan_out.run(projects.size(), kAtOnce, [&](std::size_t i) { parts[i].emplace(ask(projects[i])); });
  std::vector<T> all;
  for (auto& part : parts) {
    TRY(std::vector<T> some, *std::move(part));
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return all;
}

Status end_machine(const Session& session, const NodeId& node) {
  const std::string id = node.value.substr(std::min(kPrefixLength, node.value.size()));
  const Result<std::string> ended = session.change(kDeleteInstance, encode_id(id));
  if (ended.ok() || ended.error().kind == ErrorKind::not_found) { return Ok{}; }
  if (ended.error().kind != ErrorKind::conflict) { return ended.error(); }
  // It may be on its way already.
  const Result<std::string> there = session.call(kGetInstance, encode_id(id));
  if (!there.ok()) {
    if (there.error().kind == ErrorKind::not_found) { return Ok{}; }
    return ended.error();
  }
  const Result<InstanceState> state = parse_instance_state(there.value());
  if (state.ok() && state.value() == InstanceState::deleting) { return Ok{}; }
  return ended.error();
}

/// The unattached of a list of disks, or all of a list of clusters.
Result<std::vector<Leftover>> belongings(const Session& session, const Project& project, const Method& method,
                                         const char* kind,
                                         Result<Page<Belonging>> (*parse)(std::string_view)) {
  TRY(const std::vector<Belonging> all,
      session.list<Belonging>(
          method, [&](const std::string& page) { return encode_list_in(project.id, page); }, parse));
  std::vector<Leftover> found;
  for (const Belonging& one : all) {
    if (one.is_attached) { continue; }
    found.push_back({.kind = kind,
                     .id = one.id,
                     .region = project.region,
                     .token = one.token,
                     .costs = std::string_view(kind) == kDisk});
  }
  return found;
}

Result<std::vector<Leftover>> leftovers_of(const Session& session, const Project& project) {
  TRY(const std::vector<Instance> instances,
      session.list<Instance>(
          kListInstances, [&](const std::string& page) { return encode_list_in(project.id, page); },
          [&](const std::string& message) { return parse_instances(message, project.region); }));
  std::vector<Leftover> found;
  for (const Instance& one : instances) {
    if (one.state != InstanceState::stopped && one.state != InstanceState::error) { continue; }
    found.push_back({.kind = kStopped,
                     .id = one.view.id.value,
                     .region = project.region,
                     .token = one.view.token,
                     .costs = true});
  }
  TRY(const std::vector<Leftover> disks, belongings(session, project, kListDisks, kDisk, parse_disks));
  TRY(const std::vector<Leftover> clusters,
      belongings(session, project, kListClusters, kCluster, parse_clusters));
  found.insert(found.end(), disks.begin(), disks.end());
  found.insert(found.end(), clusters.begin(), clusters.end());
  return found;
}

}  // namespace

Result<std::vector<NodeView>> find_machines(const Session& session, const CloudParts& parts,
                                            const std::vector<Project>& projects) {
  return ask_all<NodeView>(parts.fan_out, projects, [&](const Project& project) {
    return machines_of(session, project, parts.clock.now());
  });
}

Result<std::vector<Project>> find_projects(const Session& session, const std::string& region) {
  TRY(std::vector<Project> projects, session.projects());
  std::erase_if(projects, [&](const Project& one) { return !region.empty() && one.region != region; });
  return projects;
}

Status end_machines(const Session& session, FanOut& fan_out, const std::vector<NodeId>& nodes) {
  std::vector<std::optional<Error>> errors(nodes.size());
  fan_out.run(nodes.size(), kAtOnce, [&](std::size_t i) {
    if (const Status ended = end_machine(session, nodes[i]); !ended.ok()) { errors[i] = ended.error(); }
  });
  for (const std::optional<Error>& error : errors) {
    if (error) { return *error; }
  }
  return Ok{};
}

Result<Operation> await_operation(const Session& session, Clock& clock, Operation operation, Millis patience,
                                  const std::function<bool()>& is_enough) {
  const Instant deadline = clock.now() + patience;
  for (Millis pause = kFirstPause; !operation.is_done; pause = std::min(pause * 2, kMostPause)) {
    if (clock.now() >= deadline || (is_enough && is_enough())) { return operation; }
    clock.sleep_until(std::min(clock.now() + pause, deadline));
    TRY(const std::string answer, session.call(kGetOperation, encode_id(operation.id)));
    TRY(operation, parse_operation(answer));
  }
  return operation;
}

Result<std::vector<Leftover>> find_leftovers(const Session& session, const CloudParts& parts,
                                             const std::vector<Project>& projects) {
  return ask_all<Leftover>(parts.fan_out, projects,
                           [&](const Project& project) { return leftovers_of(session, project); });
}

Status remove_leftover(const Session& session, Clock& clock, const Leftover& leftover) {
  if (leftover.kind == kStopped) { return end_machine(session, {leftover.id}); }
  const Method& method = leftover.kind == kCluster ? kDeleteCluster : kDeleteDisk;
  const Result<std::string> removed = session.change(method, encode_id(leftover.id));
  if (!removed.ok()) {
    if (removed.error().kind == ErrorKind::not_found) { return Ok{}; }
    return removed.error();
  }
  TRY(const Operation deletion, parse_operation(removed.value()));
  TRY(const Operation done, await_operation(session, clock, deletion, kRemovalPatience));
  if (done.failure) { return *done.failure; }
  return Ok{};
}

Status sweep_gang(const Session& session, const CloudParts& parts, const Token& token,
                  const std::string& region) {
  TRY(const std::vector<Project> projects, find_projects(session, region));
  TRY(const std::vector<NodeView> machines, find_machines(session, parts, projects));
  const bool lives = std::any_of(machines.begin(), machines.end(), [&](const NodeView& one) {
    return one.token == token && one.state != NodeState::ended;
  });
  if (lives) { return Ok{}; }
  TRY(std::vector<Leftover> left, find_leftovers(session, parts, projects));
  const Instant deadline = parts.clock.now() + kSweepPatience;
  for (const Leftover& one : left) {
    if (one.token != token) { continue; }
    for (Millis pause = kFirstPause;; pause = std::min(pause * 2, kMostPause)) {
      const Status removed = remove_leftover(session, parts.clock, one);
      const bool is_used = !removed.ok() && removed.error().kind == ErrorKind::conflict;
      if (!is_used || parts.clock.now() >= deadline) {
        TRY([[maybe_unused]] const Ok done, removed);
        break;
      }
      parts.clock.sleep_until(parts.clock.now() + pause);
    }
  }
  return Ok{};
}

}  // namespace gpubroker::nebius
