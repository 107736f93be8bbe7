// Machines: what is sent, what lists say together, and what refusals mean.
#include "providers/azure/machines.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "providers/azure/notice.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::azure {
namespace {

using nlohmann::json;
using testing::fixture;
using testing::MutableJson;

const Instant kNow = parse_utc("2026-11-27T10:30:00Z").value();
const GangPlace kPlace{.subscription = "s-1", .group = "gb-llama-7k2q-a1"};

GangRequest gang(Market market, int nodes, const char* size = "Standard_ND96isr_H100_v5",
                 const char* zone = "") {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"azure", "eastus", zone, size, market}},
          .nodes = nodes,
          .tags = {.workload = {"llama-7k2q"}, .attempt = 1, .owner = "ann", .expires = {1'795'780'800'000}}};
}

json machine_body(const GangRequest& request, const std::string& reservation = "") {
  return json::parse(
      encode_machine(request, 1, kPlace, "ssh-ed25519 AAAA g", "#cloud-config\n{}\n", reservation));
}

TEST_CASE("azure machines: a spot machine, as it is asked for") {
  const json body = machine_body(gang(Market::spot, 2));
  CHECK(body["location"] == "eastus");
  CHECK(body["tags"]["gpubroker:token"] == "llama-7k2q-a1");
  CHECK(body["tags"]["gpubroker:rank"] == "1");
  CHECK(body["tags"]["gpubroker:market"] == "spot");
  const json& properties = body["properties"];
  CHECK(properties["hardwareProfile"]["vmSize"] == "Standard_ND96isr_H100_v5");
  CHECK(properties["priority"] == "Spot");
  CHECK(properties["evictionPolicy"] == "Delete");
  CHECK(properties["billingProfile"]["maxPrice"] == -1);
  CHECK_FALSE(properties.contains("availabilitySet"));
  CHECK(properties["storageProfile"]["imageReference"]["offer"] == "ubuntu-hpc");
  CHECK(properties["storageProfile"]["osDisk"]["deleteOption"] == "Delete");
  CHECK(from_base64(properties["osProfile"]["customData"].get<std::string>()).value() ==
        "#cloud-config\n{}\n");
  const json& key = properties["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"][0];
  CHECK(key["path"] == "/home/azureuser/.ssh/authorized_keys");
  CHECK(key["keyData"] == "ssh-ed25519 AAAA g");
  const json& card = properties["networkProfile"]["networkInterfaces"][0];
  CHECK(card["id"] == kPlace.card_id("gb-llama-7k2q-a1-1"));
  CHECK(card["properties"]["deleteOption"] == "Delete");
  CHECK_FALSE(body.contains("zones"));
}

TEST_CASE("azure machines: what depends on size, market and zone") {
  CHECK(has_placement(gang(Market::on_demand, 2)));
  CHECK_FALSE(has_placement(gang(Market::on_demand, 1)));
  CHECK_FALSE(has_placement(gang(Market::spot, 2)));
  CHECK_FALSE(has_placement(gang(Market::on_demand, 2, "Standard_NC40ads_H100_v5")));  // no InfiniBand
  CHECK_FALSE(has_placement(gang(Market::on_demand, 2, "Standard_ND96isr_H100_v5", "1")));

  const json regular = machine_body(gang(Market::on_demand, 2))["properties"];
  CHECK(regular["availabilitySet"]["id"] == kPlace.placement_id());
  CHECK_FALSE(regular.contains("priority"));
  CHECK_FALSE(regular.contains("billingProfile"));
  CHECK(machine_body(gang(Market::on_demand, 1, "Standard_NC40ads_H100_v5", "2"))["zones"] ==
        json::array({"2"}));
  const json reserved = machine_body(gang(Market::contract, 1), "/subscriptions/s-1/x/r")["properties"];
  CHECK(reserved["capacityReservation"]["capacityReservationGroup"]["id"] == "/subscriptions/s-1/x/r");
  const auto image = [](const char* size) {
    return machine_body(
        gang(Market::on_demand, 1, size))["properties"]["storageProfile"]["imageReference"]["sku"];
  };
  CHECK(image("Standard_ND128isr_NDR_GB200_v6") == "server-arm64");
  CHECK(image("Standard_ND96isr_MI300X_v5") == "2204-rocm");
  CHECK(image("Standard_nobody_knows") == "2204");
}

