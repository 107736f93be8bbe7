// The provider's rarer paths over a network of answers; the usual ones are the contract suite's over the
// emulator.
#include "providers/gcp/provider.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "core/wire/json.hpp"
#include "providers/gcp/notice.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::gcp {
namespace {

using nlohmann::json;
using testing::FakeHome;
using testing::FakeHttp;
using testing::fixture;

const std::string kProject = "https://compute.googleapis.com/compute/v1/projects/env-proj";
constexpr const char* kNothing = R"({"items":{}})";

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

std::string operation(const std::string& scope, const std::string& type, const std::string& more) {
  return R"({"name":"op-1","operationType":")" + type + R"(","selfLink":"https://x/projects/env-proj/)" +
         scope + R"(/operations/op-1","insertTime":"2026-11-24T12:00:00Z",)" + more + "}";
}

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
    home.processes.variables["NO_GCE_CHECK"] = "true";
    home.processes.variables["GOOGLE_CLOUD_PROJECT"] = "env-proj";
    home.write(".config/gcloud/application_default_credentials.json",
               R"({"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"})");
    http.answer("POST https://oauth2.googleapis.com/token",
                R"({"access_token":"ya29.one","expires_in":3599})");
    http.answer("GET " + kProject + "/aggregated/", kNothing);
    http.answer("GET " + kProject + "/global/networks", kNothing);
    for (const char* const made :
         {"/global/networks", "/global/firewalls", "/regions/us-central1/subnetworks"}) {
      const std::string scope = made[1] == 'g' ? "global" : "regions/us-central1";
      http.answer("POST " + kProject + made, operation(scope, "insert", R"("status":"DONE")"));
    }
    http.answer("GET " + kProject + "/global/firewalls",
                R"({"items":[{"name":"default-allow-ssh",)"
                R"("network":"global/networks/default","sourceRanges":["0.0.0.0/0"],)"
                R"("allowed":[{"IPProtocol":"tcp","ports":["22"]}]}]})");
    provider = make_provider({.clock = clock,
                              .random = random,
                              .files = home.files,
                              .processes = home.processes,
                              .http = http,
                              .fan_out = fan_out,
                              .keys = keys,
                              .channel = channel});
  }
  std::size_t count(const std::string& prefix) const {
    return static_cast<std::size_t>(
        std::count_if(http.requests.begin(), http.requests.end(), [&](const HttpRequest& request) {
          return (request.method + " " + request.url).rfind(prefix, 0) == 0;
        }));
  }
  json last_body(const std::string& prefix) const {
    json body;
    for (const HttpRequest& request : http.requests) {
      if ((request.method + " " + request.url).rfind(prefix, 0) == 0) { body = json::parse(request.body); }
    }
    return body;
  }
};

GangRequest gang(const char* type, Market market, int nodes, const char* zone = "") {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"gcp", "us-central1", zone, type, market}},
          .nodes = nodes,
          .tags = {.workload = {"llama-7k2q"}, .attempt = 1, .expires = {1'795'600'000'000}}};
}

const char* const kMade =
    R"("status":"DONE","endTime":"2026-11-24T12:00:05Z","instancesBulkInsertOperationMetadata":{)"
    R"("perLocationStatus":{"zones/us-central1-c":{"createdVmCount":2}}})";

