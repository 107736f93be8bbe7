// Sizes, quotas, scores, ARM's errors, roles and links.
#include <doctest/doctest.h>

#include "providers/azure/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::azure {
namespace {

using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};

struct Read {
  std::vector<Sku> skus = {};
  std::vector<Signal> signals = {};
  Harvest told = {};
};

Read read_eastus() {
  Read read;
  const Result<Page<Sku>> skus = parse_skus(fixture("azure/skus.json"), "eastus", read.told);
  REQUIRE(skus.ok());
  const Result<Page<Usage>> usages = parse_usages(fixture("azure/usages.json"), read.told);
  REQUIRE(usages.ok());
  read.skus = skus.value().rows;
  read.signals = quota_signals("eastus", read.skus, usages.value().rows, read.told);
  return read;
}

const Signal* find(const std::vector<Signal>& signals, const std::string& size, std::optional<Market> market,
                   const std::string& zone = "") {
  for (const Signal& signal : signals) {
    if (signal.instance_type == size && signal.market == market && signal.zone == zone) { return &signal; }
  }
  return nullptr;
}

TEST_CASE("azure skus: GPU sizes of the place that was asked, their zones and refusals") {
  const Read read = read_eastus();
  REQUIRE(read.skus.size() == 3);  // neither the disk, nor D2s, nor the row of westus, nor the unknown size
  const Sku& h100 = read.skus[0];
  CHECK(h100.size == "Standard_ND96isr_H100_v5");  // "EastUS" there: names are the same in any case
  CHECK(h100.family == "StandardNDSH100v5Family");
  CHECK(h100.vcpus == 96);
  CHECK(h100.has_spot);
  CHECK(h100.zones == std::vector<std::string>{"1", "3"});
  CHECK(h100.refused_zones == std::map<std::string, std::string>{{"2", "NotAvailableForSubscription"}});
  CHECK(h100.refused.empty());
  CHECK(read.skus[1].refused == "QuotaId");
  CHECK_FALSE(read.skus[2].has_spot);
  REQUIRE(read.told.remarks.size() == 1);
  CHECK(read.told.remarks[0] == Remark{"unknown GPU size", "Standard_NC320xds_RTX9_v9 in eastus", 1});
}

TEST_CASE("azure skus: the link of the next page is followed without its port") {
  Harvest told;
  const Result<Page<Sku>> page = parse_skus(fixture("azure/skus.json"), "eastus", told);
  REQUIRE(page.ok());
  CHECK(page.value().next ==
        "https://management.azure.com/subscriptions/s/providers/Microsoft.Compute/"
        "skus?api-version=2021-07-01&$filter=location%20eq%20%27eastus%27&$skiptoken=7");
  MutableJson skus = MutableJson::parse(fixture("azure/skus.json"));
  skus["nextLink"] = "https://evil.example/subscriptions";  // it would be given our token
  CHECK(parse_skus(skus.dump(), "eastus", told).error().kind == ErrorKind::internal);
}

TEST_CASE("azure quotas: the machines that fit, on demand by family and region, spot by the one pool") {
  const Read read = read_eastus();
  const std::string h100 = "Standard_ND96isr_H100_v5";
  const Signal* const on_demand = find(read.signals, h100, Market::on_demand);
  REQUIRE(on_demand != nullptr);
  CHECK(on_demand->provider == "azure");
  CHECK(on_demand->region == "eastus");
  // Of the family (480 - 96) / 96 = 4 fit, of the region (350 - 8) / 96 = 3.
  CHECK(on_demand->availability == Availability{AvailabilityKind::quota, 3, "azure usages cores"});
  const Signal* const spot = find(read.signals, h100, Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->availability == Availability{AvailabilityKind::quota, 2, "azure usages lowPriorityCores"});
  // A quota is no stock.
  CHECK_FALSE(says_available(spot->availability));
  // The same in each zone that is open; the closed one is closed to both markets.
  REQUIRE(find(read.signals, h100, Market::on_demand, "1") != nullptr);
  CHECK(find(read.signals, h100, Market::on_demand, "3")->availability.value == 3);
  CHECK(find(read.signals, h100, Market::on_demand, "2") == nullptr);
  REQUIRE(find(read.signals, h100, std::nullopt, "2") != nullptr);
  CHECK(find(read.signals, h100, std::nullopt, "2")->availability ==
        Availability{AvailabilityKind::quota, 0, "azure skus: NotAvailableForSubscription"});
}

