// Verda's types and availability over recorded shapes, their mutants, the token, and the thin caller.
#include <doctest/doctest.h>

#include "providers/verda/cloud.hpp"
#include "providers/verda/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::verda {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

constexpr const char* kToken = "POST https://api.verda.com/v1/oauth2/token";
constexpr const char* kTypes = "GET https://api.verda.com/v1/instance-types?currency=usd";
constexpr const char* kStock = "GET https://api.verda.com/v1/instance-availability?isSpot=false";
constexpr const char* kSpotStock = "GET https://api.verda.com/v1/instance-availability?isSpot=true";
const Instant kNow{1'795'521'600'000};

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region,
                    Market market) {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == type && key.region == region && key.market == market) { return &listing; }
  }
  return nullptr;
}

Harvest read() {
  const Result<Stock> stock = parse_availability(fixture("verda/availability.json"));
  REQUIRE(stock.ok());
  const Stock spot = {{"FIN-03", {"8B200.240V"}}};
  const Result<Harvest> harvest = parse_types(fixture("verda/types.json"), stock.value(), spot, kNow);
  REQUIRE(harvest.ok());
  return harvest.value();
}

TEST_CASE("verda: decimal texts per machine, where a site has the type now") {
  const Harvest harvest = read();
  const Listing* const h100 = find(harvest, "1H100.80S.32V", "FIN-02", Market::on_demand);
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{2'290'000});
  CHECK(h100->gpu_text == "H100 SXM5 80GB");
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 1});
  CHECK(h100->offer.vcpus == 32);
  CHECK(h100->offer.memory_mib == 185 * 1024);
  CHECK(says_available(h100->availability));
  CHECK(find(harvest, "1H100.80S.32V", "FIN-03", Market::on_demand) != nullptr);
}

TEST_CASE("verda: on-demand and spot are available apart") {
  const Harvest harvest = read();
  const Listing* const spot = find(harvest, "8B200.240V", "FIN-03", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{13'690'000});
  CHECK(spot->basis == PriceBasis::market);
  CHECK(spot->offer.gpu.memory_gib == 180);  // of one, not the 1440 of all
  const Listing* const sold_out = find(harvest, "8B200.240V", "any", Market::on_demand);
  REQUIRE(sold_out != nullptr);
  CHECK_FALSE(says_available(sold_out->availability));
  CHECK(find(harvest, "1H100.80S.32V", "any", Market::spot) != nullptr);
}

TEST_CASE("verda: the memory of one GPU is taken from gpu_memory where the words leave it out") {
  const Listing* const a100 = find(read(), "1A100.22V", "FIN-03", Market::on_demand);
  REQUIRE(a100 != nullptr);
  const Harvest harvest = read();
  CHECK(find(harvest, "1A100.22V", "FIN-03", Market::on_demand)->offer.gpu.memory_gib == 80);
}

TEST_CASE("verda: another currency is told, not taken for dollars") {
  const Harvest harvest = read();
  CHECK(harvest.listings.size() == 7);  // no A100 in euros, no CPU machine
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] == Remark{.what = "unknown currency", .detail = "eur"});
}

TEST_CASE("verda: mutants are refused or told, never thrown over") {
  const Stock stock = {{"FIN-02", {"1H100.80S.32V"}}};
  testing::for_each_mutant(
      testing::MutableJson::parse(fixture("verda/types.json")),
      [&](const std::string& text) { static_cast<void>(parse_types(text, stock, stock, kNow)); });
  testing::for_each_mutant(testing::MutableJson::parse(fixture("verda/availability.json")),
                           [](const std::string& text) { static_cast<void>(parse_availability(text)); });
  testing::check_refuses_mutants(testing::MutableJson::parse(fixture("verda/token.json")), parse_token,
                                 [](const std::string& node, const testing::MutableJson& value) {
                                   // Numbers are read as texts, and nothing else of it is looked at.
                                   return node != "/access_token" ? !node.empty() : value.is_number();
                                 });
}

TEST_CASE("verda: the codes decide the kind, the words where the code says nothing") {
  const auto kind = [](int status, const std::string& code, const std::string& message) {
    const HttpResponse answer{.status = status,
                              .body = R"({"code":")" + code + R"(","message":")" + message + "\"}"};
    return parse_error(answer, "GET /x", kNow).kind;
  };
  CHECK(kind(401, "unauthorized_request", "") == ErrorKind::auth);
  CHECK(kind(403, "forbidden_action", "limit") == ErrorKind::auth);
  CHECK(kind(402, "insufficient_funds", "") == ErrorKind::quota);
  CHECK(kind(400, "invalid_request", "8B200.240V is not available at FIN-01") == ErrorKind::capacity);
  CHECK(kind(400, "invalid_request", "hostname is required") == ErrorKind::invalid);
  CHECK(kind(503, "service_unavailable", "") == ErrorKind::network);
}

TEST_CASE("verda: a token, three questions, one harvest") {
  FakeHome home;
  home.processes.variables["VERDA_CLIENT_ID"] = "env-client";
  home.processes.variables["VERDA_CLIENT_SECRET"] = "env \"secret\"";
  FakeVisit visit;
  visit.http.answer(kToken, fixture("verda/token.json"));
  visit.http.answer(kTypes, fixture("verda/types.json"));
  visit.http.answer(kStock, fixture("verda/availability.json"));
  visit.http.answer(kSpotStock, std::string("[]"));
  const auto cloud = make_cloud(home.files, home.processes);
  const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE(harvest.ok());
  CHECK(visit.http.unexpected.empty());
  CHECK(visit.http.requests.size() == 4);
  const testing::MutableJson asked = testing::MutableJson::parse(visit.http.requests[0].body);
  CHECK(asked["grant_type"] == "client_credentials");
  CHECK(asked["client_secret"] == "env \"secret\"");
  CHECK(testing::sent(visit.http.requests[1], "Authorization") == "Bearer verda-access-token");
  CHECK(find(harvest.value(), "1H100.80S.32V", "FIN-02", Market::on_demand) != nullptr);

  // One of the three that fails leaves everything as it was.
  visit.http.answer(kSpotStock, {.status = 500, .body = R"({"code":"server_error","message":"m"})"});
  static_cast<void>(cloud->feeds()[0]->fetch(visit.request()));
  const Result<Harvest> failed = cloud->feeds()[0]->fetch(visit.request());
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().kind == ErrorKind::network);
}

TEST_CASE("verda: the credentials are found, judged, and never shown") {
  FakeHome home;
  FakeVisit visit;
  const auto cloud = make_cloud(home.files, home.processes);
  SUBCASE("half of them is none") {
    home.processes.variables["VERDA_CLIENT_ID"] = "env-client";
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    CHECK(cloud->check(visit.request()).state == AccessReport::State::missing);
    CHECK(visit.http.requests.empty());
  }
  SUBCASE("in the file that SkyPilot reads") {
    home.write(".verda/config.json", fixture("verda/config.json"));
    visit.http.answer(kToken, fixture("verda/token.json"));
    visit.http.answer("GET https://api.verda.com/v1/locations", std::string("[]"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.verda/config.json");
    CHECK(report.identity == "client file-client");
  }
  SUBCASE("refused, in OAuth's way") {
    home.write(".verda/config.json", fixture("verda/config.json"));
    visit.http.answer(kToken,
                      {.status = 400, .body = R"({"code":"invalid_request","message":"Invalid client id"})"});
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "HTTP 400: Invalid client id");
    CHECK(report.next.find("secret\"") == std::string::npos);
  }
}

}  // namespace
}  // namespace gpubroker::verda
