#include "providers/coreweave/machines.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/coreweave/facts.hpp"
#include "providers/coreweave/manifests.hpp"

namespace gpubroker::coreweave {
namespace {

constexpr std::string_view kSource = "coreweave";
constexpr std::string_view kIdPrefix = "coreweave/";
/// From a spot node's notice to SIGTERM in its pods; the node is removed at most seven minutes after the
/// notice.
constexpr Millis kUntilDrain = std::chrono::minutes{2};

std::map<std::string, std::string> texts_of(const AnswerValue& metadata, std::string_view name) {
  std::map<std::string, std::string> out;
  if (const auto found = metadata.find(name)) {
    for (const auto& [key, value] : found->members()) { out[key] = value.text(); }
  }
  return out;
}

std::string text_in(const std::map<std::string, std::string>& texts, std::string_view name) {
  const auto found = texts.find(std::string(name));
  return found == texts.end() ? std::string() : found->second;
}

/// A moment that may be missing; one that cannot be read is no answer.
std::optional<Instant> moment(const AnswerValue& value, std::string_view name) {
  const std::string text = value.text_or(name);
  if (text.empty()) { return std::nullopt; }
  const Result<Instant> at = parse_utc(text);
  if (!at.ok()) { AnswerValue::refuse("no moment: " + text); }
  return at.value();
}

std::vector<AnswerValue> list_in(const std::optional<AnswerValue>& value, std::string_view name) {
  const std::optional<AnswerValue> found = value ? value->find(name) : std::nullopt;
  return found ? found->list() : std::vector<AnswerValue>{};
}

template <class T, class Read>
Result<KubePage<T>> parse_page(std::string_view body, Read read) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<KubePage<T>> {
    KubePage<T> page;
    for (const AnswerValue& item : root.at("items").list()) { page.items.push_back(read(item)); }
    page.next = root.at("metadata").text_or("continue");
    return page;
  });
}

Pool read_pool(const AnswerValue& row) {
  const AnswerValue metadata = row.at("metadata");
  const AnswerValue spec = row.at("spec");
  Pool pool{.name = metadata.at("name").text(),
            .uid = metadata.at("uid").text(),
            .instance_type = spec.at("instanceType").text(),
            .annotations = texts_of(metadata, "annotations"),
            .created_at = moment(metadata, "creationTimestamp").value_or(Instant{}),
            .is_deleting = metadata.find("deletionTimestamp").has_value(),
            .target = spec.at("targetNodes").whole<int>()};
  if (const auto status = row.find("status")) {
    pool.current = status->whole_or("currentNodes", 0);
    pool.in_progress = status->whole_or("inProgress", 0);
    for (const AnswerValue& one : list_in(status, "conditions")) {
      pool.conditions.push_back({.type = one.at("type").text(),
                                 .status = one.at("status").text(),
                                 .reason = one.text_or("reason"),
                                 .message = one.text_or("message")});
    }
  }
  return pool;
}

KubeNode read_node(const AnswerValue& row) {
  const AnswerValue metadata = row.at("metadata");
  const std::map<std::string, std::string> labels = texts_of(metadata, "labels");
  KubeNode node{.name = metadata.at("name").text(),
                .gang = text_in(labels, kGangLabel),
                .created_at = moment(metadata, "creationTimestamp").value_or(Instant{}),
                .is_taken = text_in(labels, "qos.coreweave.cloud/pending-preemption") == "true"};
  const std::optional<AnswerValue> spec = row.find("spec");
  node.is_cordoned = spec && spec->boolean_or("unschedulable", false);
  for (const AnswerValue& taint : list_in(spec, "taints")) {
    const std::string key = taint.at("key").text();
    const bool is_eviction = key == "node.coreweave.cloud/evict";
    node.is_taken = node.is_taken || is_eviction;
    // Kubernetes' own taint of a cordoned node; its time is told.
    if (is_eviction || key == "node.kubernetes.io/unschedulable") {
      if (const auto at = moment(taint, "timeAdded")) { node.taken_since = at; }
    }
  }
  return node;
}

