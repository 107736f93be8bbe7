#include "providers/coreweave/provider.hpp"

#include <algorithm>

#include "core/ports/departed_machines.hpp"
#include "core/ports/gang_of_singles.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/url.hpp"
#include "providers/coreweave/facts.hpp"
#include "providers/coreweave/kube.hpp"
#include "providers/coreweave/machines.hpp"
#include "providers/coreweave/manifests.hpp"

namespace gpubroker::coreweave {
namespace {

constexpr std::size_t kAtOnce = 8;
/// How long the pool's controller is waited for to say that there is no capacity or quota. What it says later
/// is seen in the list.
constexpr Millis kVerdict = std::chrono::seconds{10};
constexpr Millis kVerdictPause{250};
constexpr const char* kPoolKind = "node pool";
constexpr const char* kMismatch = "TokenMismatch";
constexpr const char* kSpent = "TokenSpent";

std::string pool_path(const std::string& name) {
  return std::string(kPools) + "/" + name;
}

bool is_living(const NodeView& view) {
  return view.state != NodeState::ended;
}

/// What did not come back whole may have been done.
Error maybe(Error error) {
  if (error.kind == ErrorKind::internal) {
    error.kind = ErrorKind::network;
    error.maybe_applied = true;
  }
  return error;
}

class CoreWeaveProvider final : public Provider, Provisioner, Attachments {
 public:
  explicit CoreWeaveProvider(const CloudParts& parts) : parts_(parts), kube_(parts) {}
  [[nodiscard]] std::string name() const override { return "coreweave"; }
  [[nodiscard]] bool has_account() override { return kube_.has_account(); }
  Provisioner& provisioner() override { return *this; }
  NodeChannel& channel() override { return parts_.channel; }
  Attachments* attachments() override { return this; }
  // Bare metal is handed over in 20 to 30 minutes.
  [[nodiscard]] Millis boot_limit() const override { return std::chrono::minutes{45}; }
  [[nodiscard]] Millis poll_interval() const override { return std::chrono::seconds{3}; }
  [[nodiscard]] std::string death_date_gap(const OfferKey& /*offer*/) const override {
    return "the pods end their own node pool then; nodes that never ran a pod are billed until the pool is "
           "ended: CoreWeave ends none by itself";
  }

  Result<std::vector<NodeView>> ensure_gang(const GangRequest& request) override {
    const OfferKey& key = request.offer.key;
    if (key.market != Market::on_demand && key.market != Market::spot) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "CoreWeave's nodes are sold on demand and as spot, not as " +
                              std::string(to_string(key.market)),
                   .source = "coreweave",
                   .code = "not sent",
                   .scope = ErrorScope::offer};
    }
    TRY(const Cluster cluster, kube_.cluster_in(key.region));
    Result<std::vector<NodeView>> gang = book(cluster, request);
    if (gang.ok() || may_go_on(gang.error())) { return gang; }
    // Another request's pool, or one that was given up already, is left alone.
    const std::string& code = gang.error().code;
    return code == kMismatch || code == kSpent ? gang.error() : give_up(cluster, request, gang.error());
  }

  Result<std::vector<NodeView>> list() override {
    TRY(std::vector<NodeView> views, list_everywhere());
    departed_.add_to(views, parts_.clock.monotonic());
    return views;
  }

  Status terminate(const std::vector<NodeId>& nodes) override {
    std::map<std::pair<std::string, std::string>, std::set<int>> meant;
    for (const NodeId& id : nodes) {
      // What is no name of ours is nobody's: gone.
      if (const auto place = parse_machine_id(id)) { meant[{place->zone, place->pool}].insert(place->rank); }
    }
    const std::vector<std::pair<std::pair<std::string, std::string>, std::set<int>>> gangs(meant.begin(),
                                                                                           meant.end());
    return run_all(parts_.fan_out, gangs.size(), kAtOnce, [&](std::size_t i) {
      return end_ranks(gangs[i].first.first, gangs[i].first.second, gangs[i].second);
    });
  }

  // --- what is left: pools of which no machine lives, with all that belongs to them ---

  Result<std::vector<Leftover>> leftovers() override {
    TRY(const std::vector<Cluster> clusters, kube_.clusters());
    std::vector<Leftover> found;
    for (const Cluster& cluster : clusters) {
      TRY(const ClusterSight sight, look(cluster, std::string(kGangLabel)));
      const std::vector<NodeView> views = view_machines(cluster.zone, sight, parts_.clock.now());
      for (const Pool& pool : sight.pools) {
        const bool is_used = std::any_of(views.begin(), views.end(), [&](const NodeView& view) {
          return is_living(view) && gang_name(view.token) == pool.name;
        });
        if (is_used || pool.is_deleting) { continue; }
        found.push_back({.kind = kPoolKind,
                         .id = pool.name,
                         .region = cluster.zone,
                         .token = {pool.name},
                         .costs = pool.target > 0});
      }
    }
    return found;
  }