TEST_CASE("azure quotas: a size that is refused in all of the region, one without spot, and a full family") {
  const Read read = read_eastus();
  const Signal* const h200 = find(read.signals, "Standard_ND96isr_H200_v5", std::nullopt);
  REQUIRE(h200 != nullptr);  // whatever its quota says
  CHECK(h200->availability == Availability{AvailabilityKind::quota, 0, "azure skus: QuotaId"});
  CHECK(find(read.signals, "Standard_ND96isr_H200_v5", Market::on_demand) == nullptr);
  const Signal* const nc40 = find(read.signals, "Standard_NC40ads_H100_v5", Market::spot);
  REQUIRE(nc40 != nullptr);
  CHECK(nc40->availability == Availability{AvailabilityKind::quota, 0, "azure skus: not LowPriorityCapable"});
  CHECK(find(read.signals, "Standard_NC40ads_H100_v5", Market::on_demand)->availability ==
        Availability{AvailabilityKind::quota, 0, "azure usages StandardNCadsH100v5Family"});
}

TEST_CASE("azure quotas: no row of the family is no quota of zero") {
  Harvest told;
  const std::vector<Sku> skus = {
      {.size = "Standard_ND96isr_H100_v5", .family = "f", .vcpus = 96, .has_spot = true}};
  const std::vector<Signal> signals =
      quota_signals("eastus", skus, {{.name = "cores", .used = 0, .limit = 960}}, told);
  CHECK(signals.empty());
  REQUIRE(told.remarks.size() == 1);
  CHECK(told.remarks[0] == Remark{"no quota told", "Standard_ND96isr_H100_v5 on_demand in eastus", 2});
  // Used up and more: nothing fits. A limit beyond all measure: no overflow.
  const auto fits = [&](std::int64_t used, std::int64_t limit) {
    return quota_signals("eastus", skus, {{.name = "lowprioritycores", .used = used, .limit = limit}}, told)
        .at(0)
        .availability.value;
  };
  CHECK(fits(200, 100) == 0);
  CHECK(fits(0, 95) == 0);
  CHECK(fits(0, std::numeric_limits<std::int64_t>::max()) == std::numeric_limits<int>::max());
}

TEST_CASE("azure scores: words become levels; what is no score is told") {
  Harvest told;
  const Result<std::vector<Signal>> signals = parse_scores(fixture("azure/scores.json"), told);
  REQUIRE(signals.ok());
  REQUIRE(signals.value().size() == 3);
  const Signal& high = signals.value()[0];
  CHECK(high.region == "eastus");
  CHECK(high.zone.empty());
  CHECK(high.market == Market::spot);
  CHECK(high.availability == Availability{AvailabilityKind::level, 3, "azure spot placement score"});
  const Signal& low = signals.value()[1];
  CHECK(low.instance_type == "Standard_ND96isr_H100_v5");
  CHECK(low.region == "westus3");
  CHECK(low.availability == Availability{AvailabilityKind::level, 1, "azure spot placement score, no quota"});
  CHECK(signals.value()[2].availability.value == 2);
  CHECK(signals.value()[2].zone == "1");
  REQUIRE(told.remarks.size() == 1);
  CHECK(told.remarks[0] ==
        Remark{"no spot score", "Standard_ND96isr_H200_v5 in eastus: RestrictedSkuNotAvailable", 2});
}

TEST_CASE("azure scores: the question") {
  const HttpRequest request = encode_scores("s-1", {"eastus", "westus3"}, {"Standard_ND96isr_H100_v5"});
  CHECK(request.method == "POST");
  CHECK(request.repeatable);
  CHECK(request.url ==
        "https://management.azure.com/subscriptions/s-1/providers/Microsoft.Compute/locations/eastus/"
        "placementScores/spot/generate?api-version=2025-06-05");
  CHECK(request.body ==
        R"({"availabilityZones":false,"desiredCount":1,"desiredLocations":["eastus","westus3"],)"
        R"("desiredSizes":[{"sku":"Standard_ND96isr_H100_v5"}]})");
}

