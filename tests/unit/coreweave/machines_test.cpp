// A gang as its cluster tells it, what is asked for, mutants, and the paths that no emulator takes.
#include "providers/coreweave/machines.hpp"

#include <doctest/doctest.h>

#include "core/ports/machine_tags.hpp"
#include "providers/coreweave/manifests.hpp"
#include "providers/coreweave/provider.hpp"
#include "tests/mutation.hpp"
#include "tests/pod_world.hpp"

namespace gpubroker::coreweave {
namespace {

using testing::fixture;
using testing::MutableJson;
using testing::PodWorld;
const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z

ClusterSight sight() {
  return {.pools = parse_pools(fixture("coreweave/nodepools.json")).value().items,
          .nodes = parse_nodes(fixture("coreweave/nodes.json")).value().items,
          .pods = parse_pods(fixture("coreweave/pods.json")).value().items,
          .addresses = parse_services(fixture("coreweave/services.json")).value().items};
}

std::vector<NodeView> views_of(const ClusterSight& seen) {
  return view_machines("US-EAST-04A", seen, kNow);
}

Pool pool_with(const std::string& type, const std::string& reason, const std::string& message) {
  Pool pool = sight().pools.at(0);
  for (Condition& one : pool.conditions) {
    if (one.type == type) { one = {.type = type, .status = "False", .reason = reason, .message = message}; }
  }
  return pool;
}

GangRequest gang(int nodes = 2, Market market = Market::on_demand) {
  return {.token = {"t1"},
          .offer = {.key = {"coreweave", "US-EAST-04A", "", "gd-8xh100ib-i128", market}},
          .nodes = nodes,
          .tags = {.workload = {"w-t1"},
                   .attempt = 1,
                   .owner = "Ann O'Hara <ann@example.com>",
                   .expires = kNow + std::chrono::hours{2}}};
}

TEST_CASE("coreweave: a rank is its pod, its node and its address") {
  const std::vector<NodeView> views = views_of(sight());
  REQUIRE(views.size() == 4);
  const NodeView& running = views[0];
  CHECK(running.id.value == "coreweave/US-EAST-04A/gb-llama-7k2q-a1-0");
  CHECK(running.token.value == "llama-7k2q-a1");
  CHECK(running.offer == OfferKey{"coreweave", "US-EAST-04A", "", "gd-8xh100ib-i128", Market::spot});
  CHECK(running.tags.key == "build-7");
  CHECK(format_utc(running.tags.expires) == "2026-11-27T10:00:00Z");
  CHECK(running.state == NodeState::running);
  CHECK(running.address.host == "203.0.113.4");
  CHECK(running.address.peer_host == "10.16.0.4");
  CHECK(format_utc(*running.billed_from) == "2026-11-24T11:50:00Z");
  CHECK_FALSE(running.notice_until.has_value());
  CHECK(running.env.at("NCCL_IB_HCA") == "ibp");
  CHECK(views[1].address.host == "one.coreweave.app");
  CHECK(views[2].state == NodeState::starting);
  CHECK_FALSE(views[2].billed_from.has_value());
  CHECK(views[3].state == NodeState::ended);
  CHECK(views[3].end_reason == "terminated");  // given back before
}

TEST_CASE("coreweave: a notice holds until the pods' grace is over") {
  CHECK(format_utc(*views_of(sight())[1].notice_until) == "2026-11-24T12:05:00Z");
  ClusterSight seen = sight();
  seen.nodes[1].taken_since.reset();  // marked, and nobody says since when
  CHECK(*views_of(seen)[1].notice_until == kNow + kPodGrace);
  seen.nodes[1].is_taken = false;  // merely cordoned: a spot node is on its way out
  CHECK(views_of(seen)[1].notice_until.has_value());
  seen.pools[0].annotations["gpubroker/market"] = "on_demand";  // others wait for their pods
  CHECK_FALSE(views_of(seen)[1].notice_until.has_value());
}

TEST_CASE("coreweave: what is missing has ended, and why") {
  ClusterSight seen = sight();
  seen.pods.erase(seen.pods.begin());
  CHECK(views_of(seen)[0].state == NodeState::ended);
  CHECK(views_of(seen)[0].end_reason == "preempted");
  seen = sight();
  seen.nodes.erase(seen.nodes.begin());  // the pod is removed a moment later
  CHECK(views_of(seen)[0].end_reason == "preempted");
  seen.pools[0].annotations["gpubroker/market"] = "on_demand";
  CHECK(views_of(seen)[0].end_reason == "host failure");
  seen = sight();
  seen.pods[0].phase = "Failed";
  CHECK(views_of(seen)[0].state == NodeState::ended);
  CHECK(views_of(seen)[0].billed_from.has_value());
  seen = sight();
  seen.pods.clear();
  seen.pools[0].is_deleting = true;
  CHECK(views_of(seen)[0].end_reason == "terminated");
}

TEST_CASE("coreweave: a node without a pod is billed for the rank that waits") {
  ClusterSight seen = sight();
  seen.nodes.push_back(
      {.name = "g777", .gang = "gb-llama-7k2q-a1", .created_at = kNow, .is_cordoned = false});
  const std::vector<NodeView> views = views_of(seen);
  CHECK(views[2].billed_from == kNow);
  CHECK(views[2].state == NodeState::starting);
}

TEST_CASE("coreweave: a pool that gets no nodes any more ends the ranks that wait, and only those") {
  ClusterSight seen = sight();
  seen.pools[0] = pool_with("Capacity", "Insufficient", "1 node is missing");
  const std::vector<NodeView> views = views_of(seen);
  CHECK(views[0].state == NodeState::running);
  CHECK(views[2].state == NodeState::ended);
  CHECK(views[2].end_reason.find("1 node is missing") != std::string::npos);
}

TEST_CASE("coreweave: a pool not told to have nodes yet is a gang that starts; a foreign pool is nobody's") {
  ClusterSight seen = sight();
  seen.pods.clear();
  seen.pools[0].target = 0;
  seen.pools[0].annotations.erase("gpubroker/given-back");
  for (const NodeView& view : views_of(seen)) { CHECK(view.state == NodeState::starting); }
  seen.pools[0].annotations.erase("gpubroker/token");
  CHECK(views_of(seen).empty());
}

TEST_CASE("coreweave: the pool's conditions and events are verdicts") {
  CHECK(is_accepted(sight().pools[0]));  // two are there, one is on its way
  CHECK_FALSE(judge_pool(sight().pools[0], "Z").has_value());
  const Error stock = *judge_pool(pool_with("Capacity", "Insufficient", "no"), "Z");
  CHECK(stock.kind == ErrorKind::capacity);
  CHECK(stock.scope == ErrorScope::offer);
  CHECK(stock.code == "Capacity=Insufficient");
  const Error quota = *judge_pool(pool_with("Quota", "Over", ""), "Z");
  CHECK(quota.kind == ErrorKind::quota);
  CHECK(quota.message.find("3 nodes of gd-8xh100ib-i128") != std::string::npos);
  CHECK(judge_pool(pool_with("Validated", "Invalid", "instance type does not exist in zone"), "Z")->kind ==
        ErrorKind::invalid);
  Pool waiting = sight().pools[0];
  waiting.in_progress = 0;  // its conditions may still be those of the former target
  CHECK_FALSE(is_accepted(waiting));
  const auto told = judge_events(fixture("coreweave/events.json"), "Z");
  REQUIRE(told.ok());
  CHECK(told.value()->code == "CWInsufficientCapacity");
  CHECK(judge_events(R"({"items":[{"reason":"CWInsufficientCapacity"},{"reason":"CWOverQuota"}]})", "Z")
            .value()
            ->kind == ErrorKind::quota);
  CHECK_FALSE(judge_events(R"({"items":[]})", "Z").value().has_value());
}

TEST_CASE("coreweave: mutants are refused, never thrown over") {
  const auto any = [](const auto& parse) { return [&parse](const std::string& text) { (void)parse(text); }; };
  testing::for_each_mutant(MutableJson::parse(fixture("coreweave/nodepools.json")), any(parse_pools));
  testing::for_each_mutant(MutableJson::parse(fixture("coreweave/nodes.json")), any(parse_nodes));
  testing::for_each_mutant(MutableJson::parse(fixture("coreweave/pods.json")), any(parse_pods));
  testing::for_each_mutant(MutableJson::parse(fixture("coreweave/services.json")), any(parse_services));
  testing::for_each_mutant(MutableJson::parse(fixture("coreweave/events.json")),
                           [](const std::string& text) { (void)judge_events(text, "Z"); });
}

TEST_CASE("coreweave: machine ids and ranks are read back") {
  const auto place = parse_machine_id({"coreweave/US-EAST-04A/gb-llama-7k2q-a1-12"});
  REQUIRE(place.has_value());
  CHECK(place->zone == "US-EAST-04A");
  CHECK(place->pool == "gb-llama-7k2q-a1");
  CHECK(place->rank == 12);
  for (const char* const bad : {"", "coreweave/", "coreweave/Z", "coreweave/Z/gb", "coreweave/Z/gb-x",
                                "aws/Z/gb-1", "coreweave/Z/-1"}) {
    CHECK_FALSE(parse_machine_id({bad}).has_value());
  }
  CHECK(format_ranks(parse_ranks("2,0,x,-1,2,")) == "0,2");
}

TEST_CASE("coreweave: the pool asks for nothing yet, and carries our tags where they fit") {
  const MutableJson pool = MutableJson::parse(encode_pool(gang(2, Market::spot)));
  CHECK(pool["metadata"]["name"] == "gb-t1");
  CHECK(pool["spec"]["targetNodes"] == 0);
  CHECK(pool["spec"]["computeClass"] == "spot");
  CHECK(pool["spec"]["nodeTaints"][0]["key"] == "gpubroker/gang");
  CHECK(pool["metadata"]["annotations"]["gpubroker/owner"] == "Ann O'Hara <ann@example.com>");
  CHECK(pool["metadata"]["annotations"]["gpubroker/expires"] == "2026-11-24T14:00:00Z");
  CHECK(pool["metadata"]["labels"].size() == 2);
  CHECK(MutableJson::parse(encode_target(3, "0"))["metadata"]["annotations"]["gpubroker/given-back"] == "0");
  CHECK_FALSE(MutableJson::parse(encode_target(3)).contains("metadata"));
}

TEST_CASE("coreweave: a rank is a pod on the whole node and a public address; all of it is the pool's") {
  const Home home{.pool_uid = "uid-1", .name_space = "research"};
  const std::vector<Manifest> made = encode_rank(gang(), 1, home, kNow);
  REQUIRE(made.size() == 2);
  CHECK(made[0].path == "/api/v1/namespaces/research/pods");
  const MutableJson pod = MutableJson::parse(made[0].body);
  const MutableJson& container = pod["spec"]["containers"][0];
  CHECK(container["resources"]["limits"]["nvidia.com/gpu"] == "8");
  CHECK(container["resources"]["limits"]["rdma/ib"] == "1");
  CHECK(pod["spec"]["activeDeadlineSeconds"] == 2 * 3600 + 300);
  CHECK(pod["spec"]["terminationGracePeriodSeconds"] == 240);
  CHECK(pod["spec"]["nodeSelector"]["compute.coreweave.com/node-pool"] == "gb-t1");
  CHECK(pod["metadata"]["ownerReferences"][0]["uid"] == "uid-1");
  CHECK(container["env"][1]["value"] == std::to_string(kNow.ms / 1000 + 7200));
  const MutableJson service = MutableJson::parse(made[1].body);
  CHECK(service["metadata"]["annotations"]["service.beta.kubernetes.io/coreweave-load-balancer-type"] ==
        "public");
  CHECK(service["spec"]["selector"]["gpubroker/rank"] == "1");
  for (const Manifest& one : made) { CHECK(one.body.find("host-secret") == std::string::npos); }
}

TEST_CASE("coreweave: the pods' account may end its own pool and do nothing else") {
  const testing::FakeKeyRing ring;
  const std::vector<Manifest> made =
      encode_belongings(gang(), {.pool_uid = "uid-1", .name_space = "default"}, ring.keys);
  REQUIRE(made.size() == 4);
  const MutableJson rules = MutableJson::parse(made[2].body)["rules"];
  CHECK(
      rules ==
      MutableJson::parse(
          R"([{"apiGroups":["compute.coreweave.com"],"resources":["nodepools"],"resourceNames":["gb-t1"],"verbs":["delete"]}])"));
  CHECK(MutableJson::parse(made[0].body)["data"]["host_key"] == "aG9zdC1zZWNyZXQ=");
  CHECK(MutableJson::parse(made[3].body)["subjects"][0]["namespace"] == "default");
}

struct Account : PodWorld {
  Account() : PodWorld("COREWEAVE_API_TOKEN") {
    http.answer("GET https://api.coreweave.com/v1beta1/cks/clusters", fixture("coreweave/clusters.json"));
  }
  std::string at(const std::string& method, const std::string& path) const {
    return method + " https://org-1a2b3c4d.k8s.us-east-04a.coreweave.com" + path;
  }
  std::string pools(const std::string& method) const {
    return at(method, "/apis/compute.coreweave.com/v1alpha1/nodepools");
  }
  std::string pool_text(const GangRequest& request, const MutableJson& change) const {
    MutableJson pool = MutableJson::parse(encode_pool(request));
    pool["metadata"]["uid"] = "uid-1";
    pool.merge_patch(change);
    return pool.dump();
  }
  std::size_t asked(const std::string& begin) const {
    return static_cast<std::size_t>(std::count_if(
        http.requests.begin(), http.requests.end(),
        [&](const HttpRequest& one) { return (one.method + " " + one.url).rfind(begin, 0) == 0; }));
  }
};

TEST_CASE("coreweave: another request's pool is left alone") {
  Account account;
  account.http.answer(account.pools("POST"), {.status = 409, .body = R"({"reason":"AlreadyExists"})"});
  account.http.answer(account.pools("GET") + "/gb-t1", account.pool_text(gang(3), MutableJson::object()));
  const auto provider = make_provider(account.parts());
  const Error error = provider->provisioner().ensure_gang(gang(2)).error();
  CHECK(error.code == "TokenMismatch");
  CHECK(error.kind == ErrorKind::invalid);
  CHECK(account.asked("DELETE") == 0);
}

TEST_CASE("coreweave: a pool on its way out was given back before") {
  Account account;
  account.http.answer(account.pools("POST"), {.status = 409, .body = R"({"reason":"AlreadyExists"})"});
  account.http.answer(
      account.pools("GET") + "/gb-t1",
      account.pool_text(gang(), {{"metadata", {{"deletionTimestamp", "2026-11-24T12:00:00Z"}}}}));
  const Error error = make_provider(account.parts())->provisioner().ensure_gang(gang()).error();
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.maybe_applied);
}

TEST_CASE("coreweave: a zone without a cluster, a market that is not sold, and no account") {
  Account account;
  const auto provider = make_provider(account.parts());
  GangRequest request = gang();
  request.offer.key.region = "EU-SOUTH-03A";
  CHECK(provider->provisioner().ensure_gang(request).error().kind == ErrorKind::quota);
  CHECK(provider->provisioner().ensure_gang(gang(1, Market::block)).error().kind == ErrorKind::invalid);
  PodWorld stranger("UNUSED");
  CHECK(make_provider(stranger.parts())->provisioner().list().error().code == "no_credentials");
}

TEST_CASE("coreweave: a controller that says nothing is not waited for longer than it deserves") {
  Account account;
  account.http.answer(account.pools("POST"), account.pool_text(gang(), MutableJson::object()));
  account.http.answer(account.at("POST", "/api/v1/"), {.status = 201, .body = "{}"});
  account.http.answer(account.at("POST", "/apis/rbac"),
                      {.status = 409, .body = R"({"reason":"AlreadyExists"})"});
  account.http.answer(account.pools("PATCH"), account.pool_text(gang(), {{"spec", {{"targetNodes", 2}}}}));
  account.http.answer(account.pools("GET") + "/gb-t1",
                      account.pool_text(gang(), {{"spec", {{"targetNodes", 2}}}}));
  account.http.answer(account.at("GET", "/api/v1/events"), R"({"items":[]})");
  const std::string pool = account.pool_text(gang(), {{"spec", {{"targetNodes", 2}}}});
  account.http.answer(account.pools("GET") + "?", R"({"metadata":{},"items":[)" + pool + "]}");
  for (const char* const plural : {"nodes", "services"}) {
    account.http.answer(account.at("GET", std::string("/api/v1/") + plural), R"({"metadata":{},"items":[]})");
  }
  const MutableJson pods = {{"metadata", MutableJson::object()},
                            {"items",
                             {MutableJson::parse(encode_rank(gang(), 0, {"u", "default"}, kNow)[0].body),
                              MutableJson::parse(encode_rank(gang(), 1, {"u", "default"}, kNow)[0].body)}}};
  account.http.answer(account.at("GET", "/api/v1/pods"), pods.dump());
  const Instant began = account.clock.now();
  const auto gang_of_two = make_provider(account.parts())->provisioner().ensure_gang(gang());
  REQUIRE_MESSAGE(gang_of_two.ok(), gang_of_two.error().message);
  CHECK(gang_of_two.value().size() == 2);
  CHECK(gang_of_two.value()[0].state == NodeState::starting);
  CHECK(account.clock.now() - began < std::chrono::seconds{11});
  CHECK(account.asked(account.at("GET", "/api/v1/events")) > 20);
}

}  // namespace
}  // namespace gpubroker::coreweave
