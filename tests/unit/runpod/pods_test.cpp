// RunPod's pods: the codec over a documented shape, its mutants, and the provider's rarer paths over a fake
// network.
#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "providers/runpod/machines.hpp"
#include "providers/runpod/provider.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"
#include "tests/pod_world.hpp"

namespace gpubroker::runpod {
namespace {

using testing::fixture;
using testing::MutableJson;
using testing::PodWorld;

constexpr const char* kPods = "GET https://api.runpod.io/v2/pods";
const NodeKeys kKeys{.public_key = "ssh-ed25519 AAAA gpubroker", .host_private = Secret("host-secret")};

GangRequest gang(const std::string& type, Market market, std::int64_t micros) {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"runpod", "US-KS-2", "", type, market}, .price = {micros}},
          .nodes = 1,
          .tags = {.workload = {"llama-7k2q"}, .attempt = 1, .expires = Instant{1'795'824'000'000}}};
}

MutableJson body_of(const GangRequest& request) {
  const Result<HttpRequest> out = encode_launch(request, 0, kKeys, Secret("s3cret-key"));
  REQUIRE_MESSAGE(out.ok(), out.error().message);
  CHECK_FALSE(out.value().repeatable);
  CHECK(testing::sent(out.value(), "Authorization") == "Bearer s3cret-key");
  return MutableJson::parse(out.value().body);
}

TEST_CASE("runpod: a type's name says what is booked") {
  CHECK(parse_pod_type("8x NVIDIA H100 80GB HBM3 secure") ==
        PodType{.count = 8, .gpu = "NVIDIA H100 80GB HBM3", .product = "secure"});
  for (const char* const wrong :
       {"", "huge", "x  ", "0x A secure", "99x A secure", "8x secure", "-1x A secure"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_pod_type(wrong).has_value());
  }
}

TEST_CASE("runpod: on demand is booked with its date of death, its tags and both keys") {
  const MutableJson body = body_of(gang("8x NVIDIA H100 80GB HBM3 secure", Market::on_demand, 31'920'000));
  const MutableJson& input = body["variables"]["input"];
  CHECK(body["query"].get<std::string>().find("podFindAndDeployOnDemand(input:$input)") != std::string::npos);
  CHECK(input["cloudType"] == "SECURE");
  CHECK(input["gpuTypeId"] == "NVIDIA H100 80GB HBM3");
  CHECK(input["gpuCount"] == 8);
  CHECK(input["dataCenterId"] == "US-KS-2");
  CHECK(input["terminateAfter"] == "2026-11-28T00:00:00Z");
  CHECK_FALSE(input.contains("bidPerGpu"));
  std::map<std::string, std::string> env;
  for (const MutableJson& one : input["env"]) { env[one["key"]] = one["value"]; }
  CHECK(env["PUBLIC_KEY"] == "ssh-ed25519 AAAA gpubroker");
  CHECK(env["GPUBROKER_HOST_KEY"] == to_base64("host-secret"));
  CHECK(env["GPUBROKER_TAG_TOKEN"] == "llama-7k2q-a1");
  CHECK(env["GPUBROKER_TAG_REGION"] == "US-KS-2");
}

TEST_CASE("runpod: spot bids the offer's price, rounded up per GPU") {
  const MutableJson body = body_of(gang("3x NVIDIA A100-SXM4-80GB community", Market::spot, 1'000'000));
  const MutableJson& input = body["variables"]["input"];
  CHECK(body["query"].get<std::string>().find("podRentInterruptable(input:$input)") != std::string::npos);
  CHECK(input["bidPerGpu"] == 0.333334);
  CHECK(input["cloudType"] == "COMMUNITY");
}

