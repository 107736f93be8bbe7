// Where clusters are found, who we are there, and what their answers mean.
#include "providers/coreweave/kube.hpp"

#include <doctest/doctest.h>

#include "providers/coreweave/kubeconfig.hpp"
#include "providers/coreweave/machines.hpp"
#include "tests/mutation.hpp"
#include "tests/pod_world.hpp"

namespace gpubroker::coreweave {
namespace {

using testing::fixture;
using testing::PodWorld;
const Instant kNow{1'795'521'600'000};
constexpr const char* kClusters = "GET https://api.coreweave.com/v1beta1/cks/clusters";
constexpr const char* kServer = "https://org-1a2b3c4d.k8s.us-east-04a.coreweave.com";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST_CASE("coreweave: the kubeconfig's current context") {
  const auto read = parse_kubeconfig({fixture("coreweave/kubeconfig.yaml")});
  REQUIRE(read.ok());
  REQUIRE(read.value().has_value());
  CHECK(read.value()->server == kServer);
  CHECK(read.value()->ca_pem == "---CA---");
  CHECK(read.value()->name_space == "research");
  CHECK(read.value()->token.reveal() == "CW-SECRET-k");
  CHECK_FALSE(read.value()->program.has_value());
}

TEST_CASE("coreweave: of several kubeconfigs the first word counts; a program may tell the token") {
  const std::string first =
      "current-context: mine\ncontexts:\n- {name: mine, context: {cluster: cks, user: program}}\n";
  const auto read = parse_kubeconfig({first, fixture("coreweave/kubeconfig.yaml")});
  REQUIRE(read.ok());
  REQUIRE(read.value().has_value());
  CHECK(read.value()->token.empty());
  REQUIRE(read.value()->program.has_value());
  CHECK(read.value()->program->argv == std::vector<std::string>{"cwic", "auth", "token"});
  CHECK(read.value()->program->env.at("CW_PROFILE") == "lab");
  CHECK(encode_program_request(*read.value()->program).find("client.authentication.k8s.io/v1") !=
        std::string::npos);
  CHECK(parse_program_answer(R"({"kind":"ExecCredential","status":{"token":"t"}})").value().reveal() == "t");
  CHECK(parse_program_answer(R"({"kind":"ExecCredential"})").error().kind == ErrorKind::auth);
}

TEST_CASE("coreweave: a kubeconfig without a whole context is none; one that is broken is refused") {
  CHECK_FALSE(parse_kubeconfig({}).value().has_value());
  CHECK_FALSE(parse_kubeconfig({"current-context: nobody\n"}).value().has_value());
  CHECK_FALSE(parse_kubeconfig({"a: [\n"}).ok());
  const std::string bad = replaced(fixture("coreweave/kubeconfig.yaml"), "LS0tQ0EtLS0=", "***");
  CHECK_FALSE(parse_kubeconfig({bad}).ok());
}

TEST_CASE("coreweave: a server's zone") {
  CHECK(zone_of_server(kServer) == "US-EAST-04A");
  CHECK(zone_of_server("https://x.k8s.eu-south-03a.coreweave.com:6443/a") == "EU-SOUTH-03A");
  CHECK(zone_of_server("https://x.gr7.us-east-1.eks.amazonaws.com") == "");
  CHECK(zone_of_server("https://coreweave.com.evil.example") == "");
  CHECK(zone_of_server("") == "");
}

TEST_CASE("coreweave: the Status object's reason decides the kind") {
  const auto error = [](int status, const std::string& reason, const std::string& message = "m") {
    return parse_status(
        {.status = status,
         .headers = {{"retry-after", "7"}},
         .body = R"({"kind":"Status","reason":")" + reason + R"(","message":")" + message + "\"}"},
        "s", kNow);
  };
  CHECK(error(401, "Unauthorized").kind == ErrorKind::auth);
  CHECK(error(403, "Forbidden").kind == ErrorKind::auth);
  CHECK(error(403, "Forbidden", "exceeded quota: gpus, limited: 8").kind == ErrorKind::quota);
  CHECK(error(404, "NotFound").kind == ErrorKind::not_found);
  CHECK(error(409, "AlreadyExists").kind == ErrorKind::conflict);
  CHECK(error(409, "AlreadyExists").code == "AlreadyExists");
  CHECK(error(410, "Expired").kind == ErrorKind::conflict);
  CHECK(error(422, "Invalid").kind == ErrorKind::invalid);
  CHECK(error(429, "TooManyRequests").retry_after == Millis{7'000});
  CHECK(error(500, "InternalError").kind == ErrorKind::network);
  CHECK(error(504, "Timeout").kind == ErrorKind::network);
  CHECK(parse_status({.status = 502, .body = "<html>"}, "s", kNow).kind == ErrorKind::network);
}

TEST_CASE("coreweave: the clusters of the control plane and of the kubeconfig are one list") {
  PodWorld world("COREWEAVE_API_TOKEN");
  const std::string two = R"({"items":[
    {"name":"late","zone":"US-EAST-04A","apiServerEndpoint":"late.k8s.us-east-04a.coreweave.com","status":"STATUS_RUNNING"},
    {"name":"new","zone":"US-WEST-01A","status":"STATUS_CREATING"},
    {"name":"eu","zone":"EU-SOUTH-03A","apiServerEndpoint":"https://eu.k8s.eu-south-03a.coreweave.com","status":"STATUS_UPGRADING"}]})";
  world.http.answer(kClusters, two);
  world.home.write(".kube/config", fixture("coreweave/kubeconfig.yaml"));
  Kube kube(world.parts());
  const auto clusters = kube.clusters();
  REQUIRE_MESSAGE(clusters.ok(), clusters.error().message);
  REQUIRE(clusters.value().size() == 2);
  CHECK(clusters.value()[0].server == "https://eu.k8s.eu-south-03a.coreweave.com");
  CHECK(clusters.value()[0].token.reveal() == "s3cret-key");
  CHECK(clusters.value()[1].server == kServer);  // the kubeconfig's, which has the certificate
  CHECK(clusters.value()[1].ca_pem == "---CA---");
  CHECK(clusters.value()[1].name_space == "research");
  CHECK(kube.clusters().ok());
  CHECK(world.http.requests.size() == 1);  // known for a minute
  const Error nowhere = kube.cluster_in("US-CENTRAL-07A").error();
  CHECK(nowhere.kind == ErrorKind::quota);
  CHECK(nowhere.scope == ErrorScope::region);
  CHECK(nowhere.message ==
        "the account has no CKS cluster in US-CENTRAL-07A, but in EU-SOUTH-03A, US-EAST-04A");
}

