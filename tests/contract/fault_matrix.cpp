// Every cloud and every fault of its booking call: what comes out, and that a retry with the same token ends
// with one whole gang.
#include <algorithm>
#include <array>
#include <cstdio>

#include <doctest/doctest.h>

#include "tests/contract/cloud_checks.hpp"

namespace gpubroker::contract {
namespace {

using nlohmann::json;

struct Fault {
  const char* name;
  json at_booking;                // of the scenario; null: the network itself is wrong
  std::vector<ErrorKind> may_be;  // no other outcome is right
};

std::vector<Fault> faults() {
  using enum ErrorKind;
  const json plain = {{"body", "{}"}};
  const auto status = [&](int code) {
    json fault = plain;
    fault["status"] = code;
    return fault;
  };
  return {
      {"401", status(401), {auth}},
      {"403", status(403), {auth, quota}},
      {"404", status(404), {not_found, capacity, invalid}},
      {"409", status(409), {conflict, capacity}},
      {"429", status(429), {throttled}},
      {"500", status(500), {network, internal}},
      {"503", status(503), {network, capacity}},
      {"cut body", {{"cut", 5}}, {network, internal}},
      {"garbage after it was done", {{"garble", true}}, {network, internal}},
      {"garbage", {{"status", 200}, {"body", "<html>{"}}, {network, internal}},
      {"timeout before it arrives", {{"delay_ms", 1'500}, {"status", 504}, {"body", ""}}, {network}},
      {"timeout after it was done", {{"lose", true}, {"delay_ms", 700}}, {network}},
      {"TLS wrong", nullptr, {network, auth}},
  };
}

/// Waits no longer than a test can.
class Hurried final : public Http {
 public:
  explicit Hurried(Http& inner) : inner_(inner) {}
  Result<HttpResponse> send(const HttpRequest& request) override {
    HttpRequest quick = request;
    quick.timeout = Millis{500};
    return inner_.send(quick);
  }

 private:
  Http& inner_;
};

class Trial {
 public:
  explicit Trial(const CloudCase& c) : cloud_(c) {}

  /// What became of a booking under this fault, in a word or two for the table.
  std::string meet(const Fault& fault) {
    json scenario = json::object();
    if (!fault.at_booking.is_null()) {
      json at = fault.at_booking;
      at["host"] = cloud_.host;
      at["path"] = cloud_.path;
      at["times"] = 1;
      if (!cloud_.body.empty()) { at["request"] = cloud_.body; }
      scenario["faults"] = json::array({at});
    }
    EmulatedClouds::instance().arrange(scenario);
    Laptop laptop;
    const GangRequest request{
        .token = {"t1"},
        .offer = {.key = cloud_.on_demand,
                  .gpu = {.model = "H100", .count = 8},
                  .price = cloud_.price,
                  .billing = cloud_.billing},
        .nodes = 2,
        .tags = {.workload = {"w-t1"}, .attempt = 1, .expires = laptop.clock.now() + std::chrono::hours{2}}};
    std::string outcome = first_try(fault, laptop, request);
    // Whatever it was: the same token again, as the broker does, gives one gang.
    for (int i = 0; i < 5; ++i) {
      const auto again = book(laptop, laptop.parts().http, request);
      if (again.ok()) {
        CHECK(again.value().size() == 2);
        CHECK_MESSAGE(living() == 2, cloud_.name << " " << fault.name << ": " << living() << " machines");
        return outcome + "; again: one gang";
      }
      // A gang of which some were refused is given back whole, and its token with it.
      if (again.error().kind == ErrorKind::capacity) {
        CHECK_MESSAGE(living() == 0, cloud_.name << " " << fault.name);
        return outcome + "; given back";
      }
    }
    FAIL_CHECK(cloud_.name << " " << fault.name << ": the same token never succeeds again");
    return outcome + "; STUCK";
  }

 private:
  std::string first_try(const Fault& fault, Laptop& laptop, const GangRequest& request) {
    CurlOptions wrong = EmulatedClouds::instance().network();
    wrong.ca_file = "";  // the system's: they have not signed the emulator
    Result<std::unique_ptr<Http>> distrusting = make_curl_http(wrong);
    REQUIRE(distrusting.ok());
    Http& network = fault.at_booking.is_null() ? *distrusting.value() : laptop.parts().http;
    Hurried hurried(network);
    const auto answer = book(laptop, hurried, request);
    if (answer.ok()) { return "ok"; }  // repeated by itself, since the call may be
    const Error& error = answer.error();
    const bool right = std::find(fault.may_be.begin(), fault.may_be.end(), error.kind) != fault.may_be.end();
    CHECK_MESSAGE(right,
                  cloud_.name << " " << fault.name << ": " << to_string(error.kind) << ": " << error.message);
    CHECK_FALSE(error.message.empty());
    if (living() > 0) {
      CHECK_MESSAGE(error.maybe_applied,
                    cloud_.name << " " << fault.name << ": machines live and nobody says so");
    }
    return std::string(to_string(error.kind)) + (error.maybe_applied ? ", maybe done" : "");
  }

  Result<std::vector<NodeView>> book(Laptop& laptop, Http& http, const GangRequest& request) const {
    const CloudParts own = laptop.parts();
    const CloudParts parts{.clock = own.clock,
                           .random = own.random,
                           .files = own.files,
                           .processes = own.processes,
                           .http = http,
                           .fan_out = own.fan_out,
                           .keys = own.keys,
                           .channel = own.channel};
    return open_provider(cloud_, laptop, parts)->provisioner().ensure_gang(request);
  }

  static std::size_t living() {
    std::size_t count = 0;
    for (const EmulatedMachine& machine : EmulatedClouds::instance().machines()) {
      if (machine.state != "ended") { ++count; }
    }
    return count;
  }

  const CloudCase& cloud_;
};

}  // namespace

std::string run_fault_matrix(const CloudCase& cloud) {
  std::string table;
  for (const Fault& fault : faults()) {
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(), "%-10s %-26s %s\n", cloud.name.c_str(), fault.name,
                  Trial(cloud).meet(fault).c_str());
    table += line.data();
  }
  return table;
}

}  // namespace gpubroker::contract
