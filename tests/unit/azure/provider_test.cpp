// The provider's rarer paths over a network of answers; the usual ones are the contract suite's over the
// emulator.
#include "providers/azure/provider.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/wire/json.hpp"
#include "providers/azure/notice.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::azure {
namespace {

using nlohmann::json;
using testing::FakeHome;
using testing::FakeHttp;
using testing::fixture;

const std::string kSub = "https://management.azure.com/subscriptions/s-1";
const std::string kGroup = kSub + "/resourcegroups/gb-llama-7k2q-a1";
const std::string kIn = kSub + "/resourceGroups/gb-llama-7k2q-a1/providers/Microsoft.";
const std::string kMachines = kIn + "Compute/virtualMachines/gb-llama-7k2q-a1-";
const std::string kOperation = kSub + "/providers/Microsoft.Compute/locations/eastus/operations/op-1";
const char* const kDone = R"({"properties":{"provisioningState":"Succeeded","ipAddress":"20.0.0.1"}})";
const char* const kCreating =
    R"({"properties":{"provisioningState":"Creating","timeCreated":"2026-11-27T10:00:00.5+00:00"}})";

class OneKey final : public KeyRing {
 public:
  Result<NodeKeys> ensure(const WorkloadId& /*workload*/) override { return keys_; }
  Result<std::optional<NodeKeys>> find(const WorkloadId& /*workload*/) override {
    return std::optional(keys_);
  }
  Status forget(const WorkloadId& /*workload*/) override { return Ok{}; }

 private:
  NodeKeys keys_{.identity = "/k/id",
                 .public_key = "ssh-ed25519 AAAA gpubroker",
                 .host_private = Secret("host-secret"),
                 .host_public = "ssh-ed25519 BBBB"};
};

class NoChannel final : public NodeChannel {
 public:
  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return Ok{}; }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return Ok{}; }
  Result<std::string> get(const NodeAddress&, const std::string&, std::int64_t, std::int64_t) override {
    return std::string{};
  }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override { return CommandResult{}; }
  Status start(const NodeAddress&, const Command&, const std::string&) override { return Ok{}; }
};

class Dice final : public Random {
 public:
  std::uint64_t next() override { return 4; }
};

/// A subscription in which nothing is, and where every network is made at once.
struct World {
  FakeHome home = {};
  FakeHttp http = {};
  testing::ManualClock clock = {};
  InTurn fan_out = {};
  OneKey keys = {};
  NoChannel channel = {};
  Dice random = {};
  std::unique_ptr<Provider> provider = {};

  World() {
    home.processes.variables["AZURE_TENANT_ID"] = "t";
    home.processes.variables["AZURE_CLIENT_ID"] = "c";
    home.processes.variables["AZURE_CLIENT_SECRET"] = "s";
    home.processes.variables["AZURE_SUBSCRIPTION_ID"] = "s-1";
    http.answer("POST https://login.microsoftonline.com/t/oauth2/v2.0/token",
                R"({"token_type":"Bearer","expires_in":3599,"access_token":"one"})");
    for (const std::string& list :
         {kSub + "/resourcegroups?", kSub + "/providers/Microsoft.Compute/virtualMachines",
          kSub + "/providers/Microsoft.Network/publicIPAddresses"}) {
      http.answer("GET " + list, R"({"value":[]})");
    }
    http.answer("GET " + kGroup,
                HttpResponse{.status = 404, .body = R"({"error":{"code":"ResourceGroupNotFound"}})"});
    http.answer("PUT " + kGroup, "{}");
    http.answer("PATCH " + kGroup, "{}");
    http.answer("DELETE " + kGroup, HttpResponse{.status = 202});
    http.answer("PUT " + kIn, kDone);
    provider = make_provider({.clock = clock,
                              .random = random,
                              .files = home.files,
                              .processes = home.processes,
                              .http = http,
                              .fan_out = fan_out,
                              .keys = keys,
                              .channel = channel});
  }
  HttpResponse accepted(const std::string& body = kCreating) const {
    return {.status = 201,
            .headers = {{"azure-asyncoperation", kOperation}, {"retry-after", "10"}},
            .body = body};
  }
  std::size_t count(const std::string& prefix) const {
    return static_cast<std::size_t>(
        std::count_if(http.requests.begin(), http.requests.end(), [&](const HttpRequest& request) {
          return (request.method + " " + request.url).rfind(prefix, 0) == 0;
        }));
  }
};

