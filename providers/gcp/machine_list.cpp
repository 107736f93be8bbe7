// Which machines there are, and which there were.
#include <algorithm>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/gcp/machines.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::string_view kPrefix = "gpubroker-";
constexpr std::string_view kProvider = "gcp";

std::map<std::string, std::string> read_tags(const AnswerValue& item) {
  std::map<std::string, std::string> tags;
  const auto keep = [&](const std::string& key, const std::string& value) {
    if (key.starts_with(kPrefix)) { tags[key.substr(kPrefix.size())] = value; }
  };
  if (const auto metadata = item.find("metadata")) {
    if (const auto items = metadata->find("items")) {
      for (const AnswerValue& pair : items->list()) { keep(pair.at("key").text(), pair.text_or("value")); }
    }
  }
  // Labels last: the metadata of a machine can be written to from the machine.
  if (const auto labels = item.find("labels")) {
    for (const auto& [key, value] : labels->members()) { keep(key, value.text()); }
  }
  return tags;
}

std::string read_type(const AnswerValue& item) {
  std::string type = name_in(item.at("machineType").text());
  const auto attached = item.find("guestAccelerators");
  // Machine types with GPUs of their own tell them here as well.
  if (!type.starts_with("n1-") || !attached || attached->list().empty()) { return type; }
  const AnswerValue first = attached->list().front();
  type += "+" + name_in(first.at("acceleratorType").text());
  return type + ":" + std::to_string(first.whole_or<int>("acceleratorCount", 1));
}

std::string read_host(const AnswerValue& item) {
  const auto nics = item.find("networkInterfaces");
  if (!nics || nics->list().empty()) { return {}; }
  const AnswerValue nic = nics->list().front();
  const auto accesses = nic.find("accessConfigs");
  return accesses && !accesses->list().empty() ? accesses->list().front().text_or("natIP") : std::string{};
}

/// The rank at the end of "gb-llama-7k2q-a1-0".
std::optional<int> rank_in(const std::string& name) {
  const std::size_t hyphen = name.rfind('-');
  if (hyphen == std::string::npos) { return std::nullopt; }
  const auto rank = parse_int(name.substr(hyphen + 1));
  if (!rank || *rank < 0 || *rank > 99'999) { return std::nullopt; }
  return static_cast<int>(*rank);
}

/// Source: the states of an instance in compute.proto. `has_host`: it can be logged in to.
NodeState state_of(const std::string& status, bool has_host) {
  if (status == "TERMINATED" || status == "STOPPED" || status == "SUSPENDED") { return NodeState::ended; }
  const bool is_up = status == "RUNNING" || status == "STOPPING" || status == "SUSPENDING" ||
                     status == "PENDING_STOP" || status == "DEPROVISIONING";
  return is_up && has_host ? NodeState::running : NodeState::starting;
}

void read_times(const AnswerValue& item, const std::string& status, NodeView& view) {
  view.created_at = read_time(item, "creationTimestamp").value_or(Instant{});
  const std::optional<Instant> started = read_time(item, "lastStartTimestamp");
  const bool is_billed = status != "PENDING" && status != "PROVISIONING" && status != "STAGING";
  if (is_billed) { view.billed_from = started; }
  if (view.state != NodeState::ended) { return; }
  view.ended_at = read_time(item, "lastStopTimestamp");
  // It was stopped before it ran.
  if (started && view.ended_at && *view.ended_at < *started) { view.billed_from.reset(); }
}

std::optional<Instance> read_instance(const AnswerValue& item) {
  Instance instance;
  NodeView& view = instance.view;
  const std::map<std::string, std::string> tags = read_tags(item);
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  const auto tag = [&](const char* name) {
    const auto found = tags.find(name);
    return found == tags.end() ? std::string{} : found->second;
  };
  const std::string name = item.at("name").text();
  view.id = node_id(name_in(item.at("zone").text()), name);
  view.index = rank_in(name).value_or(-1);
  view.offer.provider = kProvider;
  view.offer.region = tag("region");
  view.offer.zone = tag("zone");
  view.offer.instance_type = read_type(item);
  instance.nodes = static_cast<int>(parse_int(tag("nodes")).value_or(0));
  const std::string status = item.at("status").text();
  view.address.host = read_host(item);
  view.state = state_of(status, !view.address.host.empty());
  read_times(item, status, view);
  if (view.state == NodeState::ended) { view.end_reason = "terminated"; }
  instance.is_leaving = view.state == NodeState::running && status != "RUNNING";
  return instance;
}

/// What the operations tell of one machine.
struct Trace {
  const Operation* made = nullptr;   // the latest insert
  const Operation* ended = nullptr;  // the first end that came after it
};

std::map<NodeId, Trace> trace(const std::vector<Operation>& operations) {
  std::vector<const Operation*> by_time;
  for (const Operation& operation : operations) { by_time.push_back(&operation); }
  std::stable_sort(by_time.begin(), by_time.end(),
                   [](const Operation* a, const Operation* b) { return a->began < b->began; });
  std::map<NodeId, Trace> traces;
  for (const Operation* const operation : by_time) {
    if (operation->zone.empty() || !operation->target.starts_with("gb-")) { continue; }
    Trace& one = traces[node_id(operation->zone, operation->target)];
    if (operation->type == "insert") { one = {.made = operation}; }
    // A delete that is repeated, or clears away what was preempted, is not the end of the bill.
    if (end_reason_of(operation->type) && one.ended == nullptr && !operation->failure) {
      one.ended = operation;
    }
  }
  return traces;
}

/// The machine of a name that was not cut: "gb-llama-7k2q-a1-0" is rank 0 of the first attempt of llama-7k2q.
std::optional<Instance> instance_by_name(const NodeId& id) {
  const auto parts = split_node_id(id);
  if (!parts) { return std::nullopt; }
  const std::string& name = parts->second;
  const std::optional<int> rank = rank_in(name);
  if (!rank) { return std::nullopt; }
  const Token token{name.substr(3, name.rfind('-') - 3)};
  const std::size_t mark = token.value.rfind("-a");
  if (mark == std::string::npos || mark == 0 || machine_name(token, *rank) != name) { return std::nullopt; }
  const auto attempt = parse_int(token.value.substr(mark + 2));
  if (!attempt || *attempt < 1 || *attempt > 1'000'000) { return std::nullopt; }
  Instance instance;
  instance.view.id = id;
  instance.view.token = token;
  instance.view.index = *rank;
  instance.view.offer.provider = kProvider;
  instance.view.tags.workload = {token.value.substr(0, mark)};
  instance.view.tags.attempt = static_cast<int>(*attempt);
  return instance;
}

void end_it(const Operation& ending, NodeView& view) {
  view.end_reason = end_reason_of(ending.type).value_or("terminated");
  if (view.end_reason == "preempted") { view.offer.market = Market::spot; }
  if (ending.ended) { view.ended_at = ending.ended; }
}

/// A machine that is no longer listed, or not yet.
std::optional<Instance> unlisted(const NodeId& id, const Trace& trace, const Sighting* seen, Instant now) {
  std::optional<Instance> found =
      seen != nullptr ? std::optional<Instance>(seen->instance) : instance_by_name(id);
  if (!found) { return std::nullopt; }
  NodeView& view = found->view;
  if (view.state == NodeState::ended) {
    found->is_there = false;
    return found;
  }
  Instant last = seen != nullptr ? seen->at : Instant{};
  if (trace.made != nullptr) {
    last = std::max(last, trace.made->began);
    if (view.created_at == Instant{}) { view.created_at = trace.made->began; }
    if (trace.made->failure) {
      // It was booked and waited in the queue in vain; a gang that was refused never was.
      if (seen == nullptr) { return std::nullopt; }
      view.state = NodeState::ended;
      view.ended_at = trace.made->ended;
      view.end_reason = "not made: " + trace.made->failure->code;
      found->is_there = false;
      return found;
    }
    // (?) The insert is done when the machine runs; lastStartTimestamp is the better word, if it was seen.
    if (!view.billed_from && trace.made->is_done) { view.billed_from = trace.made->ended; }
  }
  if (trace.ended != nullptr && trace.ended->is_done) {
    // It never ran: what is done later than the end is only the cloud's own tidying.
    if (view.billed_from && trace.ended->ended && *trace.ended->ended <= *view.billed_from) {
      view.billed_from.reset();
    }
    view.state = NodeState::ended;
    end_it(*trace.ended, view);
    found->is_there = false;
    return found;
  }
  if (now - last < kLateSight) {
    if (view.state == NodeState::starting) { view.billed_from.reset(); }  // told when it can be reached
    return found;
  }
  view.state = NodeState::ended;
  view.end_reason = "gone without a word";
  found->is_there = false;
  return found;
}

void add_trace(const Trace& trace, Instance& instance) {
  if (trace.ended == nullptr) { return; }
  NodeView& view = instance.view;
  if (view.state == NodeState::ended) {
    view.end_reason = end_reason_of(trace.ended->type).value_or("terminated");
    if (!view.ended_at) { view.ended_at = trace.ended->ended; }
    return;
  }
  instance.is_leaving = true;
  if (trace.ended->type == "compute.instances.preempted") {
    view.notice_until = trace.ended->began + kPreemptionNotice;
  }
}

}  // namespace

