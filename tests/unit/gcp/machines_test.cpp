// Google's machines: what is sent, what is read, and what is made of operations.
#include "providers/gcp/machines.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/ports/machine_tags.hpp"
#include "core/wire/json.hpp"
#include "providers/gcp/fabric.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::gcp {
namespace {

using nlohmann::json;
using testing::fixture;

Instant at(const char* text) {
  return parse_utc(text).value();
}

GangRequest gang(const char* type, Market market, int nodes = 2) {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"gcp", "us-central1", "", type, market}},
          .nodes = nodes,
          .tags = {.workload = {"llama-7k2q"},
                   .attempt = 1,
                   .key = "Build 7",
                   .owner = "ann@example.com",
                   .expires = at("2026-11-25T10:00:00Z")}};
}

const NodeKeys kKeys{.public_key = "ssh-ed25519 AAAA gpubroker", .host_public = "ssh-ed25519 BBBB"};

Booking booking(const GangRequest& request) {
  return {.request = request,
          .machine = *find_machine(request.offer.key.instance_type),
          .keys = kKeys,
          .user_data = "#cloud-config\n{}",
          .now = at("2026-11-24T10:00:00Z")};
}

std::string metadata_of(const json& properties, const std::string& key) {
  for (const json& item : properties.at("metadata").at("items")) {
    if (item.at("key") == key) { return item.at("value"); }
  }
  return "(none)";
}

std::vector<Instance> listed() {
  std::vector<Instance> instances;
  const Result<std::string> next = parse_instances(fixture("gcp/instances.json"), instances);
  REQUIRE_MESSAGE(next.ok(), next.error().message);
  CHECK(next.value() == "page-2");
  return instances;
}

std::vector<Operation> operated() {
  std::vector<Operation> operations;
  REQUIRE(parse_operations(fixture("gcp/operations.json"), operations).ok());
  return operations;
}

const Instance* find(const std::vector<Instance>& all, const std::string& id) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Instance& one) { return one.view.id.value == id; });
  return found == all.end() ? nullptr : &*found;
}

TEST_CASE("gcp fabric: interfaces by machine type") {
  struct Row {
    const char* type;
    std::size_t networks, places;
    const char* last_nic;
    bool pins;
  };
  for (const Row& row :
       {Row{"a3-highgpu-8g", 4, 4, "GVNIC", false}, Row{"a3-megagpu-8g", 8, 8, "GVNIC", false},
        Row{"a3-ultragpu-8g", 2, 9, "MRDMA", true}, Row{"a4-highgpu-8g", 2, 9, "MRDMA", true},
        Row{"a4x-highgpu-4g", 2, 5, "MRDMA", true}, Row{"a4x-maxgpu-4g-metal", 2, 9, "MRDMA", true}}) {
    CAPTURE(row.type);
    const std::vector<FabricNetwork> networks = fabric_networks(row.type, "us-central1-b");
    CHECK(networks.size() == row.networks);
    const std::vector<FabricPlace> places = fabric_places(networks, "us-central1");
    REQUIRE(places.size() == row.places);
    CHECK(places.back().nic == row.last_nic);
    CHECK(pins_zone(row.type) == row.pins);
  }
  CHECK(fabric_networks("a2-highgpu-1g", "us-central1-b").empty());
  const std::vector<FabricNetwork> metal = fabric_networks("a4x-maxgpu-4g-metal", "us-central1-b");
  CHECK(metal[0].nic == "IDPF");
  CHECK(metal[1].profile == "us-central1-b-vpc-roce-metal");
  const json rdma = json::parse(encode_network(fabric_networks("a4-highgpu-8g", "us-central1-b")[1]));
  CHECK(rdma["networkProfile"] == "global/networkProfiles/us-central1-b-vpc-roce");
  CHECK_FALSE(rdma.contains("mtu"));
}