GangRequest gang(Market market, int nodes) {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"azure", "eastus", "", "Standard_ND96isr_H100_v5", market}},
          .nodes = nodes,
          .tags = {.workload = {"llama-7k2q"}, .attempt = 1, .expires = {1'795'780'800'000}}};
}

TEST_CASE("azure provider: an allocation is waited for, a boot is not") {
  World world;
  world.http.answer("PUT " + kMachines, world.accepted());
  world.http.answer(
      "GET " + kOperation,
      {.status = 200, .headers = {{"retry-after", "10"}}, .body = R"({"status":"InProgress"})"});
  world.http.answer("GET " + kMachines, kCreating);  // not allocated yet
  world.http.answer("GET " + kMachines, R"({"properties":{"provisioningState":"Creating",
      "instanceView":{"statuses":[{"code":"PowerState/starting"}]}}})");
  const Instant began = world.clock.now();
  const auto nodes = world.provider->provisioner().ensure_gang(gang(Market::spot, 1));
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  REQUIRE(nodes.value().size() == 1);
  CHECK(nodes.value()[0].id.value == "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-0");
  CHECK(nodes.value()[0].billed_from == parse_utc("2026-11-27T10:00:00.5Z").value());
  CHECK(world.clock.now() - began == Millis{10'000});  // as Retry-After says
  CHECK(world.count("GET " + kOperation) == 2);
  CHECK(world.count("PATCH " + kGroup) == 1);  // the gang is booked
  CHECK(world.count("DELETE ") == 0);
  CHECK(world.http.unexpected.empty());
}

TEST_CASE("azure provider: an allocation that fails later takes the group along") {
  World world;
  world.http.answer("PUT " + kMachines, world.accepted());
  world.http.answer(
      "GET " + kOperation,
      R"({"status":"Failed","error":{"code":"OverconstrainedAllocationRequest","message":"Allocation failed."}})");
  const auto nodes = world.provider->provisioner().ensure_gang(gang(Market::on_demand, 2));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK(nodes.error().code == "OverconstrainedAllocationRequest");
  CHECK_FALSE(nodes.error().maybe_applied);
  CHECK(world.count("DELETE " + kGroup) == 1);
  CHECK(world.count("PUT " + kIn + "Compute/availabilitySets/placement") == 1);
}

TEST_CASE("azure provider: an allocation that takes too long is left to the list") {
  World world;
  world.http.answer("PUT " + kMachines, world.accepted());
  world.http.answer(
      "GET " + kOperation,
      {.status = 200, .headers = {{"retry-after", "10"}}, .body = R"({"status":"InProgress"})"});
  world.http.answer("GET " + kMachines, kCreating);
  const auto nodes = world.provider->provisioner().ensure_gang(gang(Market::spot, 1));
  REQUIRE(nodes.ok());
  CHECK_FALSE(nodes.value()[0].billed_from.has_value());  // perhaps never
}

TEST_CASE("azure provider: what is still being provisioned is waited for, and what is busy asked again") {
  World world;
  world.http.answer(
      "PUT " + kIn + "Network/virtualNetworks/network",
      {.status = 409, .body = R"({"error":{"code":"AnotherOperationInProgress","message":"busy"}})"});
  world.http.answer("PUT " + kIn + "Network/virtualNetworks/network",
                    world.accepted(R"({"properties":{"provisioningState":"Updating"}})"));
  world.http.answer("GET " + kOperation, R"({"status":"InProgress"})");
  world.http.answer("GET " + kOperation, R"({"status":"Succeeded"})");
  world.http.answer("GET " + kIn + "Network/virtualNetworks/network", kDone);
  world.http.answer("PUT " + kMachines, HttpResponse{.status = 200, .body = kDone});
  const auto nodes = world.provider->provisioner().ensure_gang(gang(Market::spot, 1));
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  CHECK(world.count("PUT " + kIn + "Network/virtualNetworks/network") == 2);
  CHECK(world.http.unexpected.empty());
}

TEST_CASE("azure provider: a network that cannot be made is no machine") {
  World world;
  world.http.answer(
      "PUT " + kIn + "Network/networkSecurityGroups/firewall",
      {.status = 403, .body = R"({"error":{"code":"AuthorizationFailed","message":"action '…/write'"}})"});
  const auto nodes = world.provider->provisioner().ensure_gang(gang(Market::spot, 3));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::auth);
  CHECK_FALSE(nodes.error().maybe_applied);
  CHECK(world.count("PUT " + kIn + "Network/networkSecurityGroups/firewall") == 1);  // once for all ranks
  CHECK(world.count("PUT " + kMachines) == 0);
  CHECK(world.count("DELETE " + kGroup) == 1);
}

