#include "tests/contract/emulated_cloud.hpp"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;

std::string tests_folder() {
  return std::string(GPUBROKER_SOURCE) + "/tests";
}

std::unique_ptr<Http> open_network(CurlOptions options) {
  Result<std::unique_ptr<Http>> http = make_curl_http(std::move(options));
  REQUIRE_MESSAGE(http.ok(), http.error().message);
  return std::move(http).value();
}

/// What the server prints when it is ready. $TESTCLOUD_ALSO names an emulator of the test's own. Its standard
/// input is ours to close: it ends with this program.
std::string start_server() {
  int ends[2] = {};
  REQUIRE(pipe(ends) == 0);
  REQUIRE(fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0);  // else the server itself would hold it open
  const std::string command =
      "exec /usr/bin/python3 " + tests_folder() + "/testcloud/server.py <&" + std::to_string(ends[0]);
  FILE* const server = popen(command.c_str(), "r");
  REQUIRE(server != nullptr);
  close(ends[0]);
  std::string line;
  for (int c = std::fgetc(server); c != EOF && c != '\n'; c = std::fgetc(server)) {
    line += static_cast<char>(c);
  }
  return line;  // the stream stays open: closing it would wait for the server
}

/// Environment and files of accounts at every cloud (tests/e2e/accounts.py).
std::map<std::string, std::string> give_accounts(testing::FakeHome& home) {
  Result<CommandResult> done =
      home.processes.run({.argv = {"/usr/bin/python3", tests_folder() + "/e2e/accounts.py",
                                   home.folder.path(), GPUBROKER_SOURCE}},
                         Millis{20'000});
  REQUIRE(done.ok());
  REQUIRE_MESSAGE(done.value().exit.code == 0, done.value().err);
  return json::parse(done.value().out).get<std::map<std::string, std::string>>();
}

}  // namespace

EmulatedClouds& EmulatedClouds::instance() {
  static EmulatedClouds clouds;
  return clouds;
}

EmulatedClouds::EmulatedClouds() {
  const json ready = json::parse(start_server());
  port_ = ready.at("plain").get<int>();
  connect_to_ = ready.at("connect_to").get<std::string>();
  ca_ = ready.at("ca").get<std::string>();
  http_ = open_network({});
}

CurlOptions EmulatedClouds::network() {
  return {.ca_file = ca_, .connect_to = split(connect_to_, ',')};
}

json EmulatedClouds::call(const std::string& path, const json* body) {
  HttpRequest request{.url = "http://127.0.0.1:" + std::to_string(port_) + path};
  if (body != nullptr) {
    request.method = "POST";
    request.body = body->dump();
  }
  const Result<HttpResponse> answer = http_->send(request);
  REQUIRE_MESSAGE(answer.ok(), answer.error().message);
  REQUIRE(answer.value().status == 200);
  return json::parse(answer.value().body);
}

void EmulatedClouds::arrange(const json& scenario) {
  call("/__scenario", &scenario);
}

std::vector<EmulatedMachine> EmulatedClouds::machines() {
  std::vector<EmulatedMachine> all;
  for (const json& row : call("/__machines")) {
    all.push_back({.id = row.at("id"),
                   .state = row.at("state"),
                   .end_reason = row.at("end_reason"),
                   .tags = row.at("tags").get<std::map<std::string, std::string>>(),
                   .bill_micros = row.at("bill_micros")});
  }
  return all;
}

std::vector<std::string> EmulatedClouds::leaks(const std::string& cloud) {
  const json all = call("/__leaks");
  return all.contains(cloud) ? all.at(cloud).get<std::vector<std::string>>() : std::vector<std::string>{};
}

void EmulatedClouds::preempt(const std::string& id, Millis notice) {
  const json body = {{"id", id}, {"notice_ms", notice.count()}};
  call("/__preempt", &body);
}

void EmulatedClouds::break_machine(const std::string& id) {
  const json body = {{"id", id}};
  call("/__break", &body);
}

json EmulatedClouds::log() {
  return call("/__log");
}

Laptop::Laptop(bool with_accounts)
    : has_accounts(with_accounts),
      network_(open_network(EmulatedClouds::instance().network())),
      patient_(std::make_unique<RetryHttp>(*network_, clock, random,
                                           RetryOptions{.first_pause = Millis{10}, .total = Millis{5'000}})),
      keys_(home.files, home.processes, random, home.folder.path() + "/keys"),
      channel_(home.processes, home.files, {.folder = home.folder.path() + "/ssh"}) {
  if (with_accounts) {
    for (const auto& [name, value] : give_accounts(home)) { home.processes.variables[name] = value; }
  }
}

CloudParts Laptop::parts() {
  return {.clock = clock,
          .random = random,
          .files = home.files,
          .processes = home.processes,
          .http = *patient_,
          .fan_out = fan_out,
          .keys = keys_,
          .channel = channel_};
}

}  // namespace gpubroker::contract