TEST_CASE("runpod: what cannot be booked is refused before anything is sent") {
  const auto kind = [](const GangRequest& request) {
    const Result<HttpRequest> out = encode_launch(request, 0, kKeys, Secret("k"));
    REQUIRE_FALSE(out.ok());
    return out.error().kind;
  };
  CHECK(kind(gang("huge", Market::on_demand, 1)) == ErrorKind::invalid);
  CHECK(kind(gang("8x NVIDIA B200 secure", Market::block, 1)) == ErrorKind::invalid);
  CHECK(kind(gang("8x NVIDIA B200 secure", Market::spot, 0)) == ErrorKind::invalid);
  CHECK(kind(gang("8x NVIDIA B200 cluster", Market::on_demand, 1)) == ErrorKind::not_found);
}

TEST_CASE("runpod: the list tells ours, with what they cost and where they are") {
  const Result<std::vector<NodeView>> views = parse_pods(fixture("runpod/pods.json"));
  REQUIRE_MESSAGE(views.ok(), views.error().message);
  REQUIRE(views.value().size() == 2);
  const NodeView& run = views.value()[0];
  CHECK(run.id.value == "runpod/p1run");
  CHECK(run.offer == OfferKey{"runpod", "any", "", "8x NVIDIA H100 80GB HBM3 secure", Market::on_demand});
  CHECK(run.state == NodeState::running);
  CHECK(run.address.host == "203.0.113.9");
  CHECK(run.address.port == 40022);
  CHECK(run.tags.owner == "ann");
  CHECK(run.created_at == Instant{1'795'773'600'250});
  CHECK(run.price == Rate{31'920'000 + 27'397});  // 200 GB for 0.10 USD a month of 730 hours
  const NodeView& out = views.value()[1];
  CHECK(out.state == NodeState::ended);
  CHECK(out.end_reason == "preempted");
}

TEST_CASE("runpod: what a stopped pod stopped of depends on its market") {
  const auto reason = [](const std::string& status, const std::string& market) {
    MutableJson pods = MutableJson::parse(fixture("runpod/pods.json"));
    pods["pods"][0]["status"] = status;
    pods["pods"][0]["env"]["GPUBROKER_TAG_MARKET"] = market;
    const Result<std::vector<NodeView>> views = parse_pods(pods.dump());
    REQUIRE(views.ok());
    return views.value()[0].end_reason;
  };
  CHECK(reason("EXITED", "spot") == "preempted");
  CHECK(reason("EXITED", "on_demand") == "the container ended");
  CHECK(reason("ERROR", "spot") == "host failure");
  CHECK(reason("TERMINATED", "spot") == "terminated");
  CHECK(reason("STARTING", "spot").empty());
}

TEST_CASE("runpod: a list that goes on elsewhere is no list") {
  MutableJson pods = MutableJson::parse(fixture("runpod/pods.json"));
  pods["nextCursor"] = nullptr;
  CHECK(parse_pods(pods.dump()).ok());
  pods["nextCursor"] = "abc";
  CHECK_FALSE(parse_pods(pods.dump()).ok());
}

TEST_CASE("runpod: mutants are refused, never thrown over") {
  testing::for_each_mutant(MutableJson::parse(fixture("runpod/pods.json")),
                           [](const std::string& text) { static_cast<void>(parse_pods(text)); });
  testing::for_each_mutant(
      MutableJson::parse(R"({"data":{"podRentInterruptable":{"id":"p1","costPerHr":14}},"errors":[]})"),
      [](const std::string& text) { static_cast<void>(parse_launched(text)); });
}

TEST_CASE("runpod: an answer with a pod is a pod, whatever it complains of") {
  const auto made = parse_launched(
      R"({"data":{"podRentInterruptable":{"id":"p1","costPerHr":14}},"errors":[{"message":"oh"}]})");
  REQUIRE(made.ok());
  CHECK(made.value().id.value == "runpod/p1");
  CHECK(made.value().price == Rate{14'027'397});
}

TEST_CASE("runpod: GraphQL's sentences decide the kind") {
  const auto refused = [](const std::string& message, const std::string& code) {
    const auto answer = parse_launched(R"({"errors":[{"message":")" + message +
                                       R"(","extensions":{"code":")" + code + R"("}}],"data":null})");
    REQUIRE_FALSE(answer.ok());
    return answer.error();
  };
  const Error stock =
      refused("There are no longer any instances available with the requested specifications.", "RUNPOD");
  CHECK(stock.kind == ErrorKind::capacity);
  CHECK(stock.scope == ErrorScope::region);
  const Error limit = refused("You would exceed your spend limit of $80 per hour", "RUNPOD");
  CHECK(limit.kind == ErrorKind::quota);
  CHECK(limit.scope == ErrorScope::account);
  CHECK_FALSE(limit.hint.empty());
  CHECK(refused("Your balance is too low", "").kind == ErrorKind::quota);
  CHECK(refused("no", "UNAUTHENTICATED").kind == ErrorKind::auth);
  CHECK(refused("Invalid value for ports", "BAD_USER_INPUT").kind == ErrorKind::invalid);
  CHECK(refused("Something went wrong. Please try again later.", "").maybe_applied);
  CHECK(refused("a sentence of tomorrow", "").kind == ErrorKind::internal);
}

