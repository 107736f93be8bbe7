// Shadeform's types over a recorded shape, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/shadeform/cloud.hpp"
#include "providers/shadeform/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::shadeform {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kTypes = "GET https://api.shadeform.ai/v1/instances/types";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region) {
  for (const Listing& listing : harvest.listings) {
    if (listing.offer.key.instance_type == type && listing.offer.key.region == region) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("shadeform: cents per machine, the cloud behind is the seller") {
  const Result<Harvest> harvest = parse_types(fixture("shadeform/types.json"), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 5);  // no CPU machine, no region twice
  const Listing* const h100 = find(harvest.value(), "lambdalabs_H100_sxm5x8", "saltlakecity-usa-1");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{31'920'000});
  CHECK(h100->seller == "lambdalabs");
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->offer.vcpus == 208);
  CHECK(h100->offer.memory_mib == 1800 * 1024);
  CHECK(h100->disk_gib == 22528);
  CHECK(says_available(h100->availability));
  const Listing* const austin = find(harvest.value(), "lambdalabs_H100_sxm5x8", "austin-usa-1");
  REQUIRE(austin != nullptr);
  CHECK_FALSE(says_available(austin->availability));
  REQUIRE(harvest.value().remarks.size() == 1);
  CHECK(harvest.value().remarks[0].what == "row told twice");
}

TEST_CASE("shadeform: H100 without an interconnect is the PCIe card") {
  const Result<Harvest> harvest = parse_types(fixture("shadeform/types.json"), kNow);
  REQUIRE(harvest.ok());
  const Listing* const bare = find(harvest.value(), "scaleway_H100x2", "any");
  REQUIRE(bare != nullptr);
  CHECK(bare->offer.gpu.form == "PCIe");
  CHECK(bare->availability.kind == AvailabilityKind::level);
  CHECK_FALSE(says_available(bare->availability));
  const Listing* const a100 = find(harvest.value(), "denvr_A100_sxm4x8", "calgary-canada-1");
  REQUIRE(a100 != nullptr);
  CHECK(a100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 40, .count = 8});
  CHECK(a100->variant == "baremetal");
}

TEST_CASE("shadeform: a container is a variant of its own") {
  const Result<Harvest> harvest = parse_types(fixture("shadeform/types.json"), kNow);
  REQUIRE(harvest.ok());
  const Listing* const box = find(harvest.value(), "massedcompute_H100", "desmoines-usa-1");
  REQUIRE(box != nullptr);
  CHECK(box->variant == "container");
}

TEST_CASE("shadeform: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("shadeform/types.json")),
                           [](const std::string& text) { static_cast<void>(parse_types(text, kNow)); });
}

TEST_CASE("shadeform: a row that cannot be read does not take the others along") {
  testing::MutableJson types = testing::MutableJson::parse(fixture("shadeform/types.json"));
  types["instance_types"][0].erase("hourly_price");
  types["instance_types"][1]["hourly_price"] = -1;
  const Result<Harvest> harvest = parse_types(types.dump(), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 2);
  CHECK(harvest.value().remarks[0].detail == "instance_types[0]: the field hourly_price is missing");
  CHECK(harvest.value().remarks[0].count == 2);
}

TEST_CASE("shadeform: out of stock is capacity") {
  const auto error = [](int status, const std::string& code) {
    const HttpResponse answer{.status = status, .body = R"({"error_code":")" + code + R"(","error":"m"})"};
    return parse_error(answer, "/x", kNow);
  };
  CHECK(error(409, "OUT_OF_STOCK").kind == ErrorKind::capacity);
  CHECK(error(409, "OUT_OF_STOCK").scope == ErrorScope::region);
  CHECK(error(409, "BUSY").kind == ErrorKind::conflict);
  CHECK(error(401, "").kind == ErrorKind::auth);
}

TEST_CASE("shadeform: the key is found, sent in its own header, and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  visit.http.answer(kTypes, fixture("shadeform/types.json"));
  SUBCASE("nowhere") {
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
  }
  SUBCASE("in the file that SkyPilot reads") {
    home.write(".shadeform/api_key", "file-secret\n");
    REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
    CHECK(testing::sent(visit.http.requests[0], "X-API-KEY") == "file-secret");
    CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  }
  SUBCASE("refused") {
    home.write(".shadeform/api_key", "file-secret\n");
    visit.http.answer("GET https://api.shadeform.ai/v1/sshkeys",
                      {.status = 401, .body = R"({"error_code":"UNAUTHORIZED","error":"bad key"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: bad key");
    CHECK(report.found_in == "~/.shadeform/api_key");
  }
}

}  // namespace
}  // namespace gpubroker::shadeform