int rank_of(const std::map<std::string, std::string>& labels) {
  const std::optional<std::int64_t> rank = parse_int(text_in(labels, kRankLabel));
  constexpr std::int64_t kMost = 100'000;
  return rank && *rank >= 0 && *rank <= kMost ? static_cast<int>(*rank) : -1;
}

Pod read_pod(const AnswerValue& row) {
  const std::map<std::string, std::string> labels = texts_of(row.at("metadata"), "labels");
  Pod pod{.gang = text_in(labels, kGangLabel), .rank = rank_of(labels)};
  pod.node = row.at("spec").text_or("nodeName");
  if (const auto status = row.find("status")) {
    pod.phase = status->text_or("phase");
    pod.ip = status->text_or("podIP");
    for (const AnswerValue& one : list_in(status, "conditions")) {
      if (one.at("type").text() == "Ready") { pod.is_ready = one.at("status").text() == "True"; }
    }
  }
  return pod;
}

Address read_service(const AnswerValue& row) {
  const std::map<std::string, std::string> labels = texts_of(row.at("metadata"), "labels");
  Address address{.gang = text_in(labels, kGangLabel), .rank = rank_of(labels)};
  const std::optional<AnswerValue> status = row.find("status");
  const std::optional<AnswerValue> balancer = status ? status->find("loadBalancer") : std::nullopt;
  for (const AnswerValue& one : list_in(balancer, "ingress")) {
    address.host = one.text_or("ip", one.text_or("hostname"));
    if (!address.host.empty()) { break; }
  }
  return address;
}

Error refuse(ErrorKind kind, ErrorScope scope, const std::string& zone, const std::string& code,
             const std::string& message) {
  return {.kind = kind,
          .message = message,
          .hint = kind == ErrorKind::quota ? "quotas are raised by CoreWeave's support or sales" : "",
          .source = "coreweave " + zone + " NodePool",
          .code = code,
          .scope = scope};
}

/// What a pool's nodes are seen by, gathered by gang.
class GangView {
 public:
  GangView(const std::string& zone, const Pool& pool, const ClusterSight& sight, Instant now)
      : zone_(zone), pool_(pool), now_(now) {
    for (const KubeNode& node : sight.nodes) {
      if (node.gang == pool.name) { nodes_[node.name] = &node; }
    }
    for (const Pod& pod : sight.pods) {
      if (pod.gang == pool.name) { pods_[pod.rank] = &pod; }
    }
    for (const Address& address : sight.addresses) {
      if (address.gang == pool.name) { addresses_[address.rank] = address.host; }
    }
    place_unbound();
  }

  [[nodiscard]] std::vector<NodeView> views() const {
    NodeView common;
    common.offer = {.provider = "coreweave", .region = zone_, .instance_type = pool_.instance_type};
    std::map<std::string, std::string> tags;
    for (const auto& [name, value] : pool_.annotations) {
      if (name.rfind(kTagPrefix, 0) == 0) { tags[name.substr(kTagPrefix.size())] = value; }
    }
    if (!read_machine_tags(tags, common)) { return {}; }
    common.created_at = pool_.created_at;
    common.env = fabric_env();
    const std::set<int> given_back = parse_ranks(text_in(pool_.annotations, kGivenBack));
    std::vector<NodeView> views;
    for (int rank = 0; rank < size(); ++rank) {
      NodeView view = common;
      view.index = rank;
      view.id = {std::string(kIdPrefix) + zone_ + "/" + machine_name(view.token, rank)};
      fill(view, given_back.count(rank) != 0);
      views.push_back(std::move(view));
    }
    return views;
  }

 private:
  [[nodiscard]] int size() const {
    constexpr std::int64_t kMost = 10'000;
    return static_cast<int>(
        std::clamp<std::int64_t>(parse_int(text_in(pool_.annotations, kNodes)).value_or(0), 0, kMost));
  }