TEST_CASE("coreweave: a kubeconfig alone is enough, its program is run, another cloud's is nobody's") {
  PodWorld world("UNUSED");
  CHECK_FALSE(Kube(world.parts()).has_account());
  CHECK(Kube(world.parts()).clusters().error().code == "no_credentials");
  world.home.write(".kube/config",
                   replaced(fixture("coreweave/kubeconfig.yaml"), "coreweave.com", "example.com"));
  CHECK_FALSE(Kube(world.parts()).has_account());
  const std::string teller = world.home.write(
      "teller", "#!/bin/sh\nprintf '{\"status\":{\"token\":\"from %s %s\"}}' \"$1\" \"$CW_PROFILE\"\n", true);
  std::string text = replaced(fixture("coreweave/kubeconfig.yaml"), "user: me", "user: program");
  world.home.processes.variables["KUBECONFIG"] =
      world.home.write("kc", replaced(text, "command: cwic", "command: " + teller));
  CHECK(Kube(world.parts()).has_account());
  const auto clusters = Kube(world.parts()).clusters();
  REQUIRE_MESSAGE(clusters.ok(), clusters.error().message);
  CHECK(clusters.value().at(0).token.reveal() == "from auth lab");
  // A certificate of the client's in place of a token.
  text = replaced(fixture("coreweave/kubeconfig.yaml"), "{token: CW-SECRET-k}",
                  "{client-certificate-data: eA==}");
  world.home.processes.variables["KUBECONFIG"] = world.home.write("kc2", text);
  const Error error = Kube(world.parts()).clusters().error();
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.message.find("client certificates") != std::string::npos);
}

TEST_CASE("coreweave: a list is read over its pages, and begun anew when they have expired") {
  PodWorld world("COREWEAVE_API_TOKEN");
  const Cluster cluster{.zone = "Z", .server = kServer, .ca_pem = "PEM", .token = Secret("t")};
  const std::string first = fixture("coreweave/nodes.json");
  const std::string last = replaced(first, R"("continue": "bmV4dA==",)", "");
  const std::string url = std::string("GET ") + kServer + "/api/v1/nodes?limit=500&labelSelector=a%3Db";
  world.http.answer(url, first);
  world.http.answer(url + "&continue=", {.status = 410, .body = R"({"reason":"Expired","code":410})"});
  world.http.answer(url + "&continue=", last);
  Kube kube(world.parts());
  const auto nodes = kube.list(cluster, "/api/v1/nodes", "a=b", parse_nodes);
  REQUIRE_MESSAGE(nodes.ok(), nodes.error().message);
  CHECK(nodes.value().size() == 4);
  CHECK(world.http.requests.size() == 4);
  CHECK(world.http.requests[0].ca_pem == "PEM");
  CHECK(testing::sent(world.http.requests[0], "Authorization") == "Bearer t");
  // Pages that run in a circle end, too.
  world.http.answer(url + "&continue=", first);
  CHECK(kube.list(cluster, "/api/v1/nodes", "a=b", parse_nodes).ok());  // the answer from before
  CHECK(kube.list(cluster, "/api/v1/nodes", "a=b", parse_nodes).error().kind == ErrorKind::internal);
}

}  // namespace
}  // namespace gpubroker::coreweave