TEST_CASE("gcp: a gang that is booked in a region is where all of it could be made") {
  World world;
  world.http.answer("POST " + kProject + "/regions/us-central1/instances/bulkInsert?requestId=",
                    operation("regions/us-central1", "bulkInsert", R"("status":"RUNNING")"));
  world.http.answer("GET " + kProject + "/regions/us-central1/operations/op-1",
                    operation("regions/us-central1", "bulkInsert", R"("status":"RUNNING")"));
  world.http.answer("GET " + kProject + "/regions/us-central1/operations/op-1",
                    operation("regions/us-central1", "bulkInsert", kMade));
  const auto nodes = world.provider->provisioner().ensure_gang(gang("g2-standard-96", Market::spot, 2));
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  REQUIRE(nodes.value().size() == 2);
  CHECK(nodes.value()[1].id.value == "gcp/us-central1-c/gb-llama-7k2q-a1-1");
  CHECK(nodes.value()[1].offer.zone.empty());  // as it was asked for
  CHECK(world.count("POST " + kProject + "/regions/us-central1/resourcePolicies") == 0);
  // It is in no list yet, and is not gone for that.
  const auto listed = world.provider->provisioner().list();
  REQUIRE(listed.ok());
  CHECK(listed.value().size() == 2);
  world.clock.time = world.clock.time + Millis{120'000};
  CHECK(world.provider->provisioner().list().value().empty());
}

TEST_CASE("gcp: done without an error and without machines is no capacity") {
  World world;
  const std::string none =
      R"("status":"DONE","operationGroupId":"g-1","instancesBulkInsertOperationMetadata":{)"
      R"("perLocationStatus":{"zones/us-central1-a":{"createdVmCount":0}}})";
  world.http.answer("POST " + kProject + "/regions/us-central1/resourcePolicies",
                    operation("regions/us-central1", "insert", R"("status":"DONE")"));
  world.http.answer("DELETE " + kProject + "/regions/us-central1/resourcePolicies/gb-llama-7k2q-a1",
                    operation("regions/us-central1", "delete", R"("status":"DONE")"));
  world.http.answer("POST " + kProject + "/regions/us-central1/instances/bulkInsert",
                    operation("regions/us-central1", "bulkInsert", none));
  const auto nodes = world.provider->provisioner().ensure_gang(gang("a3-highgpu-8g", Market::spot, 2));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK_FALSE(nodes.error().maybe_applied);
  // Its placement policy went with it.
  CHECK(world.count("DELETE " + kProject + "/regions/us-central1/resourcePolicies/gb-llama-7k2q-a1") == 1);
}

TEST_CASE("gcp: a booking that takes too long may have been made") {
  World world;
  const std::string running = operation("regions/us-central1", "bulkInsert", R"("status":"RUNNING")");
  world.http.answer("POST " + kProject + "/regions/us-central1/instances/bulkInsert", running);
  world.http.answer("GET " + kProject + "/regions/us-central1/operations/op-1", running);
  const auto nodes = world.provider->provisioner().ensure_gang(gang("g2-standard-96", Market::spot, 2));
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::network);
  CHECK(nodes.error().maybe_applied);
}