  Status remove(const std::vector<Leftover>& leftovers) override {
    for (const Leftover& leftover : leftovers) {
      TRY(const Cluster cluster, kube_.cluster_in(leftover.region));
      TRY(const std::vector<NodeView> views, views_of(cluster, leftover.id));
      if (std::any_of(views.begin(), views.end(), is_living)) {
        return Error{.kind = ErrorKind::conflict,
                     .message = "the node pool " + leftover.id + " has machines",
                     .source = "coreweave " + leftover.region};
      }
      TRY([[maybe_unused]] const Ok done, delete_pool(cluster, leftover.id));
    }
    return Ok{};
  }

  Status sweep(const Token& token, const OfferKey& offer) override {
    TRY(const Cluster cluster, kube_.cluster_in(offer.region));
    const std::string pool = gang_name(token);
    TRY(const std::optional<Pool> there, find_pool(cluster, pool));
    if (!there) { return Ok{}; }
    TRY(const std::vector<NodeView> views, views_of(cluster, pool));
    // The last of them sweeps.
    if (std::any_of(views.begin(), views.end(), is_living)) { return Ok{}; }
    return delete_pool(cluster, pool);
  }

 private:
  // --- booking: everything but the nodes first, so that a pod that is missing later has gone ---

  Result<std::vector<NodeView>> book(const Cluster& cluster, const GangRequest& request) {
    TRY(const Pool pool, ensure_pool(cluster, request));
    if (pool.target == 0) {
      TRY([[maybe_unused]] const Ok made, ensure_belongings(cluster, request, pool));
      TRY([[maybe_unused]] const HttpResponse told,
          kube_.send(cluster, encode_kube(cluster, "PATCH", pool_path(pool.name),
                                          encode_target(request.nodes), BodyKind::merge_patch)));
      if (const Result<Pool> read = parse_pool(told.body); !read.ok()) { return maybe(read.error()); }
    }
    TRY([[maybe_unused]] const Ok accepted, await_verdict(cluster, pool.name));
    TRY(std::vector<NodeView> gang, views_of(cluster, pool.name));
    if (gang.size() != static_cast<std::size_t>(request.nodes)) {
      return Error{.kind = ErrorKind::conflict,
                   .message = "NodePool " + pool.name + " was changed by somebody else",
                   .source = "coreweave " + cluster.zone};
    }
    return gang;
  }