TEST_CASE("azure provider: when the group cannot be deleted either, that is told") {
  World locked;
  locked.http.answer("PUT " + kMachines,
                     {.status = 409, .body = R"({"error":{"code":"SkuNotAvailable","message":"not here"}})"});
  locked.http.answer("DELETE " + kGroup + "?api-version=2021-04-01",
                     {.status = 409, .body = R"({"error":{"code":"ScopeLocked","message":"a lock"}})"});
  const auto nodes = locked.provider->provisioner().ensure_gang(gang(Market::spot, 1));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK(nodes.error().maybe_applied);
  CHECK(nodes.error().message.find("a lock") != std::string::npos);
}

TEST_CASE("azure provider: a token whose group is being deleted was given back") {
  json group = json::parse(fixture("azure/groups.json"))["value"][0];
  group["properties"]["provisioningState"] = "Deleting";
  World taken;
  taken.http.answer("GET " + kGroup + "?api-version=2021-04-01", group.dump());
  const auto nodes = taken.provider->provisioner().ensure_gang(gang(Market::spot, 4));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK(nodes.error().maybe_applied);
  CHECK(taken.count("PUT ") == 0);
  CHECK(taken.count("DELETE ") == 0);
}

TEST_CASE("azure provider: a contract needs a reservation with room for the whole gang") {
  const std::string list = kSub + "/providers/Microsoft.Compute/capacityReservationGroups";
  const std::string id =
      "/subscriptions/s-1/resourceGroups/r/providers/Microsoft.Compute/capacityReservationGroups/g";
  World world;
  world.http.answer("GET " + list, json{{"value", {{{"id", id}, {"location", "eastus"}}}}}.dump());
  world.http.answer("GET https://management.azure.com" + id + "/capacityReservations",
                    R"({"value":[{"sku":{"name":"Standard_ND96isr_H100_v5","capacity":2}}]})");
  world.http.answer("PUT " + kMachines, HttpResponse{.status = 200, .body = kDone});
  const auto none = world.provider->provisioner().ensure_gang(gang(Market::contract, 3));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::capacity);
  CHECK(none.error().scope == ErrorScope::offer);
  CHECK(world.count("PUT ") == 0);
  REQUIRE(world.provider->provisioner().ensure_gang(gang(Market::contract, 2)).ok());
  for (const HttpRequest& request : world.http.requests) {
    if (request.url.rfind(kMachines, 0) != 0 || request.method != "PUT") { continue; }
    CHECK(json::parse(request.body)["properties"]["capacityReservation"]["capacityReservationGroup"]["id"] ==
          id);
  }
}