TEST_CASE("runpod: an outbid pod is told, swept with its gang, and told on") {
  PodWorld world("RUNPOD_API_KEY");
  const auto provider = make_provider(world.parts());
  world.http.answer(kPods, fixture("runpod/pods.json"));
  const auto left = provider->attachments()->leftovers();
  REQUIRE(left.ok());
  REQUIRE(left.value().size() == 1);
  CHECK(left.value()[0] == Leftover{.kind = "stopped pod",
                                    .id = "runpod/p2out",
                                    .region = "US-KS-2",
                                    .token = {"llama-7k2q-a2"},
                                    .costs = true});
  world.http.answer("DELETE https://api.runpod.io/v2/pods/p2out", {.status = 204});
  CHECK(provider->attachments()->sweep({"llama-7k2q-a1"}, {}).ok());
  CHECK(world.http.unexpected.empty());
  REQUIRE(provider->attachments()->sweep({"llama-7k2q-a2"}, {}).ok());
  CHECK(world.http.requests.back().method == "DELETE");
  CHECK(world.http.requests.back().repeatable);
  world.http.answer(kPods, std::string(R"({"pods":[]})"));
  static_cast<void>(provider->provisioner().list());  // the first answer of the route
  const auto after = provider->provisioner().list();
  REQUIRE(after.ok());
  REQUIRE(after.value().size() == 1);
  CHECK(after.value()[0].end_reason == "preempted");
}

TEST_CASE("runpod: one pod that cannot be ended does not keep the others") {
  PodWorld world("RUNPOD_API_KEY");
  const auto provider = make_provider(world.parts());
  world.http.answer(kPods, fixture("runpod/pods.json"));
  world.http.answer("DELETE https://api.runpod.io/v2/pods/p1run", {.status = 500, .body = "oh"});
  world.http.answer("DELETE https://api.runpod.io/v2/pods/p2out", {.status = 404, .body = "{}"});
  const Status ended =
      provider->provisioner().terminate({{"runpod/p1run"}, {"runpod/p2out"}, {"runpod/never"}});
  REQUIRE_FALSE(ended.ok());
  CHECK(ended.error().maybe_applied);
  CHECK(world.http.requests.size() == 3);
  CHECK(world.http.unexpected.empty());
}

TEST_CASE("runpod: a running pod is reached with its workload's keys") {
  PodWorld world("RUNPOD_API_KEY");
  const auto provider = make_provider(world.parts());
  CHECK(provider->death_date_gap({}).empty());
  world.http.answer(kPods, fixture("runpod/pods.json"));
  const auto views = provider->provisioner().list();
  REQUIRE(views.ok());
  CHECK(views.value()[0].address.user == "root");
  CHECK(views.value()[0].address.root == "/root/.gpubroker");
  CHECK(views.value()[0].address.port == 40022);
  CHECK(views.value()[0].address.host_key == "ssh-ed25519 HOST");
}

}  // namespace
}  // namespace gpubroker::runpod