TEST_CASE("gcp fabric: ranges are of the network's block, another one for each region") {
  FabricGround ground;
  CHECK(free_range(0, "n", ground) == "10.0.0.0/20");
  CHECK(free_range(8, "n", ground) == "10.32.0.0/20");
  ground.subnets = {{.name = "s", .region = "us-east4", .network = "n", .range = "10.0.0.0/20"},
                    {.name = "s", .region = "us-west1", .network = "other", .range = "10.0.16.0/20"}};
  CHECK(free_range(0, "n", ground) == "10.0.16.0/20");
  ground.subnets.clear();
  for (int i = 0; i < 64; ++i) {
    const std::string range = free_range(31, "n", ground);
    REQUIRE_FALSE(range.empty());
    CHECK(range < "10.128");  // the other half is the default network's
    ground.subnets.push_back({.name = "s", .region = std::to_string(i), .network = "n", .range = range});
  }
  CHECK(free_range(31, "n", ground).empty());
  CHECK(free_range(32, "n", {}).empty());
}

TEST_CASE("gcp fabric: further interfaces have no address of their own") {
  const GangRequest request = gang("a4-highgpu-8g", Market::spot);
  Booking with = booking(request);
  with.fabric = fabric_places(fabric_networks("a4-highgpu-8g", "us-central1-b"), "us-central1");
  const json nics = json::parse(encode_bulk_insert(with))["instanceProperties"]["networkInterfaces"];
  REQUIRE(nics.size() == 10);
  CHECK(nics[0].contains("accessConfigs"));
  for (std::size_t i = 1; i < nics.size(); ++i) { CHECK_FALSE(nics[i].contains("accessConfigs")); }
  CHECK(nics[9]["subnetwork"] == "regions/us-central1/subnetworks/gpubroker-fabric-us-central1-b-7");
}

TEST_CASE("gcp: a gang is one call, named by rank, all or nothing") {
  const GangRequest request = gang("a3-highgpu-8g", Market::spot);
  Booking spot = booking(request);
  spot.policy = "gb-llama-7k2q-a1";
  const json body = json::parse(encode_bulk_insert(spot));
  CHECK(body.at("count") == "2");
  CHECK(body.at("minCount") == "2");
  CHECK(body.at("perInstanceProperties").contains("gb-llama-7k2q-a1-0"));
  CHECK(body.at("perInstanceProperties").contains("gb-llama-7k2q-a1-1"));
  const json& made = body.at("instanceProperties");
  CHECK(made.at("machineType") == "a3-highgpu-8g");
  CHECK_FALSE(made.contains("guestAccelerators"));
  CHECK(made.at("scheduling") == json{{"provisioningModel", "SPOT"},
                                      {"instanceTerminationAction", "DELETE"},
                                      {"onHostMaintenance", "TERMINATE"},
                                      {"automaticRestart", false},
                                      {"terminationTime", "2026-11-25T10:00:00Z"}});
  CHECK(made.at("disks").at(0).at("autoDelete") == true);
  CHECK(made.at("disks").at(0).at("initializeParams").at("diskType") == "pd-balanced");
  CHECK(made.at("resourcePolicies") == json::array({"gb-llama-7k2q-a1"}));
  CHECK(made.at("reservationAffinity").at("consumeReservationType") == "NO_RESERVATION");
  CHECK(made.at("tags").at("items") == json::array({"gpubroker"}));
}

TEST_CASE("gcp: what fits into a label is one, the rest is metadata") {
  const GangRequest request = gang("a3-highgpu-8g", Market::on_demand);
  const json made = json::parse(encode_bulk_insert(booking(request))).at("instanceProperties");
  const json& labels = made.at("labels");
  CHECK(labels.at("gpubroker-token") == "llama-7k2q-a1");
  CHECK(labels.at("gpubroker-gang") == "gb-llama-7k2q-a1");
  CHECK(labels.at("gpubroker-nodes") == "2");
  CHECK(labels.at("gpubroker-region") == "us-central1");
  CHECK_FALSE(labels.contains("gpubroker-zone"));
  CHECK_FALSE(labels.contains("gpubroker-owner"));
  CHECK(metadata_of(made, "gpubroker-owner") == "ann@example.com");
  CHECK(metadata_of(made, "gpubroker-expires") == "2026-11-25T10:00:00Z");
  CHECK(metadata_of(made, "gpubroker-key") == "Build 7");
  CHECK(metadata_of(made, "ssh-keys") == "ubuntu:ssh-ed25519 AAAA gpubroker");
  CHECK(metadata_of(made, "user-data") == "#cloud-config\n{}");
  CHECK(metadata_of(made, "enable-oslogin") == "FALSE");
}