  /// A node that has come and whose pod has not been put on it yet is billed like any other.
  void place_unbound() {
    std::vector<const KubeNode*> free;
    for (const auto& [name, node] : nodes_) {
      const bool is_bound = std::any_of(pods_.begin(), pods_.end(), [&, &one = name](const auto& entry) {
        return entry.second->node == one;
      });
      if (!is_bound) { free.push_back(node); }
    }
    auto next = free.begin();
    for (const auto& [rank, pod] : pods_) {
      if (next == free.end()) { return; }
      if (pod->node.empty()) { expected_[rank] = *next++; }
    }
  }

  [[nodiscard]] std::map<std::string, std::string> fabric_env() const {
    std::map<std::string, std::string> env = {{"NCCL_SOCKET_IFNAME", "eth0"}, {"GLOO_SOCKET_IFNAME", "eth0"}};
    const std::vector<Listing> listings = listings_in(pool_.instance_type, zone_);
    // Source: coreweave/nccl-tests, read 2026-11.
    if (!listings.empty() && listings.front().fabric == Fabric::infiniband) {
      env["NCCL_IB_HCA"] = "ibp";
      env["NCCL_COLLNET_ENABLE"] = "0";
      env["UCX_TLS"] = "tcp";
      env["UCX_NET_DEVICES"] = "eth0";
    }
    return env;
  }

  void end(NodeView& view, const std::string& reason) const {
    view.state = NodeState::ended;
    view.end_reason = reason;
  }

  void fill(NodeView& view, bool given_back) const {
    const auto pod = pods_.find(view.index);
    if (given_back) { return end(view, "terminated"); }
    if (pool_.target == 0 && !pool_.is_deleting) { return; }  // booking was cut off before it asked for nodes
    if (pod == pods_.end()) {
      return end(view, pool_.is_deleting                   ? "terminated"
                       : view.offer.market == Market::spot ? "preempted"
                                                           : "host failure");
    }
    if (const KubeNode* const node = node_of(view.index, *pod->second)) {
      view.billed_from = node->created_at;
      fill_notice(view, *node);
    } else if (!pod->second->node.empty()) {
      // Its node is gone, the pod will be removed in a moment.
      return end(view, view.offer.market == Market::spot ? "preempted" : "host failure");
    } else if (const std::optional<Error> error = judge_pool(pool_, zone_)) {
      return end(view, std::string(to_string(error->kind)) + ": " + error->message);
    }
    if (pod->second->phase == "Failed" || pod->second->phase == "Succeeded") {
      return end(view, "the container ended");
    }
    const auto address = addresses_.find(view.index);
    const bool has_address = address != addresses_.end() && !address->second.empty();
    if (pod->second->phase != "Running" || !pod->second->is_ready || !has_address) { return; }
    view.state = NodeState::running;
    view.address.host = address->second;
    view.address.peer_host = pod->second->ip;
  }

  [[nodiscard]] const KubeNode* node_of(int rank, const Pod& pod) const {
    if (const auto found = nodes_.find(pod.node); found != nodes_.end()) { return found->second; }
    const auto expected = expected_.find(rank);
    return expected == expected_.end() ? nullptr : expected->second;
  }

  /// A cordoned node of other markets waits for its pods: no notice.
  void fill_notice(NodeView& view, const KubeNode& node) const {
    const bool is_taken = node.is_taken || (node.is_cordoned && view.offer.market == Market::spot);
    if (!is_taken) { return; }
    // Where the mark tells no time, the drain may begin at any moment.
    view.notice_until = node.taken_since ? *node.taken_since + kUntilDrain + kPodGrace : now_ + kPodGrace;
  }

  const std::string& zone_;
  const Pool& pool_;
  Instant now_;
  std::map<std::string, const KubeNode*> nodes_ = {};
  std::map<int, const Pod*> pods_ = {};
  std::map<int, std::string> addresses_ = {};
  std::map<int, const KubeNode*> expected_ = {};
};

}  // namespace

Result<Pool> parse_pool(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Pool> { return read_pool(root); });
}