  Result<Pool> ensure_pool(const Cluster& cluster, const GangRequest& request) {
    const std::string name = gang_name(request.token);
    Result<HttpResponse> made =
        kube_.send(cluster, encode_kube(cluster, "POST", std::string(kPools), encode_pool(request)));
    if (made.ok()) {
      Result<Pool> pool = parse_pool(made.value().body);
      if (!pool.ok()) { return maybe(pool.error()); }
      return pool;
    }
    if (made.error().code != "AlreadyExists") { return made.error(); }
    TRY(const HttpResponse answer, kube_.send(cluster, encode_kube(cluster, "GET", pool_path(name))));
    TRY(Pool pool, parse_pool(answer.body));
    const auto token = pool.annotations.find(std::string(kTagPrefix) + "token");
    const auto nodes = pool.annotations.find(std::string(kNodes));
    const bool is_this = token != pool.annotations.end() && token->second == request.token.value &&
                         nodes != pool.annotations.end() && nodes->second == std::to_string(request.nodes) &&
                         pool.instance_type == request.offer.key.instance_type;
    if (!is_this) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "the NodePool " + name + " in " + cluster.zone + " is another request's",
                   .source = "coreweave " + cluster.zone,
                   .code = kMismatch};
    }
    if (pool.is_deleting) {
      return Error{.kind = ErrorKind::capacity,
                   .message = "the gang " + request.token.value + " was given back before",
                   .source = "coreweave " + cluster.zone,
                   .code = kSpent,
                   .scope = ErrorScope::offer,
                   .maybe_applied = true};
    }
    return pool;
  }

  Status ensure_belongings(const Cluster& cluster, const GangRequest& request, const Pool& pool) {
    TRY(const NodeKeys keys, parts_.keys.ensure(request.tags.workload));
    const Home home{.pool_uid = pool.uid, .name_space = cluster.name_space};
    TRY([[maybe_unused]] const Ok first, make_all(cluster, encode_belongings(request, home, keys)));
    return run_all(parts_.fan_out, static_cast<std::size_t>(request.nodes), kAtOnce, [&](std::size_t rank) {
      return make_all(cluster, encode_rank(request, static_cast<int>(rank), home, parts_.clock.now()));
    });
  }

  Status make_all(const Cluster& cluster, const std::vector<Manifest>& manifests) {
    for (const Manifest& one : manifests) {
      const Result<HttpResponse> made = kube_.send(cluster, encode_kube(cluster, "POST", one.path, one.body));
      // Of an earlier try.
      if (!made.ok() && made.error().code != "AlreadyExists") { return made.error(); }
    }
    return Ok{};
  }

  /// Until the pool's controller has said yes or no, or has taken its time.
  Status await_verdict(const Cluster& cluster, const std::string& name) {
    const Millis until = parts_.clock.monotonic() + kVerdict;
    const std::string events = "/api/v1/events?" + encode_query({{"fieldSelector",
                                                                  "involvedObject.kind=NodePool,"
                                                                  "involvedObject.name=" +
                                                                      name}});
    while (true) {
      TRY(const HttpResponse answer, kube_.send(cluster, encode_kube(cluster, "GET", pool_path(name))));
      TRY(const Pool pool, parse_pool(answer.body));
      if (std::optional<Error> refused = judge_pool(pool, cluster.zone)) { return *std::move(refused); }
      if (is_accepted(pool)) { return Ok{}; }
      TRY(const HttpResponse told, kube_.send(cluster, encode_kube(cluster, "GET", events)));
      TRY(std::optional<Error> refused, judge_events(told.body, cluster.zone));
      if (refused) { return *std::move(refused); }
      if (parts_.clock.monotonic() >= until) { return Ok{}; }
      parts_.clock.sleep_until(parts_.clock.now() + kVerdictPause);
    }
  }

  /// A pool that lacks anything waits for ever, and fills up by itself: it is ended, and what it cost is
  /// told.
  Error give_up(const Cluster& cluster, const GangRequest& request, Error error) {
    const std::string pool = gang_name(request.token);
    Result<std::vector<NodeView>> views = views_of(cluster, pool);
    std::vector<NodeView> billed = views.ok() ? std::move(views).value() : std::vector<NodeView>{};
    std::erase_if(billed, [](const NodeView& view) { return !view.billed_from; });
    error.maybe_applied = error.maybe_applied || !billed.empty();
    if (const Status ended = end_pool(cluster, pool, std::move(billed)); !ended.ok()) {
      error.message += "; and its node pool could not be ended: " + ended.error().message;
      error.maybe_applied = true;
    }
    return error;
  }

  // --- finding and ending ---

  Result<std::optional<Pool>> find_pool(const Cluster& cluster, const std::string& name) {
    const Result<HttpResponse> answer = kube_.send(cluster, encode_kube(cluster, "GET", pool_path(name)));
    if (!answer.ok() && answer.error().kind == ErrorKind::not_found) { return std::optional<Pool>{}; }
    if (!answer.ok()) { return answer.error(); }
    TRY(Pool pool, parse_pool(answer.value().body));
    return std::optional(std::move(pool));
  }

  /// Pools first: what is made after that is not looked for, and a pool has its pods before it has nodes.
  Result<ClusterSight> look(const Cluster& cluster, const std::string& selector) {
    ClusterSight sight;
    TRY(sight.pools, kube_.list(cluster, std::string(kPools), selector, parse_pools));
    if (sight.pools.empty()) { return sight; }
    TRY([[maybe_unused]] const Ok done, run_all(parts_.fan_out, 3, 3, [&](std::size_t i) -> Status {
          if (i == 0) {
            return keep(kube_.list(cluster, "/api/v1/nodes", selector, parse_nodes), sight.nodes);
          }
          if (i == 1) { return keep(kube_.list(cluster, "/api/v1/pods", selector, parse_pods), sight.pods); }
          return keep(kube_.list(cluster, "/api/v1/services", selector, parse_services), sight.addresses);
        }));
    return sight;
  }

  template <class T>
  static Status keep(Result<T> found, T& place) {
    if (!found.ok()) { return found.error(); }
    place = std::move(found).value();
    return Ok{};
  }

  Result<std::vector<NodeView>> views_of(const Cluster& cluster, const std::string& pool) {
    return views_with(cluster, std::string(kGangLabel) + "=" + pool);
  }

  Result<std::vector<NodeView>> views_with(const Cluster& cluster, const std::string& selector) {
    TRY(const ClusterSight sight, look(cluster, selector));
    std::vector<NodeView> views = view_machines(cluster.zone, sight, parts_.clock.now());
    for (NodeView& view : views) {
      if (view.state != NodeState::running) { continue; }
      TRY(view.address, login_address(parts_.keys, view, kUser));
    }
    return views;
  }

  Result<std::vector<NodeView>> list_everywhere() {
    TRY(const std::vector<Cluster> clusters, kube_.clusters());
    std::vector<std::vector<NodeView>> found(clusters.size());
    TRY([[maybe_unused]] const Ok done, run_all(parts_.fan_out, clusters.size(), kAtOnce, [&](std::size_t i) {
          return keep(views_with(clusters[i], std::string(kGangLabel)), found[i]);
        }));
    std::vector<NodeView> all;
    for (std::vector<NodeView>& views : found) {
      for (NodeView& view : views) { all.push_back(std::move(view)); }
    }
    return all;
  }

  Status end_ranks(const std::string& zone, const std::string& name, const std::set<int>& meant) {
    TRY(const Cluster cluster, kube_.cluster_in(zone));
    TRY(std::vector<NodeView> views, views_of(cluster, name));
    std::set<int> living;
    std::set<int> given_back;
    for (const NodeView& view : views) {
      if (is_living(view) && meant.count(view.index) == 0) { living.insert(view.index); }
      if (meant.count(view.index) != 0) { given_back.insert(view.index); }
    }
    if (given_back.empty()) { return Ok{}; }
    if (living.empty()) {
      TRY([[maybe_unused]] const Ok done, end_pool(cluster, name, std::move(views)));
      return Ok{};
    }
    return shrink(cluster, name, std::move(given_back), static_cast<int>(living.size()));
  }

  /// The pool has so many nodes less from now on. CoreWeave takes those that are idle: which they are is
  /// settled by the pods that go. Said before it is done, so that no pod is missing without a reason.
  Status shrink(const Cluster& cluster, const std::string& name, std::set<int> ranks, int nodes) {
    TRY(const std::optional<Pool> pool, find_pool(cluster, name));
    if (!pool) { return Ok{}; }
    const auto former = pool->annotations.find(std::string(kGivenBack));
    std::set<int> all = ranks;
    if (former != pool->annotations.end()) { all.merge(parse_ranks(former->second)); }
    TRY([[maybe_unused]] const HttpResponse told,
        kube_.send(cluster, encode_kube(cluster, "PATCH", pool_path(name),
                                        encode_target(nodes, format_ranks(all)), BodyKind::merge_patch)));
    for (const int rank : ranks) {
      const std::string machine = name + "-" + std::to_string(rank);
      for (const std::string& plural : {std::string("pods"), std::string("services")}) {
        const std::string path = "/api/v1/namespaces/" + cluster.name_space + "/" + plural + "/" + machine;
        TRY([[maybe_unused]] const Ok gone, delete_object(cluster, path + "?gracePeriodSeconds=0"));
      }
    }
    return Ok{};
  }

  Status delete_pool(const Cluster& cluster, const std::string& name) {
    return delete_object(cluster, pool_path(name) + "?propagationPolicy=Background");
  }

  Status delete_object(const Cluster& cluster, const std::string& path) {
    const Result<HttpResponse> answer = kube_.send(cluster, encode_kube(cluster, "DELETE", path));
    if (!answer.ok() && answer.error().kind != ErrorKind::not_found) { return answer.error(); }
    return Ok{};
  }

  /// Ends a pool whose machines are these, and keeps them in mind. A pool that is gone at once has given its
  /// nodes back just now; of others the end is dated by the look that misses them.
  Status end_pool(const Cluster& cluster, const std::string& name, std::vector<NodeView> machines) {
    TRY([[maybe_unused]] const Ok done, delete_pool(cluster, name));
    const Result<std::optional<Pool>> left = find_pool(cluster, name);
    for (NodeView& machine : machines) {
      const bool ended_now = left.ok() && !left.value() && is_living(machine);
      if (ended_now) { machine.ended_at = parts_.clock.now(); }
      departed_.remember(std::move(machine), parts_.clock.monotonic());
    }
    return Ok{};
  }

  CloudParts parts_;
  Kube kube_;
  DepartedMachines departed_ = {};
};

}  // namespace

std::unique_ptr<Provider> make_provider(const CloudParts& parts) {
  return std::make_unique<CoreWeaveProvider>(parts);
}

}  // namespace gpubroker::coreweave