TEST_CASE("gcp: flex-start has a length of life, reserved machines a reservation") {
  const GangRequest flex = gang("a4-highgpu-8g", Market::flex);
  const json made = json::parse(encode_bulk_insert(booking(flex))).at("instanceProperties");
  CHECK(made.at("scheduling").at("provisioningModel") == "FLEX_START");
  CHECK(made.at("scheduling").at("maxRunDuration").at("seconds") == "86400");
  CHECK_FALSE(made.at("scheduling").contains("terminationTime"));
  CHECK(made.at("disks").at(0).at("initializeParams").at("diskType") == "hyperdisk-balanced");
  CHECK_FALSE(stands_in_queue(flex));  // a gang of two is had at once or not at all

  const GangRequest contract = gang("a4x-highgpu-4g", Market::contract);
  Booking reserved = booking(contract);
  reserved.reservation = Reservation{.name = "gb200", .zone = "us-central1-a", .is_dense = true};
  const json arm = json::parse(encode_bulk_insert(reserved)).at("instanceProperties");
  CHECK(arm.at("scheduling").at("provisioningModel") == "RESERVATION_BOUND");
  CHECK(arm.at("reservationAffinity") == json{{"consumeReservationType", "SPECIFIC_RESERVATION"},
                                              {"key", "compute.googleapis.com/reservation-name"},
                                              {"values", {"gb200"}}});
  const std::string image = arm.at("disks").at(0).at("initializeParams").at("sourceImage");
  CHECK(image.find("arm64") != std::string::npos);
}

TEST_CASE("gcp: one flex-start machine in a zone waits its turn") {
  GangRequest request = gang("n1-standard-8+nvidia-tesla-t4:1", Market::flex, 1);
  request.offer.key.zone = "us-central1-a";
  REQUIRE(stands_in_queue(request));
  Booking one = booking(request);
  one.zone = "us-central1-a";
  const json body = json::parse(encode_insert(one));
  CHECK(body.at("name") == "gb-llama-7k2q-a1-0");
  CHECK(body.at("machineType") == "zones/us-central1-a/machineTypes/n1-standard-8");
  CHECK(body.at("guestAccelerators") ==
        json::array({{{"acceleratorType", "zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4"},
                      {"acceleratorCount", 1}}}));
  CHECK(body.at("params").at("requestValidForDuration").at("seconds") == "600");
  CHECK(body.at("labels").at("gpubroker-zone") == "us-central1-a");
}

TEST_CASE("gcp: a life beyond Google's limits is cut") {
  GangRequest request = gang("a3-highgpu-8g", Market::flex);
  request.tags.expires = at("2027-11-24T10:00:00Z");
  const json flex = json::parse(encode_bulk_insert(booking(request))).at("instanceProperties");
  CHECK(flex.at("scheduling").at("maxRunDuration").at("seconds") == "604800");
  request.offer.key.market = Market::on_demand;
  const json made = json::parse(encode_bulk_insert(booking(request))).at("instanceProperties");
  CHECK(made.at("scheduling").at("terminationTime") == "2027-03-24T09:00:00Z");
}

TEST_CASE("gcp: gangs with a fabric stand close together") {
  const auto placed = [](const char* type, Market market, int nodes) {
    return needs_placement(gang(type, market, nodes), *find_machine(type));
  };
  CHECK(placed("a3-highgpu-8g", Market::spot, 2));
  CHECK(placed("a4-highgpu-8g", Market::on_demand, 8));
  CHECK_FALSE(placed("a4-highgpu-8g", Market::on_demand, 1));
  CHECK_FALSE(placed("a4-highgpu-8g", Market::block, 8));  // stands where its reservation is
  CHECK(placed("a4x-highgpu-4g", Market::contract, 18));
  CHECK_FALSE(placed("g2-standard-96", Market::spot, 4));
  const GangRequest request = gang("a4x-highgpu-4g", Market::contract, 18);
  const json policy = json::parse(encode_placement(request, *find_machine("a4x-highgpu-4g")));
  CHECK(policy == json{{"name", "gb-llama-7k2q-a1"},
                       {"description", "llama-7k2q-a1"},
                       {"groupPlacementPolicy", {{"collocation", "COLLOCATED"}, {"gpuTopology", "1x72"}}}});
}