Result<KubePage<Pool>> parse_pools(std::string_view body) {
  return parse_page<Pool>(body, read_pool);
}

Result<KubePage<KubeNode>> parse_nodes(std::string_view body) {
  return parse_page<KubeNode>(body, read_node);
}

Result<KubePage<Pod>> parse_pods(std::string_view body) {
  return parse_page<Pod>(body, read_pod);
}

Result<KubePage<Address>> parse_services(std::string_view body) {
  return parse_page<Address>(body, read_service);
}

std::optional<Error> judge_pool(const Pool& pool, const std::string& zone) {
  for (const Condition& one : pool.conditions) {
    if (one.status != "False") { continue; }
    const std::string words =
        "NodePool " + pool.name + ": " + (one.message.empty() ? one.type + " is " + one.reason : one.message);
    const std::string code = one.type + "=" + one.reason;
    if (one.type == "Validated") { return refuse(ErrorKind::invalid, ErrorScope::offer, zone, code, words); }
    if (one.type == "Quota") {
      return refuse(ErrorKind::quota, ErrorScope::region, zone, code,
                    words + " (" + std::to_string(pool.target) + " nodes of " + pool.instance_type +
                        " were asked for)");
    }
    if (one.type == "Capacity") { return refuse(ErrorKind::capacity, ErrorScope::offer, zone, code, words); }
  }
  return std::nullopt;
}

Result<std::optional<Error>> judge_events(std::string_view body, const std::string& zone) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::optional<Error>> {
    std::optional<Error> found;
    for (const AnswerValue& event : root.at("items").list()) {
      const std::string reason = event.text_or("reason");
      const std::string message = event.text_or("message", reason);
      // A quota is said first: without it nobody looks for capacity.
      if (reason == "CWOverQuota") {
        return std::optional(refuse(ErrorKind::quota, ErrorScope::region, zone, reason, message));
      }
      if (reason == "CWInsufficientCapacity") {
        found = refuse(ErrorKind::capacity, ErrorScope::offer, zone, reason, message);
      }
    }
    return found;
  });
}

bool is_accepted(const Pool& pool) {
  return pool.current + pool.in_progress >= pool.target;
}

std::vector<NodeView> view_machines(const std::string& zone, const ClusterSight& sight, Instant now) {
  std::vector<NodeView> all;
  for (const Pool& pool : sight.pools) {
    for (NodeView& view : GangView(zone, pool, sight, now).views()) { all.push_back(std::move(view)); }
  }
  return all;
}

std::set<int> parse_ranks(std::string_view text) {
  std::set<int> ranks;
  for (const std::string& part : split(text, ',')) {
    const std::optional<std::int64_t> rank = parse_int(part);
    constexpr std::int64_t kMost = 100'000;
    if (rank && *rank >= 0 && *rank <= kMost) { ranks.insert(static_cast<int>(*rank)); }
  }
  return ranks;
}

std::string format_ranks(const std::set<int>& ranks) {
  std::vector<std::string> parts;
  for (const int rank : ranks) { parts.push_back(std::to_string(rank)); }
  return join(parts, ",");
}

std::optional<MachinePlace> parse_machine_id(const NodeId& id) {
  const std::string& text = id.value;
  const std::size_t slash = text.rfind('/');
  const std::size_t hyphen = text.rfind('-');
  const bool is_whole = text.rfind(kIdPrefix, 0) == 0 && slash > kIdPrefix.size() &&
                        hyphen != std::string::npos && hyphen > slash + 1;
  if (!is_whole) { return std::nullopt; }
  const std::optional<std::int64_t> rank = parse_int(std::string_view(text).substr(hyphen + 1));
  if (!rank || *rank < 0 || *rank > 100'000) { return std::nullopt; }
  return MachinePlace{.zone = text.substr(kIdPrefix.size(), slash - kIdPrefix.size()),
                      .pool = text.substr(slash + 1, hyphen - slash - 1),
                      .rank = static_cast<int>(*rank)};
}

}  // namespace gpubroker::coreweave
