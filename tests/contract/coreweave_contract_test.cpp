// What only CoreWeave has, over its emulator and the network: kubeconfigs with a certificate of their own,
// several clusters, notices by marks on nodes, what its controller refuses, and booking cut off half-way.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "providers/coreweave/provider.hpp"
#include "tests/contract/emulated_cloud.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;

constexpr const char* kHere = "org-1a2b3c4d.k8s.us-east-04a.coreweave.com";
constexpr const char* kThere = "org-5e6f7a8b.k8s.us-central-07a.coreweave.com";

GangRequest gang(Laptop& laptop, const std::string& token, int nodes, const std::string& zone = "US-EAST-04A",
                 const std::string& type = "gd-8xh100ib-i128", Market market = Market::on_demand) {
  return {
      .token = {token},
      .offer = {.key = {"coreweave", zone, "", type, market}, .price = {49'240'000}},
      .nodes = nodes,
      .tags = {
          .workload = {"w-" + token}, .attempt = 1, .expires = laptop.clock.now() + std::chrono::hours{2}}};
}

json two_clusters() {
  const auto cluster = [](const char* name, const char* zone, const char* server) {
    return json{{"id", name},
                {"name", name},
                {"zone", zone},
                {"apiServerEndpoint", server},
                {"status", "STATUS_RUNNING"}};
  };
  return {{"clouds",
           {{"coreweave",
             {{"clusters", {cluster("a", "US-EAST-04A", kHere), cluster("b", "US-CENTRAL-07A", kThere)}}}}}}};
}

std::vector<NodeView> list(Provider& provider) {
  const auto views = provider.provisioner().list();
  REQUIRE_MESSAGE(views.ok(), views.error().message);
  return views.value();
}

std::size_t really_living() {
  const std::vector<EmulatedMachine> all = EmulatedClouds::instance().machines();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const EmulatedMachine& m) { return m.state != "ended"; }));
}

template <class Done>
void wait_until(Laptop& laptop, const std::string& what, Done done) {
  const Millis deadline = laptop.clock.monotonic() + std::chrono::seconds{10};
  while (!done()) {
    REQUIRE_MESSAGE(laptop.clock.monotonic() < deadline, "in vain for " << what);
    laptop.clock.sleep_until(laptop.clock.now() + Millis{20});
  }
}

TEST_CASE("coreweave: a kubeconfig alone is an account, and its own certificate is believed") {
  EmulatedClouds::instance().arrange(json::object());
  Laptop laptop(/*with_accounts=*/false);
  CurlOptions network = EmulatedClouds::instance().network();
  std::ifstream file(network.ca_file);
  std::stringstream certificate;
  certificate << file.rdbuf();
  network.ca_file = "";  // nobody else's certificate is
  Result<std::unique_ptr<Http>> http = make_curl_http(network);
  REQUIRE(http.ok());
  const CloudParts own = laptop.parts();
  const CloudParts parts{.clock = own.clock,
                         .random = own.random,
                         .files = own.files,
                         .processes = own.processes,
                         .http = *http.value(),
                         .fan_out = own.fan_out,
                         .keys = own.keys,
                         .channel = own.channel};
  const auto config = [&](const std::string& ca) {
    const json text = {
        {"current-context", "c"},
        {"contexts", {{{"name", "c"}, {"context", {{"cluster", "k"}, {"user", "u"}}}}}},
        {"users", {{{"name", "u"}, {"user", {{"token", "CW-SECRET-test"}}}}}},
        {"clusters",
         {{{"name", "k"},
           {"cluster", {{"server", std::string("https://") + kHere}, {"certificate-authority-data", ca}}}}}}};
    laptop.home.write(".kube/config", text.dump());
  };
  config(to_base64(certificate.str()));
  const auto provider = coreweave::make_provider(parts);
  CHECK(provider->has_account());
  const auto made = provider->provisioner().ensure_gang(gang(laptop, "t1", 1));
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  CHECK(list(*provider).size() == 1);
  config("");  // the system's roots have not signed it
  const auto distrusting = coreweave::make_provider(parts)->provisioner().list();
  REQUIRE_FALSE(distrusting.ok());
  CHECK(distrusting.error().kind == ErrorKind::network);
}

TEST_CASE("coreweave: the list covers all clusters of the account, and fails whole") {
  EmulatedClouds::instance().arrange(two_clusters());
  Laptop laptop;
  const auto provider = coreweave::make_provider(laptop.parts());
  REQUIRE(provider->provisioner().ensure_gang(gang(laptop, "t1", 1)).ok());
  REQUIRE(provider->provisioner().ensure_gang(gang(laptop, "t2", 2, "US-CENTRAL-07A", "b200-8x")).ok());
  CHECK(list(*provider).size() == 3);
  json broken = two_clusters();
  broken["faults"] = json::array({{{"host", kThere}, {"status", 403}, {"body", "{}"}}});
  EmulatedClouds::instance().arrange(broken);
  const auto whole = coreweave::make_provider(laptop.parts())->provisioner().list();
  REQUIRE_FALSE(whole.ok());
  CHECK(whole.error().kind == ErrorKind::auth);
  CHECK(whole.error().source.find("US-CENTRAL-07A") != std::string::npos);
}

