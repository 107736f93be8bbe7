// Brev's public types over a recorded shape, their mutants, and the thin caller.
#include <doctest/doctest.h>

#include "providers/brev/cloud.hpp"
#include "providers/brev/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::brev {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kTypes = "GET https://api.brev.dev/v1/instance/types";
const Instant kNow{1'795'521'600'000};

Harvest read() {
  const Result<Harvest> harvest = parse_types(fixture("brev/types.json"), kNow);
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().listings.size() == 4);
  return harvest.value();
}

TEST_CASE("brev: a price list of other clouds' machines") {
  const Harvest harvest = read();
  const Listing& east = harvest.listings[0];
  CHECK(east.offer.key ==
        OfferKey{.provider = "brev", .region = "us-east-1", .instance_type = "gpu_8x_h100_sxm5"});
  const Listing& west = harvest.listings[1];
  CHECK(west.offer.key.zone == "us-west-3a");
  CHECK(west.offer.price == Rate{31'920'000});
  CHECK(west.seller == "lambda-labs");
  CHECK(west.offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(west.offer.vcpus == 208);
  CHECK(west.offer.memory_mib == 1800 * 1024);
  CHECK(west.availability.kind == AvailabilityKind::unknown);  // nobody says that there is one
}

TEST_CASE("brev: sizes come in several units") {
  CHECK(parse_size_mib("80GiB") == 80 * 1024);
  CHECK(parse_size_mib(" 1.5 TiB ") == 1'572'864);
  CHECK(parse_size_mib("256GB") == 244'141);
  CHECK(parse_size_mib("512MiB") == 512);
  for (const char* const none : {"", "80", "GiB", "lots", "80 parsec", "99999999999999GiB", "1.2.3GiB"}) {
    CAPTURE(none);
    CHECK_FALSE(parse_size_mib(none).has_value());
  }
  const Harvest harvest = read();
  CHECK(harvest.listings[2].offer.memory_mib == 104'858);  // 0.1 TiB
  CHECK(harvest.listings[2].offer.key.zone.empty());       // named like its location
}

TEST_CASE("brev: what cannot be told is left out and told") {
  const Harvest harvest = read();
  const Listing& rack = harvest.listings[3];
  CHECK(rack.offer.key.region == "any");
  CHECK(rack.arch == "arm64");
  CHECK(rack.nvlink_domain == 72);
  CHECK(rack.offer.gpu.memory_gib == 0);
  CHECK(harvest.remarks == std::vector<Remark>{{"unknown size", "lots", 1},
                                               {"several kinds of GPU", "mixed", 1},
                                               {"unknown currency", "EUR", 1}});
}

TEST_CASE("brev: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(testing::MutableJson::parse(fixture("brev/types.json")),
                           [](const std::string& text) { static_cast<void>(parse_types(text, kNow)); });
}

TEST_CASE("brev: asked without a key, and with what the server gave to ask again") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  CHECK(cloud->check(visit.request()).state == AccessReport::State::not_needed);
  CHECK(visit.http.requests.empty());
  SUBCASE("fresh, then unchanged") {
    visit.http.answer(
        kTypes,
        HttpResponse{.status = 200, .headers = {{"etag", "\"v1\""}}, .body = fixture("brev/types.json")});
    visit.http.answer(kTypes, HttpResponse{.status = 304});
    const Result<Harvest> fresh = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(fresh.ok());
    CHECK(fresh.value().listings.size() == 4);
    visit.validators = fresh.value().validators;
    const Result<Harvest> again = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE(again.ok());
    CHECK(again.value().all_unchanged);
    CHECK(again.value().validators == visit.validators);
    CHECK(testing::sent(visit.http.requests[1], "If-None-Match") == "\"v1\"");
  }
  SUBCASE("down") {
    visit.http.answer(kTypes, {.status = 502, .body = "<html>"});
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().kind == ErrorKind::network);
  }
}

}  // namespace
}  // namespace gpubroker::brev
