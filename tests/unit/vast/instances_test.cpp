// Vast's instances: the codec over a documented shape, its mutants, and the provider's rarer paths over a
// fake network.
#include <doctest/doctest.h>

#include "providers/vast/codec.hpp"
#include "providers/vast/machines.hpp"
#include "providers/vast/provider.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"
#include "tests/pod_world.hpp"

namespace gpubroker::vast {
namespace {

using testing::fixture;
using testing::MutableJson;
using testing::PodWorld;

const std::string kApi = "https://console.vast.ai/api";
const std::string kNone = R"({"instances":[],"next_token":null})";
const Instant kNow{1'795'521'600'000};

Offer offer_of(const std::string& type, Market market, std::int64_t micros, int memory_gib = 0) {
  return {.key = {"vast", "Quebec, CA", "", type, market},
          .gpu = {.model = "", .form = "", .memory_gib = memory_gib, .count = 8},
          .price = {micros}};
}

GangRequest gang(Market market = Market::on_demand, std::int64_t micros = 19'210'000) {
  return {.token = {"llama-7k2q-a1"},
          .offer = offer_of("8x H100 SXM", market, micros),
          .nodes = 1,
          .tags = {.workload = {"llama-7k2q"}, .attempt = 1, .expires = Instant{1'795'824'000'001}}};
}

Listing listing(const std::string& id, std::int64_t machine, std::int64_t disk, Market market,
                int memory = 80) {
  Listing one;
  one.offer = offer_of("8x H100 SXM", market, machine + disk, memory);
  one.variant = id;
  one.parts = {{"machine", {machine}, "x"}, {"200 GB of disk", {disk}, "x"}};
  return one;
}

TEST_CASE("vast: the search for asks names GPU and count, and only markets that Vast has") {
  const Result<HttpRequest> search = encode_ask_search(offer_of("8x H100 \"SXM", Market::spot, 1));
  REQUIRE(search.ok());
  const MutableJson body = MutableJson::parse(search.value().body);
  CHECK(body["type"] == "bid");
  CHECK(body["num_gpus"] == MutableJson{{"eq", 8}});
  CHECK(body["gpu_name"] == MutableJson{{"eq", "H100 \"SXM"}});
  CHECK(body["allocated_storage"] == 200);
  for (const char* const wrong : {"", "huge", "0x A", "x A", "8x "}) {
    CAPTURE(wrong);
    CHECK_FALSE(encode_ask_search(offer_of(wrong, Market::on_demand, 1)).ok());
  }
  CHECK(encode_ask_search(offer_of("8x A", Market::block, 1)).error().kind == ErrorKind::invalid);
}

TEST_CASE(
    "vast: asks are those of the place and the memory, never dearer than the offer, the cheapest first") {
  std::vector<Listing> found = {listing("3", 19'000'000, 100'000, Market::on_demand),
                                listing("2", 18'000'000, 100'000, Market::on_demand),
                                listing("1", 18'000'000, 100'000, Market::on_demand),
                                listing("4", 19'200'000, 100'000, Market::on_demand),
                                listing("5", 10'000'000, 100'000, Market::on_demand, 40),
                                listing("6", 10'000'000, 100'000, Market::on_demand)};
  found.back().offer.key.region = "Texas, US";
  const std::vector<Ask> asks =
      choose_asks(found, offer_of("8x H100 SXM", Market::on_demand, 19'100'000, 80));
  REQUIRE(asks.size() == 3);
  CHECK(asks[0] == Ask{.id = "1", .price = {18'100'000}});
  CHECK(asks[1].id == "2");
  CHECK(asks[2].id == "3");
}

TEST_CASE("vast: a bid is the offer's price without the disk, which may be above the least") {
  const std::vector<Ask> asks = choose_asks({listing("1", 9'600'000, 41'096, Market::spot)},
                                            offer_of("8x H100 SXM", Market::spot, 9'741'096));
  REQUIRE(asks.size() == 1);
  CHECK(asks[0].bid == Rate{9'700'000});
}

TEST_CASE("vast: renting sends tags, the death date and the bid") {
  const HttpRequest out = encode_rent(gang(), 3, {.id = "14412345", .price = {1}, .bid = Rate{9'700'000}},
                                      "ssh-ed25519 AAAA me", Secret("k"));
  CHECK(out.method == "PUT");
  CHECK(out.url == kApi + "/v0/asks/14412345/");
  CHECK_FALSE(out.repeatable);
  const MutableJson body = MutableJson::parse(out.body);
  CHECK(body["price"] == 9.7);
  CHECK(body["label"] == "gb-llama-7k2q-a1-3");
  CHECK(body["cancel_unavail"] == true);
  CHECK(body["env"]["GPUBROKER_TAG_TOKEN"] == "llama-7k2q-a1");
  CHECK(body["env"]["GPUBROKER_TAG_RANK"] == "3");
  const std::string script = body["onstart"];
  CHECK(script.find("-lt 1795824001 ]") != std::string::npos);  // rounded up to the second
  CHECK(script.find("'ssh-ed25519 AAAA me'") != std::string::npos);
  const HttpRequest fixed = encode_rent(gang(), 0, {.id = "1"}, "ssh-ed25519 AAAA me", Secret("k"));
  CHECK_FALSE(MutableJson::parse(fixed.body).contains("price"));
}

TEST_CASE("vast: what came of renting") {
  const auto rented = [](int status, const std::string& body) {
    return parse_rented({.status = status, .body = body}, "PUT", kNow);
  };
  const auto good = rented(200, R"({"success":true,"new_contract":17345678})");
  REQUIRE(good.ok());
  CHECK(good.value().contract == "17345678");
  CHECK_FALSE(good.value().refusal.has_value());
  const auto stray =
      rented(400, R"({"success":false,"error":"invalid_price","msg":"low","new_contract":17345679})");
  REQUIRE(stray.ok());
  CHECK(stray.value().contract == "17345679");
  REQUIRE(stray.value().refusal.has_value());
  CHECK(is_gone_ask(*stray.value().refusal));
  const auto error = [&](int status, const std::string& body) {
    const auto answer = rented(status, body);
    REQUIRE(answer.ok());
    REQUIRE(answer.value().refusal.has_value());
    return *answer.value().refusal;
  };
  const Error taken = error(410, R"({"success":false,"error":"no_such_ask","msg":"m"})");
  CHECK(taken.kind == ErrorKind::capacity);
  CHECK(taken.scope == ErrorScope::offer);
  const Error poor = error(400, R"({"success":false,"error":"x","msg":"insufficient credit"})");
  CHECK(poor.kind == ErrorKind::quota);
  CHECK(poor.scope == ErrorScope::account);
  CHECK_FALSE(poor.hint.empty());
  CHECK(error(503, "upstream").maybe_applied);
  CHECK_FALSE(error(200, R"({"success":false,"error":"x","msg":"no"})").maybe_applied);
  CHECK(rented(200, "<html>").error().kind == ErrorKind::internal);  // nobody knows what was done
}

TEST_CASE("vast: a page tells ours, with what they cost and where they are") {
  const Result<InstancePage> page = parse_instances(fixture("vast/instances.json"));
  REQUIRE_MESSAGE(page.ok(), page.error().message);
  CHECK(page.value().next_token == "17345680");
  REQUIRE(page.value().ours.size() == 2);
  const NodeView& run = page.value().ours[0];
  CHECK(run.id.value == "vast/17345678");
  CHECK(run.offer == OfferKey{"vast", "Quebec, CA", "", "8x H100 SXM", Market::on_demand});
  CHECK(run.state == NodeState::running);
  CHECK(run.address.host == "203.0.113.9");
  CHECK(run.address.port == 40122);
  CHECK(run.price == Rate{18'941'096});
  CHECK(run.created_at == Instant{1'795'773'600'250});
  CHECK(page.value().ours[1].state == NodeState::ended);
  CHECK(page.value().ours[1].end_reason == "preempted");
}

TEST_CASE("vast: states") {
  const auto view = [](const MutableJson& patch) {
    MutableJson page = MutableJson::parse(fixture("vast/instances.json"));
    page["instances"][0].merge_patch(patch);
    const Result<InstancePage> parsed = parse_instances(page.dump());
    REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
    return parsed.value().ours[0];
  };
  CHECK(view({{"actual_status", nullptr}}).state == NodeState::starting);
  CHECK(view({{"actual_status", "loading"}}).state == NodeState::starting);
  const NodeView broken = view({{"actual_status", "loading"}, {"status_msg", "Error: no space left"}});
  CHECK(broken.state == NodeState::ended);
  CHECK(broken.end_reason == "host failure: Error: no space left");
  CHECK(view({{"actual_status", "exited"}}).end_reason == "the container ended");
  CHECK(view({{"actual_status", "offline"}}).state == NodeState::running);  // its agent's silence will tell
  const NodeView proxied = view({{"ports", nullptr}});
  CHECK(proxied.address.host == "ssh5.vast.ai");
  CHECK(proxied.address.port == 12345);
  CHECK(view({{"ports", nullptr}, {"ssh_host", nullptr}}).state == NodeState::starting);
  // Half-stopped is not outbid.
  CHECK(view({{"cur_state", "stopped"}, {"intended_status", "running"}}).state == NodeState::running);
}

TEST_CASE("vast: keys are told by their comment") {
  CHECK(ssh_key_text("ssh-ed25519 AAAA gpubroker", {"t-1"}) == "ssh-ed25519 AAAA gb-t-1");
  CHECK(ssh_key_text("ssh-ed25519 AAAA", {"t-1"}) == "ssh-ed25519 AAAA gb-t-1");
  const auto keys = parse_ssh_keys(
      R"([{"id":1,"public_key":"ssh-rsa BBBB me@home"},{"id":2,"public_key":"ssh-ed25519 AAAA gb-t-1\n"}])");
  REQUIRE(keys.ok());
  REQUIRE(keys.value().size() == 1);
  CHECK(keys.value()[0].id == "2");
  CHECK(keys.value()[0].name == "gb-t-1");
}

TEST_CASE("vast: mutants are refused, never thrown over") {
  testing::for_each_mutant(MutableJson::parse(fixture("vast/instances.json")),
                           [](const std::string& text) { static_cast<void>(parse_instances(text)); });
  testing::for_each_mutant(MutableJson::parse(R"([{"id":2,"public_key":"ssh-ed25519 AAAA gb-t-1"}])"),
                           [](const std::string& text) { static_cast<void>(parse_ssh_keys(text)); });
  testing::for_each_mutant(MutableJson::parse(R"({"success":true,"new_contract":1})"),
                           [](const std::string& text) {
                             static_cast<void>(parse_rented({.status = 200, .body = text}, "PUT", kNow));
                           });
}

/// Asks 1 and 2 at the offer's price.
MutableJson two_asks() {
  MutableJson offers = MutableJson::parse(fixture("vast/offers.json"));
  MutableJson first = offers["offers"][0];
  first["id"] = 1;
  MutableJson second = first;
  second["id"] = 2;
  return {{"offers", {first, second}}};
}

void answer_the_rest(PodWorld& world) {
  world.http.answer("GET " + kApi + "/v0/ssh/", std::string("[]"));
  world.http.answer("POST " + kApi + "/v0/ssh/", std::string(R"({"success":true})"));
  world.http.answer("GET " + kApi + "/v1/instances/", kNone);
  world.http.answer("POST " + kApi + "/v0/bundles/", two_asks().dump());
}

TEST_CASE("vast: an ask that is gone leads to the next; what a refusal made is destroyed") {
  PodWorld world("VAST_API_KEY");
  answer_the_rest(world);
  world.http.answer(
      "PUT " + kApi + "/v0/asks/1/",
      {.status = 400, .body = R"({"success":false,"error":"invalid_price","msg":"low","new_contract":77})"});
  world.http.answer("DELETE " + kApi + "/v0/instances/77/", std::string(R"({"success":true})"));
  world.http.answer("PUT " + kApi + "/v0/asks/2/", std::string(R"({"success":true,"new_contract":78})"));
  const auto provider = make_provider(world.parts());
  const auto nodes = provider->provisioner().ensure_gang(gang());
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  CHECK(nodes.value()[0].id.value == "vast/78");
  CHECK(world.http.unexpected.empty());
}

TEST_CASE("vast: a stray that cannot be destroyed is told as one that may live") {
  PodWorld world("VAST_API_KEY");
  answer_the_rest(world);
  world.http.answer(
      "PUT " + kApi + "/v0/asks/",
      {.status = 400, .body = R"({"success":false,"error":"invalid_price","msg":"low","new_contract":77})"});
  world.http.answer("DELETE " + kApi + "/v0/instances/77/", {.status = 500, .body = "oh"});
  const auto provider = make_provider(world.parts());
  const auto nodes = provider->provisioner().ensure_gang(gang());
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().maybe_applied);
  CHECK(nodes.error().message.find("77") != std::string::npos);
}

TEST_CASE("vast: no ask left is no capacity, and the key does not stay") {
  PodWorld world("VAST_API_KEY");
  world.http.answer("GET " + kApi + "/v0/ssh/", std::string("[]"));
  world.http.answer("GET " + kApi + "/v0/ssh/",
                    std::string(R"([{"id":9,"public_key":"ssh-ed25519 AAAA gb-llama-7k2q-a1"}])"));
  world.http.answer("POST " + kApi + "/v0/ssh/", std::string(R"({"success":true})"));
  world.http.answer("DELETE " + kApi + "/v0/ssh/9/", std::string(R"({"success":true})"));
  world.http.answer("GET " + kApi + "/v1/instances/", kNone);
  world.http.answer("POST " + kApi + "/v0/bundles/", std::string(R"({"offers":[]})"));
  const auto provider = make_provider(world.parts());
  const auto nodes = provider->provisioner().ensure_gang(gang());
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().kind == ErrorKind::capacity);
  CHECK(nodes.error().scope == ErrorScope::offer);
  CHECK(world.http.requests.back().method == "DELETE");
}

TEST_CASE("vast: pages are walked, and a circle of them is no list") {
  PodWorld world("VAST_API_KEY");
  const auto provider = make_provider(world.parts());
  world.http.answer("GET " + kApi + "/v1/instances/?limit=25", fixture("vast/instances.json"));
  world.http.answer("GET " + kApi + "/v1/instances/?limit=25&after_token=17345680", kNone);
  const auto views = provider->provisioner().list();
  REQUIRE_MESSAGE(views.ok(), views.error().message);
  CHECK(views.value().size() == 2);
  CHECK(views.value()[0].address.host_key.empty());  // the first contact is believed
  CHECK(views.value()[0].address.user == "root");
  CHECK_FALSE(provider->death_date_gap({}).empty());
  PodWorld round("VAST_API_KEY");
  round.http.answer("GET " + kApi + "/v1/instances/", fixture("vast/instances.json"));
  CHECK_FALSE(make_provider(round.parts())->provisioner().list().ok());
}

TEST_CASE("vast: an outbid instance is destroyed with its gang's key, and told on") {
  PodWorld world("VAST_API_KEY");
  const auto provider = make_provider(world.parts());
  world.http.answer("GET " + kApi + "/v1/instances/?limit=25", fixture("vast/instances.json"));
  world.http.answer("GET " + kApi + "/v1/instances/?limit=25&after_token=17345680", kNone);
  world.http.answer("GET " + kApi + "/v0/ssh/",
                    std::string(R"([{"id":9,"public_key":"ssh-ed25519 AAAA gb-llama-7k2q-a2"}])"));
  world.http.answer("DELETE " + kApi + "/v0/instances/17345679/", std::string(R"({"success":true})"));
  world.http.answer("DELETE " + kApi + "/v0/ssh/9/", {.status = 404, .body = "{}"});
  const auto left = provider->attachments()->leftovers();
  REQUIRE(left.ok());
  CHECK(left.value().size() == 2);
  REQUIRE(provider->attachments()->sweep({"llama-7k2q-a2"}, {}).ok());
  REQUIRE(provider->attachments()->remove(left.value()).ok());
  CHECK(world.http.unexpected.empty());
}

}  // namespace
}  // namespace gpubroker::vast
