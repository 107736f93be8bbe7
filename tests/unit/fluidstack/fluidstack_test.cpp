// Fluidstack's codec over recorded shapes, their mutants, and the thin callers over a fake network.
#include <doctest/doctest.h>

#include "providers/fluidstack/cloud.hpp"
#include "providers/fluidstack/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::fluidstack {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;

constexpr const char* kAtlas = "GET https://atlas.fluidstack.io/api/v1alpha1";
constexpr const char* kOauth = "POST https://oauth.fluidstack.io/oauth/token";
const Instant kNow{1'795'521'600'000};

TEST_CASE("fluidstack: types with their free machines are quotes of a contract") {
  Harvest told;
  const auto capacity = parse_capacity(fixture("fluidstack/capacity.json"), told);
  REQUIRE(capacity.ok());
  const Result<Harvest> harvest = parse_types(fixture("fluidstack/types.json"), capacity.value(), kNow);
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().listings.size() == 3);  // no CPU machine
  const Listing& h100 = harvest.value().listings[0];
  CHECK(h100.offer.key.market == Market::contract);
  CHECK(h100.basis == PriceBasis::quote);
  CHECK(h100.offer.price == Rate{});
  CHECK(h100.offer.gpu.count == 8);
  CHECK(h100.offer.gpu.form == "SXM");
  CHECK(h100.offer.vcpus == 192);
  CHECK(h100.offer.memory_mib == 1800 * 1024);
  CHECK(h100.availability == Availability{AvailabilityKind::count, 3, "fluidstack capacity"});
  const Listing& gb200 = harvest.value().listings[1];
  CHECK(gb200.arch == "arm64");
  CHECK(gb200.nvlink_domain == 72);
  CHECK_FALSE(says_available(gb200.availability));
  CHECK(harvest.value().listings[2].offer.memory_mib == 2 * 1024 * 1024);             // 2Ti
  CHECK(harvest.value().listings[2].availability.kind == AvailabilityKind::unknown);  // no count told
}

TEST_CASE("fluidstack: memory is a binary quantity; another is told") {
  const auto remark_of = [](const std::string& memory) {
    const Result<Harvest> harvest = parse_types(
        R"([{"name":"a","cpu":1,"memory":")" + memory + R"(","gpu_count":1,"gpu_model":"H100"}])", {}, kNow);
    REQUIRE(harvest.ok());
    return harvest.value().remarks.empty() ? std::string() : harvest.value().remarks[0].detail;
  };
  CHECK(remark_of("512Mi").empty());
  CHECK(remark_of("1800GB") == "instance-types[0]: '1800GB' is no amount of memory");
  CHECK_FALSE(remark_of("Gi").empty());
  CHECK_FALSE(remark_of("1800").empty());
  CHECK_FALSE(remark_of("9223372036854775807Ti").empty());
}

TEST_CASE("fluidstack: mutants are refused or told, never thrown over") {
  testing::for_each_mutant(MutableJson::parse(fixture("fluidstack/types.json")), [](const std::string& text) {
    static_cast<void>(parse_types(text, {{"8xh100-sxm", 3}}, kNow));
  });
  testing::for_each_mutant(MutableJson::parse(fixture("fluidstack/capacity.json")),
                           [](const std::string& text) {
                             Harvest harvest;
                             static_cast<void>(parse_capacity(text, harvest));
                           });
  testing::for_each_mutant(MutableJson::parse(fixture("fluidstack/projects.json")),
                           [](const std::string& text) { static_cast<void>(parse_projects(text)); });
}

TEST_CASE("fluidstack: errors") {
  CHECK(parse_error({.status = 501, .body = R"({"message":"not here"})"}, "/x", kNow).kind ==
        ErrorKind::not_found);
  CHECK(parse_error({.status = 401, .body = R"({"message":"m"})"}, "/x", kNow).kind == ErrorKind::auth);
  CHECK(parse_token({.status = 400, .body = R"({"error":"invalid_client"})"}, kNow).error().kind ==
        ErrorKind::auth);
  CHECK(parse_token({.status = 503}, kNow).error().kind == ErrorKind::network);
  CHECK(parse_token({.status = 200, .body = R"({"access_token":""})"}, kNow).error().kind == ErrorKind::auth);
}

struct World {
  FakeHome home = {};
  FakeVisit visit = {};
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);
  World() {
    visit.http.answer(kAtlas + std::string("/projects"), fixture("fluidstack/projects.json"));
    visit.http.answer(kAtlas + std::string("/capacity"), fixture("fluidstack/capacity.json"));
    visit.http.answer(kAtlas + std::string("/instance-types"), fixture("fluidstack/types.json"));
  }
};

TEST_CASE("fluidstack: where credentials are found, and what check says of them") {
  World world;
  auto& variables = world.home.processes.variables;
  SUBCASE("nowhere") {
    CHECK(world.cloud->feeds()[0]->fetch(world.visit.request()).error().code == "no_credentials");
    CHECK(world.cloud->check(world.visit.request()).state == AccessReport::State::missing);
    CHECK(world.visit.http.requests.empty());
  }
  SUBCASE("fluidctl's token; the first project is asked") {
    world.home.write(".fluidstack/token", "file-token\n");
    REQUIRE(world.cloud->feeds()[0]->fetch(world.visit.request()).ok());
    CHECK(testing::sent(world.visit.http.requests[1], "Authorization") == "Bearer file-token");
    CHECK(testing::sent(world.visit.http.requests[1], "X-PROJECT-ID") == "p-1");
  }
  SUBCASE("a client's credentials are exchanged; the project is named") {
    variables["FLUIDSTACK_CLIENT_ID"] = "client-1";
    variables["FLUIDSTACK_CLIENT_SECRET"] = "se\"cret";
    variables["ATLAS_PROJECT_ID"] = "p-2";
    world.visit.http.answer(kOauth, R"({"access_token":"issued","expires_in":86400})");
    REQUIRE(world.cloud->feeds()[0]->fetch(world.visit.request()).ok());
    REQUIRE(world.visit.http.requests.size() == 3);
    CHECK(
        world.visit.http.requests[0].body ==
        R"({"grant_type":"client_credentials","client_id":"client-1","client_secret":"se\"cret","audience":"https://api.fluidstack.io"})");
    CHECK(testing::sent(world.visit.http.requests[1], "X-PROJECT-ID") == "p-2");
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "$FLUIDSTACK_CLIENT_SECRET");
    CHECK(report.identity == "project other");
  }
  SUBCASE("refused") {
    world.home.write(".fluidstack/token", "file-token");
    FakeVisit visit;
    visit.http.answer(kAtlas + std::string("/projects"),
                      HttpResponse{.status = 401, .body = R"({"message":"invalid token"})"});
    const AccessReport report = world.cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 401: invalid token");
    CHECK(report.problem.find("file-token") == std::string::npos);
  }
}

}  // namespace
}  // namespace gpubroker::fluidstack
