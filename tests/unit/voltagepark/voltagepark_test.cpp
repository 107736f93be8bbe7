// Voltage Park's locations over a recorded shape, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/voltagepark/cloud.hpp"
#include "providers/voltagepark/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::voltagepark {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kLocations = "GET https://cloud-api.voltagepark.com/api/v1/bare-metal/locations";
const Instant kNow{1'795'521'600'000};

TEST_CASE("voltagepark: prices and counts of GPUs become those of machines, for each fabric") {
  const Result<Harvest> harvest = parse_locations(fixture("voltagepark/locations.json"), kNow);
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().listings.size() == 3);  // a price of 0: no Ethernet at the second
  const Listing& ethernet = harvest.value().listings[0];
  CHECK(ethernet.offer.key == OfferKey{.provider = "voltagepark",
                                       .region = "5b0e6c6e-6f8c-4d3c-9e39-0f2f3d1f8a11",
                                       .instance_type = "8x h100-sxm5-80gb ethernet"});
  CHECK(ethernet.offer.price == Rate{15'920'000});
  CHECK(ethernet.offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(ethernet.offer.vcpus == 104);
  CHECK(ethernet.offer.memory_mib == 1024 * 1024);
  CHECK(ethernet.disk_gib == 18'000);
  CHECK(ethernet.fabric == Fabric::ethernet);
  CHECK(ethernet.availability.value == 2);  // of 20 GPUs
  const Listing& infiniband = harvest.value().listings[1];
  CHECK(infiniband.offer.price == Rate{19'920'000});
  CHECK(infiniband.fabric == Fabric::infiniband);
  CHECK_FALSE(says_available(infiniband.availability));
  CHECK(says_available(harvest.value().listings[2].availability, 2));
}

TEST_CASE("voltagepark: the other wrapping is read too, and more pages are told") {
  testing::MutableJson list = testing::MutableJson::parse(fixture("voltagepark/locations.json"));
  list["items"] = list["results"];
  list.erase("results");
  list["has_next"] = true;
  const Result<Harvest> harvest = parse_locations(list.dump(), kNow);
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 3);
  CHECK(harvest.value().remarks[0].what == "more pages than were read");
}

TEST_CASE("voltagepark: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("voltagepark/locations.json")),
                           [](const std::string& text) { static_cast<void>(parse_locations(text, kNow)); });
}

TEST_CASE("voltagepark: asked without a key") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  CHECK(cloud->check(visit.request()).state == AccessReport::State::not_needed);
  visit.http.answer(kLocations, fixture("voltagepark/locations.json"));
  visit.http.answer(kLocations, {.status = 503, .body = "{}"});
  REQUIRE(cloud->feeds()[0]->fetch(visit.request()).ok());
  CHECK(testing::sent(visit.http.requests[0], "Authorization").empty());
  const Result<Harvest> down = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE_FALSE(down.ok());
  CHECK(down.error().kind == ErrorKind::network);
}

}  // namespace
}  // namespace gpubroker::voltagepark