TEST_CASE("coreweave: a spot node's mark is a notice") {
  EmulatedClouds::instance().arrange(json::object());
  Laptop laptop;
  const auto provider = coreweave::make_provider(laptop.parts());
  const auto made = provider->provisioner().ensure_gang(
      gang(laptop, "t1", 2, "US-EAST-04A", "gd-8xh100ib-i128", Market::spot));
  REQUIRE_MESSAGE(made.ok(), made.error().message);
  wait_until(laptop, "it to run", [&] { return list(*provider)[1].state == NodeState::running; });
  const Instant before = laptop.clock.now();
  EmulatedClouds::instance().preempt("gb-t1-1", std::chrono::minutes{6});
  wait_until(laptop, "the notice", [&] { return list(*provider)[1].notice_until.has_value(); });
  const NodeView taken = list(*provider)[1];
  CHECK_FALSE(list(*provider)[0].notice_until.has_value());
  CHECK(taken.state == NodeState::running);
  CHECK(std::chrono::abs(*taken.notice_until - before - std::chrono::minutes{6}) < std::chrono::seconds{3});
}

TEST_CASE("coreweave: what the controller refuses leaves nothing") {
  EmulatedClouds::instance().arrange(json::object());
  Laptop laptop;
  const auto provider = coreweave::make_provider(laptop.parts());
  const Error error =
      provider->provisioner().ensure_gang(gang(laptop, "t1", 1, "US-EAST-04A", "b200-8x")).error();
  CHECK(error.kind == ErrorKind::invalid);
  CHECK(error.scope == ErrorScope::offer);
  CHECK(error.message.find("instance type does not exist in zone") != std::string::npos);
  CHECK(EmulatedClouds::instance().leaks("coreweave").empty());
}

TEST_CASE("coreweave: a booking that was cut off before it asked for nodes is found, finished or ended") {
  for (const bool finish : {true, false}) {
    json scenario = json::object();
    scenario["faults"] = json::array({{{"host", "k8s"},
                                       {"path", "/pods"},
                                       {"request", "gb-t1-1"},
                                       {"status", 503},
                                       {"body", ""},
                                       {"times", 1}}});
    EmulatedClouds::instance().arrange(scenario);
    Laptop laptop;
    const GangRequest request = gang(laptop, "t1", 2);
    CHECK(coreweave::make_provider(laptop.parts())->provisioner().ensure_gang(request).error().kind ==
          ErrorKind::network);
    CHECK(EmulatedClouds::instance().machines().empty());
    Laptop other;
    const auto provider = coreweave::make_provider(other.parts());
    const std::vector<NodeView> found = list(*provider);
    REQUIRE(found.size() == 2);
    CHECK(found[0].state == NodeState::starting);
    CHECK(provider->attachments()->leftovers().value().empty());
    if (finish) {
      CHECK(provider->provisioner().ensure_gang(request).ok());
      CHECK(really_living() == 2);
    } else {
      CHECK(provider->provisioner().terminate({found[0].id, found[1].id}).ok());
      CHECK(EmulatedClouds::instance().leaks("coreweave").empty());
    }
  }
}

TEST_CASE(
    "coreweave: a pool whose machines have all gone is a leftover that costs, for it would fill up again") {
  EmulatedClouds::instance().arrange({{"clouds", {{"coreweave", {{"refill_ms", 600'000}}}}}});
  Laptop laptop;
  const auto provider = coreweave::make_provider(laptop.parts());
  const GangRequest request = gang(laptop, "t1", 1, "US-EAST-04A", "gd-8xh100ib-i128", Market::spot);
  REQUIRE(provider->provisioner().ensure_gang(request).ok());
  CHECK(provider->attachments()
            ->remove({{.kind = "node pool", .id = "gb-t1", .region = "US-EAST-04A"}})
            .error()
            .kind == ErrorKind::conflict);
  CHECK(provider->attachments()->sweep(request.token, request.offer.key).ok());
  CHECK(really_living() == 1);  // in use: left alone
  EmulatedClouds::instance().preempt("gb-t1-0", Millis{0});
  wait_until(laptop, "it to be gone", [&] { return really_living() == 0; });
  const std::vector<Leftover> left = provider->attachments()->leftovers().value();
  REQUIRE(left.size() == 1);
  CHECK(left[0].costs);
  CHECK(left[0].token.value == gang_name(request.token));
  CHECK(provider->attachments()->sweep(request.token, request.offer.key).ok());
  CHECK(EmulatedClouds::instance().leaks("coreweave").empty());
}

}  // namespace
}  // namespace gpubroker::contract