TEST_CASE("azure machines: what a gang stands in") {
  const GangRequest request = gang(Market::spot, 3);
  const json group = json::parse(encode_group(request));
  CHECK(group["tags"]["gpubroker:nodes"] == "3");
  CHECK(group["tags"]["gpubroker:size"] == "Standard_ND96isr_H100_v5");
  CHECK_FALSE(group["tags"].contains("gpubroker:rank"));

  const json rules =
      json::parse(encode_firewall(request, {"20.0.0.1", "20.0.0.2"}))["properties"]["securityRules"];
  REQUIRE(rules.size() == 2);
  CHECK(rules[0]["properties"]["destinationPortRange"] == "22");
  CHECK(rules[0]["properties"]["sourceAddressPrefix"] == "*");
  CHECK(rules[1]["properties"]["destinationPortRange"] == "*");
  CHECK(rules[1]["properties"]["sourceAddressPrefixes"] == json::array({"20.0.0.1", "20.0.0.2"}));
  CHECK(json::parse(encode_firewall(request, {"20.0.0.1"}))["properties"]["securityRules"].size() == 1);

  const json subnet = json::parse(encode_network(request, kPlace))["properties"]["subnets"][0];
  CHECK(subnet["properties"]["networkSecurityGroup"]["id"] == kPlace.firewall_id());
  CHECK(kPlace.subnet_id() == kPlace.network_id() + "/subnets/" + subnet["name"].get<std::string>());
  CHECK(json::parse(encode_address(request, 0))["sku"]["name"] == "Standard");
  CHECK(json::parse(encode_booked(kNow))["properties"]["tags"]["gpubroker:booked"] == "2026-11-27T10:30:00Z");
}

TEST_CASE("azure machines: many ranks fit into the tags of a group") {
  std::vector<int> ranks;
  for (int rank = 100; rank < 200; ++rank) { ranks.push_back(rank); }
  const json tags = json::parse(encode_ended(ranks))["properties"]["tags"];
  CHECK(tags.size() == 3);
  for (const auto& [name, value] : tags.items()) { CHECK(value.get<std::string>().size() <= 256); }
  CHECK(tags["gpubroker:ended-100"].get<std::string>().substr(0, 8) == "100,101,");
}

TEST_CASE("azure machines: URLs and ids") {
  CHECK(resource_url(kPlace.machine_id("m")) ==
        "https://management.azure.com/subscriptions/s-1/resourceGroups/gb-llama-7k2q-a1/providers/"
        "Microsoft.Compute/virtualMachines/m?api-version=2024-07-01");
  CHECK(resource_url(kPlace.card_id("m")).find("m-nic?api-version=2025-05-01") != std::string::npos);
  CHECK(groups_url("s-1").find("$filter=tagName%20eq%20%27gpubroker%3Atoken%27") != std::string::npos);
  const auto name = parse_node_id(node_id("g", "m"));
  REQUIRE(name.has_value());
  CHECK(name->group == "g");
  CHECK(name->machine == "m");
  for (const char* const bad : {"", "azure/g", "azure//m", "azure/g/", "aws/g/m", "azure/g/m/x"}) {
    CHECK_FALSE(parse_node_id({bad}).has_value());
  }
}

Sight read_sight() {
  Sight sight;
  sight.groups = parse_groups(fixture("azure/groups.json")).value().rows;
  sight.machines = parse_machines(fixture("azure/machines.json")).value().rows;
  const Page<StatusRow> statuses = parse_statuses(fixture("azure/statuses.json")).value();
  sight.statuses.insert(statuses.rows.begin(), statuses.rows.end());
  const Page<AddressRow> addresses = parse_addresses(fixture("azure/addresses.json")).value();
  sight.addresses.insert(addresses.rows.begin(), addresses.rows.end());
  return sight;
}

const NodeView& find(const std::vector<NodeView>& views, const std::string& id) {
  const auto found =
      std::find_if(views.begin(), views.end(), [&](const NodeView& view) { return view.id.value == id; });
  REQUIRE_MESSAGE(found != views.end(), id);
  return *found;
}