TEST_CASE("gcp: one flex-start machine is not waited for") {
  World world;
  const std::string running = operation("zones/us-central1-a", "insert", R"("status":"RUNNING")");
  world.http.answer("POST " + kProject + "/zones/us-central1-a/instances?requestId=", running);
  world.http.answer("GET " + kProject + "/zones/us-central1-a/operations/op-1", running);
  const Instant before = world.clock.now();
  const auto nodes =
      world.provider->provisioner().ensure_gang(gang("a3-highgpu-8g", Market::flex, 1, "us-central1-a"));
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  CHECK(nodes.value()[0].state == NodeState::starting);
  CHECK(world.clock.now() - before <= Millis{5'000});
}

TEST_CASE("gcp: contracts are booked out of a reservation that has room") {
  World world;
  const std::string reservation =
      R"({"name":"NAME","zone":"zones/us-central1-b","status":"READY","deploymentType":"DENSE",)"
      R"("specificReservation":{"count":"4","inUseCount":"USED","instanceProperties":{"machineType":"a4-highgpu-8g"}}})";
  const auto named = [&](const std::string& name, const std::string& used) {
    std::string text = reservation;
    text.replace(text.find("NAME"), 4, name);
    return text.replace(text.find("USED"), 4, used);
  };
  world.http.answer("GET " + kProject + "/aggregated/reservations",
                    R"({"items":{"zones/us-central1-b":{"reservations":[)" + named("full", "3") + "," +
                        named("roomy", "1") + "]}}}");
  std::string made = kMade;
  made.replace(made.find("us-central1-c"), 13, "us-central1-b");
  world.http.answer("POST " + kProject + "/zones/us-central1-b/instances/bulkInsert",
                    operation("zones/us-central1-b", "bulkInsert", made));
  const auto nodes = world.provider->provisioner().ensure_gang(gang("a4-highgpu-8g", Market::contract, 2));
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  const json sent = world.last_body("POST " + kProject + "/zones/us-central1-b/instances/bulkInsert");
  CHECK(sent["instanceProperties"]["reservationAffinity"]["values"][0] == "roomy");
  const auto none = world.provider->provisioner().ensure_gang(gang("a3-ultragpu-8g", Market::contract, 2));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::invalid);  // the token is used up; another type is another gang
  GangRequest other = gang("a3-ultragpu-8g", Market::contract, 2);
  other.token = {"other-1-a1"};
  CHECK(world.provider->provisioner().ensure_gang(other).error().kind == ErrorKind::capacity);
}

TEST_CASE("gcp: where ssh is shut out a rule of ours opens it") {
  World world;
  world.http.answer("GET " + kProject + "/global/firewalls?", R"({"items":[]})");
  world.http.answer(
      "POST " + kProject + "/global/firewalls",
      HttpResponse{.status = 409, .body = R"({"error":{"code":409,"errors":[{"reason":"alreadyExists"}]}})"});
  world.http.answer("POST " + kProject + "/regions/us-central1/instances/bulkInsert",
                    operation("regions/us-central1", "bulkInsert", kMade));
  // Somebody else made it meanwhile: as good.
  CHECK(world.provider->provisioner().ensure_gang(gang("g2-standard-96", Market::spot, 2)).ok());
  CHECK(world.last_body("POST " + kProject + "/global/firewalls")["targetTags"][0] == "gpubroker");
}

TEST_CASE("gcp: a policy in use is a conflict, one that is gone is removed") {
  World world;
  const std::vector<Leftover> policy = {
      {.kind = "placement policy", .id = "gb-x", .region = "us-central1", .token = {"x"}}};
  CHECK(world.provider->attachments()->remove(policy).ok());
  world.http.answer(
      "DELETE " + kProject + "/regions/us-central1/resourcePolicies/gb-x",
      HttpResponse{
          .status = 400,
          .body = R"({"error":{"code":400,"errors":[{"reason":"resourceInUseByAnotherResource"}]}})"});
  const Status removed = world.provider->attachments()->remove(policy);
  REQUIRE_FALSE(removed.ok());
  CHECK(removed.error().kind == ErrorKind::conflict);
}

TEST_CASE("gcp: a stopped machine costs its disk and is swept") {
  World world;
  world.http.answer("GET " + kProject + "/aggregated/instances", [] {
    json page = json::parse(fixture("gcp/instances.json"));
    page.erase("nextPageToken");
    return page.dump();
  }());
  const auto left = world.provider->attachments()->leftovers();
  REQUIRE_MESSAGE(left.ok(), left.error().message);
  REQUIRE(left.value().size() == 1);
  CHECK(left.value()[0] == Leftover{.kind = "stopped machine",
                                    .id = "gb-t4-9x-a3-0",
                                    .region = "us-west1-b",
                                    .token = {"t4-9x-a3"},
                                    .costs = true});
  const std::string path = kProject + "/zones/us-west1-b/instances/gb-t4-9x-a3-0";
  world.http.answer("DELETE " + path, operation("zones/us-west1-b", "delete", R"("status":"DONE")"));
  const OfferKey offer{"gcp", "us-west1", "us-west1-b", "n1-standard-8+nvidia-tesla-t4:1", Market::on_demand};
  CHECK(world.provider->attachments()->sweep({"t4-9x-a3"}, offer).ok());
  CHECK(world.count("DELETE " + path) == 1);
  CHECK(world.count("DELETE ") == 1);  // the others run
}

TEST_CASE("gcp: one machine that cannot be ended does not spoil the rest") {
  World world;
  const std::string zone = kProject + "/zones/us-central1-a/instances/";
  world.http.answer("DELETE " + zone + "gb-t-0", HttpResponse{.status = 503, .body = "upstream"});
  world.http.answer("DELETE " + zone + "gb-t-1",
                    operation("zones/us-central1-a", "delete", R"("status":"RUNNING")"));
  const Status ended = world.provider->provisioner().terminate({{"gcp/us-central1-a/gb-t-0"},
                                                                {"gcp/us-central1-a/gb-gone-0"},
                                                                {"gcp/never-was"},
                                                                {"gcp/us-central1-a/gb-t-1"}});
  REQUIRE_FALSE(ended.ok());
  CHECK(ended.error().kind == ErrorKind::network);
  CHECK(ended.error().maybe_applied);
  CHECK(world.count("DELETE " + zone + "gb-t-1") == 1);
}

TEST_CASE("gcp: notices of the metadata server") {
  FakeHttp http;
  testing::ManualClock clock;
  const std::string instance = "GET http://169.254.169.254/computeMetadata/v1/instance/";
  const auto said = [](const char* text) {
    return HttpResponse{.status = 200, .headers = {{"metadata-flavor", "Google"}}, .body = text};
  };
  http.answer(instance + "preempted", said("FALSE"));
  http.answer(instance + "preempted", said("FALSE"));
  http.answer(instance + "preempted", said("TRUE\n"));
  http.answer(instance + "maintenance-event", said("NONE"));
  const std::unique_ptr<NoticeSource> source = make_notice_source(http, clock);
  CHECK_FALSE(source->look().value().has_value());
  CHECK(testing::sent(http.requests[0], "Metadata-Flavor") == "Google");
  CHECK_FALSE(source->look().value().has_value());
  const std::optional<Instant> until = source->look().value();
  CHECK(until == clock.now() + Millis{30'000});
  clock.time = clock.time + Millis{5'000};
  CHECK(source->look().value() == until);  // the time runs from the first word

  FakeHttp other;
  other.answer(instance + "preempted", said("FALSE"));
  other.answer(instance + "maintenance-event", said("TERMINATE_ON_HOST_MAINTENANCE"));
  CHECK(make_notice_source(other, clock)->look().value() == clock.now() + std::chrono::minutes{60});
  FakeHttp hotel;
  hotel.answer(instance + "preempted", "TRUE");
  CHECK_FALSE(make_notice_source(hotel, clock)->look().ok());
}

}  // namespace
}  // namespace gpubroker::gcp