TEST_CASE("gcp: a request id is a UUID, and always the same") {
  const std::string id = request_id("gpubroker/t1");
  CHECK(id.size() == 36);
  CHECK(id == request_id("gpubroker/t1"));
  CHECK(id != request_id("gpubroker/t2"));
  CHECK(id[14] == '4');
  CHECK(id[19] == 'a');
}

TEST_CASE("gcp: ours among the instances") {
  const std::vector<Instance> all = listed();
  REQUIRE(all.size() == 3);
  const NodeView& first = all[0].view;
  CHECK(first.id.value == "gcp/us-central1-a/gb-llama-7k2q-a1-0");
  CHECK(first.offer == OfferKey{"gcp", "us-central1", "", "a3-highgpu-8g", Market::spot});
  CHECK(first.tags.owner == "ann@example.com");
  CHECK(first.tags.expires == at("2026-11-25T10:00:00Z"));
  CHECK(first.index == 0);
  CHECK(first.state == NodeState::running);
  CHECK(first.address.host == "203.0.113.7");
  CHECK(first.created_at == at("2026-11-24T09:00:00.250Z"));
  CHECK(first.billed_from == at("2026-11-24T09:00:10.500Z"));
  CHECK(all[0].nodes == 2);  // the label's word, not that of metadata which the machine may write
  CHECK(all[1].view.state == NodeState::starting);
  CHECK_FALSE(all[1].view.billed_from.has_value());
  const NodeView& stopped = all[2].view;
  CHECK(stopped.offer ==
        OfferKey{"gcp", "us-west1", "us-west1-b", "n1-standard-8+nvidia-tesla-t4:1", Market::on_demand});
  CHECK(stopped.state == NodeState::ended);
  CHECK(stopped.ended_at == at("2026-11-24T03:00:20.125Z"));
  CHECK(all[2].is_there);
}

TEST_CASE("gcp: a zone that does not answer fails the list") {
  for (const char* body :
       {R"({"items":{"zones/us-east4-b":{"warning":{"code":"UNREACHABLE","message":"m"}}}})",
        R"({"items":{},"unreachables":["zones/us-east4-b"]})"}) {
    std::vector<Instance> instances;
    const Result<std::string> read = parse_instances(body, instances);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().kind == ErrorKind::network);
    CHECK(read.error().message.find("us-east4-b") != std::string::npos);
    std::vector<Operation> operations;
    CHECK_FALSE(parse_operations(body, operations).ok());
  }
}

TEST_CASE("gcp: operations tell of machines that are gone") {
  const Instant now = at("2026-11-24T12:00:00Z");
  const std::vector<Instance> all = combine(listed(), operated(), {}, now);
  const Instance* const taken = find(all, "gcp/us-central1-a/gb-bert-1a-a2-0");
  REQUIRE(taken != nullptr);
  CHECK(taken->view.state == NodeState::ended);
  CHECK(taken->view.end_reason == "preempted");  // what was deleted later was dead already
  CHECK(taken->view.billed_from == at("2026-11-24T08:00:12.500Z"));
  CHECK(taken->view.ended_at == at("2026-11-24T08:30:30.750Z"));
  CHECK(taken->view.token.value == "bert-1a-a2");
  CHECK(taken->view.tags.workload.value == "bert-1a");
  CHECK(taken->view.tags.attempt == 2);
  CHECK(taken->view.offer.market == Market::spot);
  CHECK_FALSE(taken->is_there);
  const Instance* const failed = find(all, "gcp/us-west1-b/gb-t4-9x-a3-0");
  REQUIRE(failed != nullptr);
  CHECK(failed->view.end_reason == "host failure");
  CHECK(find(all, "gcp/us-central1-a/gb-short-3c-a1-0") == nullptr);  // it never was
  CHECK(all.size() == 4);
}