TEST_CASE("azure provider: ending some of a gang leaves the group, and says which") {
  const json group = json::parse(fixture("azure/groups.json"))["value"][0];  // four machines
  World some;
  some.http.answer("GET " + kGroup + "?api-version=2021-04-01", group.dump());
  some.http.answer("GET " + kMachines, kDone);
  some.http.answer("DELETE " + kMachines, HttpResponse{.status = 202});
  some.http.answer("DELETE " + kMachines + "1", HttpResponse{.status = 204});  // was not there
  const std::string id = "azure/gb-llama-7k2q-a1/gb-llama-7k2q-a1-";
  REQUIRE(some.provider->provisioner().terminate({{id + "1"}, {id + "3"}, {"azure/nonsense"}}).ok());
  CHECK(some.count("DELETE " + kMachines) == 2);
  CHECK(some.count("DELETE " + kGroup) == 0);
  CHECK(some.count("PATCH " + kGroup + "/providers/Microsoft.Resources/tags/default") == 1);
  for (const HttpRequest& request : some.http.requests) {
    if (request.method != "PATCH") { continue; }
    CHECK(json::parse(request.body)["properties"]["tags"]["gpubroker:ended-1"] == "1,3");
  }
  // The others are gone or on their way: then the group goes too.
  World rest;
  rest.http.answer("GET " + kGroup + "?api-version=2021-04-01", group.dump());
  rest.http.answer("GET " + kMachines, R"({"properties":{"provisioningState":"Deleting"}})");
  rest.http.answer("GET " + kMachines + "2",
                   HttpResponse{.status = 404, .body = R"({"error":{"code":"ResourceNotFound"}})"});
  REQUIRE(rest.provider->provisioner().terminate({{id + "0"}}).ok());
  CHECK(rest.count("DELETE " + kGroup + "?") == 1);
  CHECK(rest.count("PATCH ") == 0);
}

TEST_CASE("azure provider: a left-over group of a crashed launch is found and removed, one in use is not") {
  World left;
  left.http.answer("GET " + kSub + "/resourcegroups?api-version=2021-04-01&$filter", [] {
    json groups = json::parse(fixture("azure/groups.json"));
    groups.erase("nextLink");
    return groups.dump();
  }());
  const auto found = left.provider->attachments()->leftovers();
  REQUIRE_MESSAGE(found.ok(), found.error().message);
  REQUIRE(found.value().size() == 1);  // the other is being deleted
  CHECK(found.value()[0].token.value == "llama-7k2q-a1");
  CHECK(found.value()[0].costs);
  left.http.answer("GET " + kIn + "Compute/virtualMachines?",
                   R"({"value":[{"name":"m","properties":{"provisioningState":"Succeeded"}}]})");
  left.http.answer("GET " + kIn + "Compute/virtualMachines?",
                   R"({"value":[{"name":"m","properties":{"provisioningState":"Deleting"}}]})");
  CHECK(left.provider->attachments()->remove(found.value()).ok() == false);
  CHECK(left.count("DELETE ") == 0);
  CHECK(left.provider->attachments()->sweep({"llama-7k2q-a1"}, {}).ok());
  CHECK(left.count("DELETE " + kGroup) == 1);
}