TEST_CASE("azure arm: codes decide the kind, in both shapes of an error") {
  const auto read = [](int status, const std::string& body, Headers headers = {}) {
    return parse_error({.status = status, .headers = std::move(headers), .body = body}, "GET /x", kNow);
  };
  const Error denied = read(403, fixture("azure/arm_error.json"));
  CHECK(denied.kind == ErrorKind::auth);
  CHECK(denied.code == "AuthorizationFailed");
  CHECK(denied.message.find("'Microsoft.Compute/skus/read'") != std::string::npos);
  CHECK(denied.hint == "the role Reader on the subscription is enough for sizes and quotas");
  CHECK(read(403, R"({"error":{"code":"AuthorizationFailed","message":"action 'a/placementScores/b'"}})")
            .hint == "ask for the role Compute Recommendations Role on the subscription");
  CHECK(read(400, R"({"code":"SubscriptionNotFound","message":"m"})").kind == ErrorKind::not_found);
  CHECK(read(409, R"({"error":{"code":"MissingSubscriptionRegistration","message":"m"}})").hint ==
        "az provider register --namespace Microsoft.Compute");
  CHECK(read(401, R"({"error":{"code":"ExpiredAuthenticationToken","message":"m"}})").kind ==
        ErrorKind::auth);
  const Error busy = read(429, "<html>", {{"retry-after", "7"}});
  CHECK(busy.kind == ErrorKind::throttled);
  CHECK(busy.retry_after == Millis{7'000});
  CHECK(read(503, R"({"error":null})").kind == ErrorKind::network);
}

TEST_CASE("azure arm: the claims of a challenge") {
  const auto challenge = [](int status, const std::string& header) {
    return claims_challenge({.status = status, .headers = {{"www-authenticate", header}}, .body = ""});
  };
  const std::string header =
      R"(Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", )"
      R"(error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==")";
  CHECK(challenge(401, header) == R"({"access_token":{"nbf":{"essential":true}}})");
  CHECK(challenge(403, header).empty());
  CHECK(challenge(401, R"(Bearer error="invalid_token")").empty());
  CHECK(challenge(401, R"(Bearer claims="%%%")").empty());
  CHECK(challenge(401, R"(Bearer claims="eyJhIjoxfQ)") == R"({"a":1})");  // neither padded nor closed
}

TEST_CASE("azure arm: regions where machines stand") {
  const Result<std::vector<std::string>> regions = parse_locations(fixture("azure/locations.json"));
  REQUIRE(regions.ok());
  CHECK(regions.value() == std::vector<std::string>{"eastus", "westus3"});
}

TEST_CASE("azure arm: roles allow by patterns, less what they deny, in any case") {
  const Result<Page<Grant>> page = parse_permissions(fixture("azure/permissions.json"));
  REQUIRE(page.ok());
  const std::vector<Grant>& grants = page.value().rows;
  CHECK(allows(grants, "Microsoft.Compute/skus/read"));
  CHECK_FALSE(allows(grants, "Microsoft.Compute/locations/usages/read"));
  CHECK(allows(grants, "Microsoft.Compute/locations/placementScores/generate/action"));
  CHECK(allows(grants, "Microsoft.Compute/virtualMachines/write"));
  CHECK_FALSE(allows(grants, "Microsoft.Compute/virtualMachines/delete"));
  CHECK_FALSE(allows(grants, "Microsoft.Network/virtualNetworks/write"));
  CHECK_FALSE(allows({}, "Microsoft.Compute/skus/read"));
  // What one role denies, another may allow.
  CHECK(allows({{.allowed = {"*"}, .denied = {"*/read"}}, {.allowed = {"*/skus/*"}}},
               "Microsoft.Compute/skus/read"));
  CHECK_FALSE(allows({{.allowed = {"*/read", "*x"}, .denied = {}}}, "a/readx/"));
}

TEST_CASE("azure: mutants are refused or told, never thrown over") {
  const auto each = [](const char* name, const auto& parse) {
    testing::for_each_mutant(MutableJson::parse(fixture(name)), parse);
  };
  each("azure/skus.json", [](const std::string& text) {
    Harvest told;
    const auto skus = parse_skus(text, "eastus", told);
    if (skus.ok()) { static_cast<void>(quota_signals("eastus", skus.value().rows, {}, told)); }
  });
  each("azure/usages.json", [](const std::string& text) {
    Harvest told;
    static_cast<void>(parse_usages(text, told));
  });
  each("azure/scores.json", [](const std::string& text) {
    Harvest told;
    static_cast<void>(parse_scores(text, told));
  });
  each("azure/locations.json", [](const std::string& text) { static_cast<void>(parse_locations(text)); });
  each("azure/permissions.json", [](const std::string& text) { static_cast<void>(parse_permissions(text)); });
  each("azure/subscription.json",
       [](const std::string& text) { static_cast<void>(parse_subscription(text)); });
  each("azure/subscriptions.json",
       [](const std::string& text) { static_cast<void>(parse_subscriptions(text)); });
  each("azure/arm_error.json", [](const std::string& text) {
    static_cast<void>(parse_error({.status = 400, .body = text}, "x", kNow));
  });
}

}  // namespace
}  // namespace gpubroker::azure