TEST_CASE("gcp: what was seen lately is there until somebody says otherwise") {
  const Instant seen_at = at("2026-11-24T12:00:00Z");
  Sightings seen;
  Instance instance = listed().front();
  const NodeId id = instance.view.id;
  seen[id] = {instance, seen_at};
  const auto after = [&](Millis passed, const std::vector<Operation>& operations) {
    const std::vector<Instance> all = combine({}, operations, seen, seen_at + passed);
    const Instance* const found = find(all, id.value);
    return found == nullptr ? std::optional<NodeView>{} : found->view;
  };
  CHECK(after(Millis{5'000}, {})->state == NodeState::running);
  CHECK_FALSE(after(Millis{120'000}, {}).has_value());
  Operation insert{
      .type = "insert", .zone = "us-central1-a", .target = "gb-llama-7k2q-a1-0", .is_done = true};
  insert.began = at("2026-11-24T09:00:00Z");
  insert.ended = at("2026-11-24T09:00:11Z");
  CHECK(after(Millis{120'000}, {insert})->end_reason == "gone without a word");
  Operation end = insert;
  end.type = "compute.instances.deferredDelete";
  end.began = at("2026-11-24T12:00:03Z");
  end.ended = at("2026-11-24T12:00:04Z");
  const std::optional<NodeView> expired = after(Millis{5'000}, {insert, end});
  CHECK(expired->end_reason == "expired");
  CHECK(expired->billed_from == at("2026-11-24T09:00:10.500Z"));  // as it was told when it ran
  CHECK(expired->ended_at == at("2026-11-24T12:00:04Z"));
  CHECK(expired->tags.owner == "ann@example.com");
}

TEST_CASE("gcp: a preemption under way is a notice") {
  std::vector<Instance> running = {listed().front()};
  Operation preempted{.type = "compute.instances.preempted",
                      .zone = "us-central1-a",
                      .target = "gb-llama-7k2q-a1-0",
                      .began = at("2026-11-24T12:00:00Z")};
  const std::vector<Instance> all = combine(running, {preempted}, {}, at("2026-11-24T12:00:01Z"));
  REQUIRE(all.size() == 1);
  CHECK(all[0].view.state == NodeState::running);
  CHECK(all[0].view.notice_until == at("2026-11-24T12:00:30Z"));
}

TEST_CASE("gcp: why an operation failed") {
  struct Row {
    const char* code;
    ErrorKind kind;
    ErrorScope scope;
  };
  for (const Row& row : {
           Row{"ZONE_RESOURCE_POOL_EXHAUSTED", ErrorKind::capacity, ErrorScope::zone},
           Row{"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", ErrorKind::capacity, ErrorScope::zone},
           Row{"REGION_RESOURCE_POOL_EXHAUSTED", ErrorKind::capacity, ErrorScope::region},
           Row{"GPU_STOCKOUT", ErrorKind::capacity, ErrorScope::zone},
           Row{"INSUFFICIENT_RESERVATION_CAPACITY", ErrorKind::capacity, ErrorScope::offer},
           Row{"VM_MIN_COUNT_NOT_REACHED", ErrorKind::capacity, ErrorScope::zone},
           Row{"UNSUPPORTED_OPERATION", ErrorKind::capacity, ErrorScope::zone},
           Row{"INTERNAL_ERROR", ErrorKind::capacity, ErrorScope::offer},
           Row{"RESOURCE_OPERATION_RATE_EXCEEDED", ErrorKind::capacity, ErrorScope::offer},
           Row{"QUOTA_EXCEEDED", ErrorKind::quota, ErrorScope::region},
           Row{"RESOURCE_NOT_FOUND", ErrorKind::not_found, ErrorScope::request},
           Row{"RESOURCE_ALREADY_EXISTS", ErrorKind::conflict, ErrorScope::request},
           Row{"RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", ErrorKind::conflict, ErrorScope::request},
           Row{"CONDITION_NOT_MET", ErrorKind::invalid, ErrorScope::request},
           Row{"PERMISSIONS_ERROR", ErrorKind::auth, ErrorScope::account},
           Row{"A_NEW_ONE", ErrorKind::internal, ErrorScope::request},
       }) {
    json body = json::parse(fixture("gcp/bulk_quota.json"));
    body["error"]["errors"][0] = {{"code", row.code}, {"message", "m"}};
    const Result<Operation> operation = parse_operation(body.dump());
    REQUIRE(operation.ok());
    REQUIRE(operation.value().failure.has_value());
    CAPTURE(row.code);
    CHECK(operation.value().failure->kind == row.kind);
    CHECK(operation.value().failure->scope == row.scope);
    CHECK(operation.value().failure->code == row.code);
  }
}

TEST_CASE("gcp: a quota error names the quota and its numbers") {
  const Result<Operation> operation = parse_operation(fixture("gcp/bulk_quota.json"));
  REQUIRE(operation.ok());
  const Operation& bulk = operation.value();
  CHECK(bulk.path == "regions/us-central1/operations/operation-7");
  CHECK(bulk.created == 0);
  REQUIRE(bulk.failure.has_value());
  CHECK(bulk.failure->message.find("GPUS-PER-GPU-FAMILY-per-project-region") != std::string::npos);
  CHECK(bulk.failure->message.find("NVIDIA_H100") != std::string::npos);
  CHECK(bulk.failure->message.find(": 8]") != std::string::npos);
  CHECK_FALSE(bulk.failure->hint.empty());
  Operation vague = bulk;
  vague.failure->code = "VM_MIN_COUNT_NOT_REACHED";
  vague.failure->kind = ErrorKind::capacity;
  CHECK(bulk_failure(vague, {bulk}).kind == ErrorKind::quota);  // the inserts know better
  CHECK(bulk_failure(vague, {}).kind == ErrorKind::capacity);
  CHECK(bulk_failure(Operation{}, {}).kind == ErrorKind::capacity);  // done, nothing made, no word
}

TEST_CASE("gcp: whether ssh is let in") {
  const auto lets_in = [](const std::string& rule) {
    bool open = false;
    REQUIRE(parse_firewalls(R"({"items":[)" + rule + "]}", open).ok());
    return open;
  };
  const json ssh = {{"name", "default-allow-ssh"},
                    {"network", "https://x/global/networks/default"},
                    {"direction", "INGRESS"},
                    {"sourceRanges", {"0.0.0.0/0"}},
                    {"allowed", {{{"IPProtocol", "tcp"}, {"ports", {"22"}}}}}};
  CHECK(lets_in(ssh.dump()));
  const auto changed = [&](const char* name, const json& value) {
    json rule = ssh;
    rule[name] = value;
    return lets_in(rule.dump());
  };
  CHECK(changed("targetTags", {"gpubroker"}));
  CHECK(changed("allowed", {{{"IPProtocol", "all"}}}));
  CHECK(changed("allowed", {{{"IPProtocol", "tcp"}, {"ports", {"80", "20-25"}}}}));
  CHECK_FALSE(changed("allowed", {{{"IPProtocol", "udp"}}}));
  CHECK_FALSE(changed("allowed", {{{"IPProtocol", "tcp"}, {"ports", {"443"}}}}));
  CHECK_FALSE(changed("targetTags", {"web"}));
  CHECK_FALSE(changed("direction", "EGRESS"));
  CHECK_FALSE(changed("disabled", true));
  CHECK_FALSE(changed("network", "https://x/global/networks/other"));
  CHECK_FALSE(changed("sourceRanges", {"10.0.0.0/8"}));
}

TEST_CASE("gcp: node ids of others are nobody's") {
  CHECK(split_node_id({"gcp/us-central1-a/gb-t1-0"})->second == "gb-t1-0");
  for (const char* id : {"gcp/never-was", "gcp/us-central1-a/web", "aws/us-central1-a/gb-t1-0", ""}) {
    CHECK_FALSE(split_node_id({id}).has_value());
  }
}

TEST_CASE("gcp: machines of wrong shapes are refused, never thrown over") {
  testing::for_each_mutant(json::parse(fixture("gcp/instances.json")), [](const std::string& text) {
    std::vector<Instance> instances;
    static_cast<void>(parse_instances(text, instances));
  });
  testing::for_each_mutant(json::parse(fixture("gcp/operations.json")), [](const std::string& text) {
    std::vector<Operation> operations;
    static_cast<void>(parse_operations(text, operations));
    static_cast<void>(combine({}, operations, {}, Instant{}));
  });
  testing::for_each_mutant(json::parse(fixture("gcp/bulk_quota.json")),
                           [](const std::string& text) { static_cast<void>(parse_operation(text)); });
}

}  // namespace
}  // namespace gpubroker::gcp
