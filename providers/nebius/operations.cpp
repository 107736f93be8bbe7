#include "providers/nebius/operations.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/wire/protobuf.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::uint64_t kPageSize = 1'000;
constexpr Millis kForgetAfter = std::chrono::hours{24};

/// "type.googleapis.com/nebius.compute.v1.CreateInstanceRequest" without what is in front.
std::string last_name(const std::string& type_url) {
  return type_url.substr(type_url.find_last_of("./") + 1);
}

/// Operation{id1 created_at3 finished_at5 request6{type_url1 value2} resource_id7 status10{code1}}.
Result<Operation> read(const ProtoMessage& root, const std::string& region) {
  Operation operation{.id = root.text(1), .resource = root.text(7)};
  TRY(const std::optional<Instant> created, read_time(root, 3));
  TRY(operation.finished, read_time(root, 5));
  TRY(const ProtoMessage request, root.message(6));
  TRY(const ProtoMessage status, root.message(10));
  operation.created = created.value_or(Instant{});
  operation.request = last_name(request.text(1));
  // Absent: it runs. Present with code 0, which is an empty message: done.
  operation.is_done = root.has(10);
  if (status.number(1) != 0) {
    operation.failure = read_status(root.bytes(10), "nebius " + operation.request);
  }
  if (operation.request == "CreateInstanceRequest" && !region.empty()) {
    TRY(operation.wanted, read_instance(request.bytes(2), region));
  }
  return operation;
}

/// What was done to one machine.
struct Deeds {
  const Operation* creation = nullptr;
  const Operation* stop = nullptr;
  const Operation* deletion = nullptr;
};

std::map<std::string, Deeds> by_machine(const std::vector<Operation>& operations) {
  std::map<std::string, Deeds> all;
  for (const Operation& one : operations) {
    Deeds& deeds = all["nebius/" + one.resource];
    const bool failed = one.failure.has_value();
    if (one.request == "CreateInstanceRequest") { deeds.creation = &one; }
    if (one.request == "StopInstanceRequest" && !failed) { deeds.stop = &one; }
    if (one.request == "DeleteInstanceRequest" && !failed) { deeds.deletion = &one; }
  }
  return all;
}

void end(NodeView& view, std::optional<Instant> at, const std::string& reason) {
  view.state = NodeState::ended;
  view.ended_at = at;
  view.end_reason = reason;
  view.address.host.clear();
}

/// It stands still, and nobody but us would start it again.
void end_stopped(NodeView& view, const Deeds& deeds, Instant now) {
  if (deeds.creation != nullptr && deeds.creation->failure) {
    return end(view, deeds.creation->finished, "not started: " + deeds.creation->failure->message);
  }
  if (deeds.stop != nullptr) { return end(view, deeds.stop->finished, "terminated"); }
  if (now >= view.tags.expires) { return end(view, std::nullopt, "expired"); }
  end(view, std::nullopt, view.offer.market == Market::spot ? "preempted" : "host failure");
}

void tell(Instance& instance, const Deeds& deeds, Instant now) {
  NodeView& view = instance.view;
  const Operation* const creation = deeds.creation;
  if (creation != nullptr && creation->is_done && !creation->failure) {
    view.billed_from = creation->finished;
  }
  switch (instance.state) {
    case InstanceState::unspecified:
    case InstanceState::creating:
    case InstanceState::starting:
      view.state = NodeState::starting;
      break;
    case InstanceState::stopping:  // billed until it has stopped
      if (view.offer.market == Market::spot && deeds.stop == nullptr && now < view.tags.expires) {
        view.notice_until = now + kPreemptionNotice;
      }
      [[fallthrough]];
    case InstanceState::running:
    case InstanceState::updating:
      view.state = view.address.host.empty() ? NodeState::starting : NodeState::running;
      break;
    case InstanceState::stopped:
      end_stopped(view, deeds, now);
      break;
    case InstanceState::deleting:
      end(view, deeds.deletion != nullptr ? std::optional(deeds.deletion->created) : std::nullopt,
          "terminated");
      break;
    case InstanceState::error:
      end(view, creation != nullptr && creation->failure ? creation->finished : std::nullopt,
          creation != nullptr && creation->failure ? "not started: " + creation->failure->message
                                                   : "host failure");
      break;
  }
  // Only a machine that runs has an address that is its own.
  if (view.state != NodeState::running) { view.address.host.clear(); }
}

/// A machine of which only its operations tell.
std::optional<NodeView> recall(const std::string& id, const Deeds& deeds, Instant now) {
  const Operation* const creation = deeds.creation;
  if (creation == nullptr || !creation->wanted || deeds.deletion == nullptr) { return std::nullopt; }
  const Operation& deletion = *deeds.deletion;
  // There was no place for it, and what was left of it has been cleared away: it was never there.
  const bool never_was = creation->failure && creation->finished && *creation->finished < deletion.created;
  if (never_was || deletion.created + kForgetAfter < now) { return std::nullopt; }
  NodeView view = creation->wanted->view;
  view.id = {id};
  view.created_at = creation->created;
  if (creation->is_done && !creation->failure) { view.billed_from = creation->finished; }
  end(view, deletion.created, "terminated");
  return view;
}

}  // namespace

Result<Operation> parse_operation(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(Operation operation, read(root, ""));
  if (operation.id.empty() || operation.resource.empty()) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: an operation without id or resource",
                 .source = "nebius"};
  }
  return operation;
}

std::string encode_list_operations(const std::string& project, const std::string& page) {
  return encode_list_in(project, page, kPageSize);
}

Result<Page<Operation>> parse_operations(std::string_view message, const std::string& region) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> rows, root.messages(1));
  Page<Operation> page{.next = root.text(2)};
  for (const ProtoMessage& row : rows) {
    TRY(Operation operation, read(row, region));
    page.items.push_back(std::move(operation));
  }
  return page;
}

Error booking_failure(const Operation& operation) {
  Error error = operation.failure.value_or(Error{});
  using enum ErrorKind;
  const bool is_exact = error.kind == quota || error.kind == capacity || error.kind == auth ||
                        error.kind == invalid || error.kind == not_found;
  if (!is_exact) {
    error.kind = capacity;
    error.scope = ErrorScope::offer;
  }
  return error;
}

std::vector<NodeView> tell_machines(std::vector<Instance> instances, const std::vector<Operation>& operations,
                                    Instant now) {
  const std::map<std::string, Deeds> deeds = by_machine(operations);
  std::vector<NodeView> views;
  std::set<std::string> there;
  for (Instance& instance : instances) {
    const auto done = deeds.find(instance.view.id.value);
    tell(instance, done == deeds.end() ? Deeds{} : done->second, now);
    there.insert(instance.view.id.value);
    views.push_back(std::move(instance.view));
  }
  for (const auto& [id, done] : deeds) {
    if (there.count(id) != 0) { continue; }
    if (std::optional<NodeView> gone = recall(id, done, now)) { views.push_back(*std::move(gone)); }
  }
  return views;
}

}  // namespace gpubroker::nebius