TEST_CASE("azure machines: what the lists say together") {
  CHECK(parse_groups(fixture("azure/groups.json")).value().next ==
        "https://management.azure.com/subscriptions/s-1/resourcegroups?api-version=2021-04-01&$skiptoken=2");
  const std::vector<NodeView> views = assemble(read_sight(), kNow);
  CHECK(views.size() == 6);  // somebody else's are not among them; nor what was never booked

  const NodeView& running = find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-0");
  CHECK(running.state == NodeState::running);
  CHECK(running.offer == OfferKey{"azure", "eastus", "", "Standard_ND96isr_H100_v5", Market::spot});
  CHECK(running.address.host == "20.1.2.3");
  CHECK(running.created_at == parse_utc("2026-11-27T10:00:00.123Z").value());
  CHECK(running.billed_from == running.created_at);
  CHECK(running.tags.owner == "ann");
  CHECK(running.env.at("NCCL_SOCKET_IFNAME") == "eth0");

  const NodeView& evicted = find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-1");
  CHECK(evicted.state == NodeState::ended);
  CHECK(evicted.end_reason == "preempted");
  CHECK(evicted.ended_at == parse_utc("2026-11-27T10:20:00.250Z").value());
  CHECK(evicted.billed_from == evicted.created_at);

  const NodeView& ended =
      find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-2");  // by us, gone from the lists
  CHECK(ended.state == NodeState::ended);
  CHECK(ended.end_reason == "terminated");
  CHECK_FALSE(ended.ended_at.has_value());
  CHECK(find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-3").end_reason ==
        "preempted");  // gone, not by us

  const NodeView& failed = find(views, "azure/gb-zoned-a1/gb-zoned-a1-0");
  CHECK(failed.state == NodeState::ended);
  CHECK(failed.end_reason == "failed: ZonalAllocationFailed");
  CHECK(failed.offer.zone == "2");
  CHECK(failed.offer.instance_type == "Standard_NC40ads_H100_v5");  // as our table spells it
  CHECK_FALSE(failed.billed_from.has_value());

  const NodeView& off = find(views, "azure/gb-off-a1/gb-off-a1-0");
  CHECK(off.state == NodeState::stopped);
  CHECK(off.billed_from.has_value());
}