TEST_CASE("azure provider: what lives shorter than the lists lag is asked for by its id and has its dates") {
  World world;
  const Instant now = parse_utc("2026-11-27T10:00:30Z").value();
  world.clock.sleep_until(now);
  const auto listed = [&](const std::string& prefix, const std::string& body) {
    world.http.answer("GET " + prefix, body);
  };
  listed(
      kSub + "/resourcegroups?api-version=2021-04-01&",
      R"({"value":[{"name":"gb-llama-7k2q-a1","location":"eastus","properties":{"provisioningState":"Deleting"},
      "tags":{"gpubroker:token":"llama-7k2q-a1","gpubroker:workload":"llama-7k2q","gpubroker:attempt":"1",
      "gpubroker:market":"spot","gpubroker:nodes":"1","gpubroker:size":"Standard_ND96isr_H100_v5",
      "gpubroker:expires":"2026-11-28T10:00:00Z","gpubroker:booked":"2026-11-27T10:00:10Z"}}]})");
  listed(
      kMachines + "0?",
      R"({"id":"/subscriptions/s-1/resourceGroups/gb-llama-7k2q-a1/providers/Microsoft.Compute/virtualMachines/gb-llama-7k2q-a1-0",
      "name":"gb-llama-7k2q-a1-0","location":"eastus","tags":{"gpubroker:token":"llama-7k2q-a1",
      "gpubroker:workload":"llama-7k2q","gpubroker:attempt":"1","gpubroker:market":"spot","gpubroker:rank":"0",
      "gpubroker:expires":"2026-11-28T10:00:00Z"},
      "properties":{"hardwareProfile":{"vmSize":"Standard_ND96isr_H100_v5"},"provisioningState":"Deleting",
      "timeCreated":"2026-11-27T10:00:00.5+00:00","instanceView":{"statuses":[
        {"code":"ProvisioningState/deleting","time":"2026-11-27T10:00:20+00:00"},
        {"code":"PowerState/stopping"}]}}})");
  const auto views = world.provider->provisioner().list();
  REQUIRE_MESSAGE(views.ok(), views.error().message);
  REQUIRE(views.value().size() == 1);
  CHECK(views.value()[0].state == NodeState::ended);
  CHECK(views.value()[0].billed_from == parse_utc("2026-11-27T10:00:00.5Z").value());
  CHECK(views.value()[0].ended_at == parse_utc("2026-11-27T10:00:20Z").value());
  // Later it is the lists' word alone.
  world.clock.sleep_until(now + std::chrono::minutes{3});
  CHECK(world.provider->provisioner().list().ok());
  CHECK(world.count("GET " + kMachines) == 1);
}

TEST_CASE("azure provider: a refused login is looked for anew at the next call") {
  World world;
  world.http.answer(
      "GET " + kSub + "/providers/Microsoft.Compute/virtualMachines?api-version=2024-07-01",
      {.status = 401, .body = R"({"error":{"code":"InvalidAuthenticationToken","message":"no"}})"});
  world.http.answer("GET " + kSub + "/providers/Microsoft.Compute/virtualMachines?api-version=2024-07-01",
                    R"({"value":[]})");
  CHECK(world.provider->provisioner().list().error().kind == ErrorKind::auth);
  CHECK(world.provider->provisioner().list().ok());
  CHECK(world.provider->provisioner().list().ok());
  CHECK(world.count("POST https://login.microsoftonline.com/") == 2);
}

TEST_CASE("azure notice: the metadata service is asked as it wants it") {
  World world;
  const std::string base = "GET http://169.254.169.254/metadata/";
  world.http.answer(base + "instance/compute", HttpResponse{.status = 500});
  world.http.answer(base + "instance/compute", R"({"name":"m"})");
  world.http.answer(base + "scheduledevents", R"({"DocumentIncarnation":1,"Events":[]})");
  world.http.answer(
      base + "scheduledevents",
      R"({"Events":[{"EventType":"Preempt","Resources":["m"],"NotBefore":"Fri, 27 Nov 2026 10:01:00 GMT"}]})");
  const std::unique_ptr<NoticeSource> notices = make_notice_source(world.http, world.clock);
  CHECK_FALSE(notices->look().ok());
  CHECK_FALSE(notices->look().value().has_value());
  CHECK(notices->look().value() == parse_utc("2026-11-27T10:01:00Z").value());
  CHECK(world.count(base + "instance/compute") == 2);
  for (const HttpRequest& request : world.http.requests) {
    CHECK(testing::sent(request, "Metadata") == "true");
  }
}

TEST_CASE("azure provider: whose account it is, and what its death date is worth") {
  World world;
  CHECK(world.provider->has_account());
  CHECK(world.provider->death_date_gap({}).find("billed on") != std::string::npos);
  world.home.processes.variables.erase("AZURE_CLIENT_SECRET");
  CHECK(world.provider->has_account());  // a machine's identity, as a subscription is named
  world.home.processes.variables.erase("AZURE_SUBSCRIPTION_ID");
  CHECK_FALSE(world.provider->has_account());
}

}  // namespace
}  // namespace gpubroker::azure