NodeId node_id(const std::string& zone, const std::string& name) {
  return {std::string(kProvider) + "/" + zone + "/" + name};
}

std::optional<std::pair<std::string, std::string>> split_node_id(const NodeId& id) {
  const std::vector<std::string> parts = split(id.value, '/');
  const bool fits = parts.size() == 3 && parts[0] == kProvider && parts[2].starts_with("gb-");
  if (!fits) { return std::nullopt; }
  return std::pair{parts[1], parts[2]};
}

Result<std::string> parse_instances(std::string_view body, std::vector<Instance>& instances) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (std::optional<Error> silent = find_silent_zone(root)) { return *std::move(silent); }
    for_each_item(root, "instances", [&](const AnswerValue& item) {
      if (std::optional<Instance> instance = read_instance(item)) {
        instances.push_back(*std::move(instance));
      }
    });
    return root.text_or("nextPageToken");
  });
}

std::vector<Instance> combine(std::vector<Instance> listed, const std::vector<Operation>& operations,
                              const Sightings& sightings, Instant now) {
  const std::map<NodeId, Trace> traces = trace(operations);
  std::map<NodeId, Instance> all;
  for (Instance& instance : listed) {
    const NodeId id = instance.view.id;
    if (const auto at = traces.find(id); at != traces.end()) { add_trace(at->second, instance); }
    all.emplace(id, std::move(instance));
  }
  const auto add = [&](const NodeId& id, const Trace& one) {
    if (all.contains(id)) { return; }
    const auto seen = sightings.find(id);
    std::optional<Instance> found = unlisted(id, one, seen == sightings.end() ? nullptr : &seen->second, now);
    if (found) { all.emplace(id, *std::move(found)); }
  };
  for (const auto& [id, one] : traces) { add(id, one); }
  for (const auto& [id, seen] : sightings) {
    // Its operations are not listed yet either; later they are what tells of it.
    if (now - seen.at < kLateSight) { add(id, {}); }
  }
  std::vector<Instance> out;
  for (auto& [id, instance] : all) { out.push_back(std::move(instance)); }
  return out;
}

}  // namespace gpubroker::gcp