TEST_CASE("azure machines: a machine that lists do not show yet is starting, for two minutes") {
  const Instant booked = parse_utc("2026-11-27T10:00:10Z").value();
  const auto state = [&](Millis after) {
    return find(assemble(read_sight(), booked + after), "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-3").state;
  };
  CHECK(state(Millis{119'999}) == NodeState::starting);
  CHECK(state(Millis{120'000}) == NodeState::ended);
}

TEST_CASE("azure machines: with its group being deleted a machine was ended by us") {
  Sight sight = read_sight();
  sight.groups[0].is_deleting = true;
  const std::vector<NodeView> views = assemble(sight, kNow);
  CHECK(find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-1").end_reason == "terminated");
  CHECK(find(views, "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-3").end_reason == "terminated");
}

TEST_CASE("azure machines: running without an address is not yet up; deallocated is over") {
  Sight sight = read_sight();
  sight.addresses.clear();
  CHECK(find(assemble(sight, kNow), "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-0").state ==
        NodeState::starting);
  for (auto& [id, status] : sight.statuses) { status.power = "deallocated"; }
  const std::vector<NodeView> views = assemble(sight, kNow);
  CHECK(find(views, "azure/gb-off-a1/gb-off-a1-0").state == NodeState::ended);
  CHECK(find(views, "azure/gb-off-a1/gb-off-a1-0").end_reason == "deallocated");
}

Error refusal(int status, const std::string& code, const std::string& message) {
  const json body = {{"error", {{"code", code}, {"message", message}}}};
  return parse_error({.status = status, .headers = {}, .body = body.dump()}, "PUT /x", kNow);
}

TEST_CASE("azure machines: what refusals mean") {
  struct Row {
    int status;
    const char* code;
    const char* message;
    ErrorKind kind;
    ErrorScope scope;
  };
  const std::vector<Row> rows = {
      {409, "SkuNotAvailable", "The requested VM size …", ErrorKind::capacity, ErrorScope::region},
      {409, "AllocationFailed", "Allocation failed.", ErrorKind::capacity, ErrorScope::region},
      {409, "ZonalAllocationFailed", "Allocation failed.", ErrorKind::capacity, ErrorScope::zone},
      {409, "OverconstrainedAllocationRequest", "Allocation failed.", ErrorKind::capacity,
       ErrorScope::region},
      {409, "OverconstrainedZonalAllocationRequest", "…", ErrorKind::capacity, ErrorScope::zone},
      {409, "QuotaExceeded", "no numbers", ErrorKind::quota, ErrorScope::region},
      {409, "OperationNotAllowed", "exceeding quota limits of your subscription", ErrorKind::quota,
       ErrorScope::region},
      {409, "OperationNotAllowed", "the machine is stopped", ErrorKind::conflict, ErrorScope::request},
      {429, "OperationNotAllowed", "The server rejected the request because too many requests",
       ErrorKind::throttled, ErrorScope::request},
      {429, "TooManyRequests", "…", ErrorKind::throttled, ErrorScope::account},
      {409, "ResourceGroupBeingDeleted", "…", ErrorKind::conflict, ErrorScope::request},
      {403, "AuthorizationFailed", "…", ErrorKind::auth, ErrorScope::account},
      {403, "RequestDisallowedByPolicy", "…", ErrorKind::auth, ErrorScope::account},
      {404, "ResourceNotFound", "…", ErrorKind::not_found, ErrorScope::request},
      {400, "InvalidParameter", "…", ErrorKind::invalid, ErrorScope::request},
      {500, "InternalServerError", "…", ErrorKind::network, ErrorScope::request}};
  for (const Row& row : rows) {
    const Error error = refusal(row.status, row.code, row.message);
    CHECK_MESSAGE(error.kind == row.kind, row.code << ": " << to_string(error.kind));
    CHECK_MESSAGE(error.scope == row.scope, row.code << ": " << to_string(error.scope));
    CHECK(error.code == row.code);
  }
  CHECK(refusal(403, "AuthorizationFailed", "perform action 'Microsoft.Compute/virtualMachines/write' over")
            .hint.find("Contributor") != std::string::npos);
}

TEST_CASE("azure machines: a quota is told with its numbers") {
  const Error error =
      refusal(409, "OperationNotAllowed",
              "Operation could not be completed as it results in exceeding approved LowPriorityCores "
              "quota. Additional details - Deployment Model: Resource Manager, Location: eastus, "
              "Current Limit: 96, Current Usage: 0, Additional Required: 192, (Minimum) New Limit "
              "Required: 192. Submit a request for Quota increase");
  CHECK(error.kind == ErrorKind::quota);
  CHECK(error.message ==
        "the quota LowPriorityCores of eastus is 96 vCPUs, 0 are used, and 192 more are needed");
  CHECK_FALSE(error.hint.empty());
}

TEST_CASE("azure machines: the code may stand in the details only") {
  const json body = {
      {"error",
       {{"code", "DeploymentFailed"},
        {"message", "At least one operation failed"},
        {"details", {{{"code", "Conflict"}}, {{"code", "SkuNotAvailable"}, {"message", "not here"}}}}}}};
  const Error error = parse_error({.status = 409, .headers = {}, .body = body.dump()}, "PUT /x", kNow);
  CHECK(error.code == "SkuNotAvailable");
  CHECK(error.kind == ErrorKind::capacity);
  CHECK(error.message.find("not here") != std::string::npos);
}

TEST_CASE("azure machines: how an operation goes") {
  const auto look = [](int status, const std::string& body) {
    return parse_operation({.status = status, .headers = {}, .body = body}, "operation", kNow).value();
  };
  CHECK(look(202, "").is_running);
  CHECK_FALSE(look(204, "").is_running);
  CHECK_FALSE(look(200, R"({"status":"Succeeded"})").error.has_value());
  CHECK(look(200, R"({"status":"InProgress"})").is_running);
  CHECK(look(200, R"({"status":"Whatever comes next"})").is_running);
  const Operation failed = look(
      200, R"({"status":"Failed","error":{"code":"ZonalAllocationFailed","message":"Allocation failed."}})");
  REQUIRE(failed.error.has_value());
  CHECK(failed.error->kind == ErrorKind::capacity);
  CHECK(failed.error->scope == ErrorScope::zone);
  const Operation unknown = look(200, R"({"status":"Failed","error":{"code":"NeverHeardOf","message":"m"}})");
  REQUIRE(unknown.error.has_value());
  CHECK(unknown.error->kind == ErrorKind::capacity);
  CHECK(unknown.error->scope == ErrorScope::offer);

  const std::string own = "https://management.azure.com/subscriptions/s-1/x?p=1";
  CHECK(operation_url({.status = 201, .headers = {{"azure-asyncoperation", own}}, .body = ""}).value() ==
        own);
  CHECK(operation_url({.status = 202, .headers = {{"location", own}}, .body = ""}).value() == own);
  CHECK(operation_url({.status = 201, .headers = {}, .body = ""}).value().empty());
  CHECK_FALSE(operation_url(
                  {.status = 201, .headers = {{"azure-asyncoperation", "https://evil.example/"}}, .body = ""})
                  .ok());
}

TEST_CASE("azure machines: reservations with room") {
  const char* const groups = R"({"value":[{"id":"/subscriptions/s/g1","location":"westus"},
                                          {"id":"/subscriptions/s/g2","location":"EastUS"}]})";
  CHECK(parse_reservation_groups(groups, "eastus").value().rows ==
        std::vector<std::string>{"/subscriptions/s/g2"});
  const char* const inside = R"({"value":[
      {"sku":{"name":"standard_nc40ads_h100_v5","capacity":4},"properties":{"virtualMachinesAssociated":[{"id":"1"}]}},
      {"sku":{"name":"Standard_D2s_v5","capacity":9}}]})";
  CHECK(parse_reservations(inside, "Standard_NC40ads_H100_v5").value().rows == std::vector<int>{3});
}

TEST_CASE("azure notice: the first end of this very machine") {
  const std::string events = fixture("azure/scheduled_events.json");
  const auto at = [&](const char* machine) { return parse_events(events, machine, kNow).value(); };
  CHECK(at("gb-llama-7k2q-a1-0") == parse_utc("2026-11-27T10:02:30Z").value());
  CHECK(at("gb-llama-7k2q-a1-1") == parse_utc("2026-11-27T10:01:00Z").value());
  CHECK(at("gb-llama-7k2q-a1-2") == parse_utc("2026-11-27T10:12:00Z").value());
  CHECK_FALSE(at("gb-llama-7k2q-a1-3").has_value());
  // Under way: no date any more.
  CHECK(parse_events(R"({"Events":[{"EventType":"Terminate","Resources":["m"],"NotBefore":""}]})", "m", kNow)
            .value() == kNow);
  CHECK(parse_own_name(R"({"name":"m"})").value() == "m");
}

TEST_CASE("azure machines: mutants are refused or read, never thrown over") {
  const auto each = [](const char* name, auto parse) {
    testing::for_each_mutant(MutableJson::parse(fixture(name)),
                             [&](const std::string& text) { parse(text); });
  };
  each("azure/groups.json", [](const std::string& text) {
    Sight sight = read_sight();
    const auto groups = parse_groups(text);
    if (!groups.ok()) { return; }
    sight.groups = groups.value().rows;
    static_cast<void>(assemble(sight, kNow));
  });
  each("azure/machines.json", [](const std::string& text) {
    Sight sight = read_sight();
    const auto machines = parse_machines(text);
    if (!machines.ok()) { return; }
    sight.machines = machines.value().rows;
    static_cast<void>(assemble(sight, kNow));
  });
  each("azure/statuses.json", [](const std::string& text) { static_cast<void>(parse_statuses(text)); });
  each("azure/addresses.json", [](const std::string& text) { static_cast<void>(parse_addresses(text)); });
  each("azure/scheduled_events.json",
       [](const std::string& text) { static_cast<void>(parse_events(text, "m", kNow)); });
}

}  // namespace
}  // namespace gpubroker::azure
