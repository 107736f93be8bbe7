// Nebius' codec over answers that another encoder wrote (tests/testcloud/clouds/nebius.py), its mutants, and
// the thin callers over a fake network.
#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "core/wire/grpc.hpp"
#include "core/wire/protobuf.hpp"
#include "core/wire/url.hpp"
#include "providers/nebius/cloud.hpp"
#include "providers/nebius/codec.hpp"
#include "providers/nebius/credentials.hpp"
#include "providers/nebius/facts.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::nebius {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;

const Instant kNow{1'795'521'600'000};
constexpr const char* kTenantId = "tenant-e00abc";

HttpResponse grpc(const std::string& message) {
  return {.status = 200,
          .headers = {{"content-type", "application/grpc+proto"}, {"grpc-status", "0"}},
          .body = frame_grpc(message)};
}

HttpResponse grpc_failure(const std::string& status, const std::string& text,
                          const std::string& details = "") {
  return {.status = 200,
          .headers = {{"content-type", "application/grpc"},
                      {"grpc-status", status},
                      {"grpc-message", text},
                      {"grpc-status-details-bin", to_base64(details)}}};
}

std::string route(const Method& method) {
  return "POST https://" + std::string(method.host) + ".api.nebius.cloud/" + std::string(method.name);
}

/// Every byte replaced by each of a few, and every cut.
template <class Use>
void for_each_damage(const std::string& good, Use use) {
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char c : {'\x00', '\x01', '\x7f', '\x80', '\xff'}) {
      std::string bad = good;
      bad[at] = c;
      use(bad);
    }
    use(good.substr(0, at));
  }
}

const Listing* find(const Harvest& harvest, const std::string& type, const std::string& region,
                    Market market) {
  for (const Listing& listing : harvest.listings) {
    const OfferKey& key = listing.offer.key;
    if (key.instance_type == type && key.region == region && key.market == market) { return &listing; }
  }
  return nullptr;
}

TEST_CASE("nebius: tenants and projects, each project in one region") {
  const auto tenants = parse_tenants(fixture("nebius/tenants.pb"));
  REQUIRE(tenants.ok());
  CHECK(tenants.value().items == std::vector<std::string>{kTenantId});
  const auto projects = parse_projects(fixture("nebius/projects.pb"));
  REQUIRE(projects.ok());
  CHECK(projects.value().items.size() == 5);
  CHECK(projects.value().items[0] == Project{"project-e00north", "eu-north1"});
  CHECK(projects.value().next.empty());
}

TEST_CASE("nebius: lists ask for pages of 100, for ten is what they get by themselves") {
  const std::string tenants = encode_list_tenants("t");
  const std::string projects = encode_list_projects("tenant-a", "t");
  const std::string platforms = encode_list_platforms("project-a", "");
  const ProtoMessage of_tenants = ProtoMessage::parse(tenants).value();
  CHECK(of_tenants.number(1) == 100);
  CHECK(of_tenants.text(2) == "t");
  const ProtoMessage of_projects = ProtoMessage::parse(projects).value();
  CHECK(of_projects.text(1) == "tenant-a");
  CHECK(of_projects.number(2) == 100);
  CHECK(of_projects.text(3) == "t");
  const ProtoMessage of_platforms = ProtoMessage::parse(platforms).value();
  CHECK(of_platforms.number(1) == 100);
  CHECK(of_platforms.text(3) == "project-a");
  CHECK_FALSE(of_platforms.has(2));
}

TEST_CASE("nebius: presets with GPUs, their sizes and what they may") {
  Harvest harvest;
  const auto presets = parse_platforms(fixture("nebius/platforms.pb"), harvest);
  REQUIRE(presets.ok());
  CHECK(harvest.remarks.empty());
  CHECK(presets.value().items.size() == 4);  // no CPU platform
  CHECK(presets.value().items[1] == Preset{.platform = "gpu-h100-sxm",
                                           .name = "8gpu-128vcpu-1600gb",
                                           .words = "NVIDIA\u00ae H100 NVLink with Intel Sapphire Rapids",
                                           .quota = "compute.instance.gpu.h100",
                                           .vcpus = 128,
                                           .memory_gib = 1600,
                                           .gpus = 8,
                                           .gpu_memory_gb = 80,
                                           .joins_fabric = true,
                                           .preemptible = true});
}

TEST_CASE("nebius: an estimate is read to the micro-dollar, not from its rounded-up twin") {
  const Result<Rate> rate = parse_estimate(fixture("nebius/estimate.pb"));
  REQUIRE(rate.ok());
  CHECK(rate.value() == Rate{36'000'000});
  ProtoWriter total;
  total.text(2, "6.3200005").text(3, "6.33");
  ProtoWriter general;
  general.message(1, total);
  ProtoWriter hourly;
  hourly.message(10, general);
  ProtoWriter response;
  response.message(10, hourly);
  CHECK(parse_estimate(response.bytes()).value() == Rate{6'320'001});
  CHECK_FALSE(parse_estimate("").ok());
}

TEST_CASE("nebius: an estimate asks for list prices, spot by a preemptible machine") {
  const Preset preset{.platform = "gpu-h100-sxm", .name = "1gpu-16vcpu-200gb"};
  const auto spec_of = [](const std::string& bytes) {
    const ProtoMessage root = ProtoMessage::parse(bytes).value();
    CHECK_FALSE(root.has(10));  // no contract prices
    const ProtoMessage create = root.message(1).value().message(100).value();
    CHECK(create.message(1).value().text(2) == "project-a");
    return create.message(2).value();
  };
  const std::string on_demand = encode_estimate("project-a", preset, Market::on_demand);
  const ProtoMessage plain = spec_of(on_demand);
  CHECK(plain.message(2).value().text(1) == "gpu-h100-sxm");
  CHECK(plain.message(2).value().text(2) == "1gpu-16vcpu-200gb");
  CHECK_FALSE(plain.has(19));
  const std::string spot = encode_estimate("project-a", preset, Market::spot);
  CHECK(spec_of(spot).message(19).value().number(1) == 1);
}

TEST_CASE("nebius: racks are Arm and NVL72, and sold on request") {
  Harvest harvest;
  const auto presets = parse_platforms(fixture("nebius/platforms_uk.pb"), harvest);
  REQUIRE(presets.ok());
  REQUIRE(presets.value().items.size() == 2);
  const Listing b300 =
      make_listing(presets.value().items[0], "uk-south1", Market::spot, Rate{7'920'000}, kNow);
  CHECK(b300.arch == "x86_64");
  CHECK(b300.nvlink_domain == 8);
  CHECK(b300.fabric == Fabric::infiniband);
  CHECK(b300.basis == PriceBasis::market);
  CHECK(b300.gpu_text == "gpu-b300-sxm");
  CHECK(b300.offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 270, .count = 8});
  CHECK(b300.offer.memory_mib == 2768 * 1024);
  const Listing gb300 = make_listing(presets.value().items[1], "uk-south1", Market::on_demand, Rate{}, kNow);
  CHECK(gb300.arch == "arm64");
  CHECK(gb300.nvlink_domain == 72);
  CHECK(gb300.basis == PriceBasis::quote);
  CHECK(gb300.offer.key.instance_type == "gpu-gb300_4gpu-112vcpu-800gb");
}

TEST_CASE("nebius: advice counts by market and fabric; what is stale is told and left out") {
  Harvest harvest;
  const auto advice = parse_advice(fixture("nebius/advice.pb"), harvest);
  REQUIRE(advice.ok());
  CHECK(advice.value().items.size() == 16);  // 6 rows of 3 markets, one stale, one unknown
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] ==
        Remark{"availability is stale", "eu-west1 fabric-5 gpu-h200-sxm_8gpu-128vcpu-1600gb", 2});

  const std::vector<Signal> signals = best_fabrics(advice.value().items);
  const auto said = [&](const std::string& type, const std::string& region, Market market) {
    for (const Signal& signal : signals) {
      if (signal.instance_type == type && signal.region == region && signal.market == market) {
        return signal.availability;
      }
    }
    return Availability{};
  };
  // Two fabrics have 2 and 5: a gang must fit into one of them.
  CHECK(said("gpu-h100-sxm_8gpu-128vcpu-1600gb", "eu-north1", Market::on_demand) ==
        Availability{AvailabilityKind::count, 5, "nebius capacity advisor, fabric-6"});
  CHECK(said("gpu-h100-sxm_8gpu-128vcpu-1600gb", "eu-north1", Market::spot) ==
        Availability{AvailabilityKind::count, 9, "nebius capacity advisor, fabric-3"});
  CHECK(said("gpu-h100-sxm_8gpu-128vcpu-1600gb", "eu-north1", Market::contract).value == 4);
  // The quota is used up: that says nothing of the stock.
  CHECK(said("gpu-h200-sxm_8gpu-128vcpu-1600gb", "eu-north1", Market::on_demand) ==
        Availability{AvailabilityKind::quota, 0, "nebius capacity advisor, fabric-7"});
  CHECK(said("gpu-h200-sxm_8gpu-128vcpu-1600gb", "eu-west1", Market::on_demand).kind ==
        AvailabilityKind::unknown);
}

TEST_CASE("nebius: quotas count GPUs, signals machines") {
  Harvest harvest;
  const auto quotas = parse_quotas(fixture("nebius/quotas.pb"), harvest);
  REQUIRE(quotas.ok());
  REQUIRE(quotas.value().items.size() == 4);
  CHECK(quotas.value().items[0] == Quota{"compute.instance.gpu.h100", "eu-north1", 20});
  const auto presets = parse_platforms(fixture("nebius/platforms.pb"), harvest);
  REQUIRE(presets.ok());
  const std::vector<Signal> signals = quota_signals(presets.value().items, "eu-north1", quotas.value().items);
  REQUIRE(signals.size() == 4);
  CHECK(signals[0].availability ==
        Availability{AvailabilityKind::quota, 20, "nebius compute.instance.gpu.h100"});
  CHECK(signals[1].availability.value == 2);  // 20 GPUs are two machines of eight
  CHECK(signals[3].availability.value == 0);
}

TEST_CASE("nebius: damaged answers are refused or told, never thrown over") {
  Harvest harvest;
  for_each_damage(fixture("nebius/platforms.pb"), [&](const std::string& bad) {
    const auto page = parse_platforms(bad, harvest);
    if (!page.ok()) { return; }
    for (const Preset& preset : page.value().items) { CHECK(preset.gpus > 0); }
  });
  for_each_damage(fixture("nebius/advice.pb"), [&](const std::string& bad) {
    const auto page = parse_advice(bad, harvest);
    if (page.ok()) { static_cast<void>(best_fabrics(page.value().items)); }
  });
  for_each_damage(fixture("nebius/quotas.pb"), [&](const std::string& bad) {
    const auto page = parse_quotas(bad, harvest);
    if (!page.ok()) { return; }
    for (const Quota& quota : page.value().items) { CHECK(quota.left >= 0); }
  });
  for_each_damage(fixture("nebius/projects.pb"),
                  [](const std::string& bad) { static_cast<void>(parse_projects(bad)); });
  for_each_damage(fixture("nebius/estimate.pb"),
                  [](const std::string& bad) { static_cast<void>(parse_estimate(bad)); });
  for_each_damage(fixture("nebius/profile.pb"),
                  [](const std::string& bad) { static_cast<void>(parse_profile(bad)); });
}

TEST_CASE("nebius: a platform that cannot be read is told and does not take the others along") {
  ProtoWriter nameless;
  nameless.message(2, {});
  ProtoWriter list;
  list.message(1, nameless);
  Harvest harvest;
  const auto page = parse_platforms(list.bytes() + fixture("nebius/platforms.pb"), harvest);
  REQUIRE(page.ok());
  CHECK(page.value().items.size() == 4);
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] == Remark{"row refused", "platforms[0]: it has no name", 1});
}

TEST_CASE("nebius: what a status leaves open is in its details") {
  const auto kind = [](int field, const std::string& text = "") {
    ProtoWriter service_error;
    service_error.text(1, "compute").text(2, "Code").message(field, {});
    ProtoWriter any;
    any.text(1, "type.googleapis.com/nebius.common.v1.ServiceError").message(2, service_error);
    ProtoWriter status;
    status.number(1, 8).message(3, any);
    return parse_call(grpc_failure("8", text, status.bytes()), kListPlatforms, kNow).error().kind;
  };
  CHECK(kind(140) == ErrorKind::throttled);
  CHECK(kind(141) == ErrorKind::quota);
  CHECK(kind(142) == ErrorKind::capacity);
  CHECK(kind(999) == ErrorKind::throttled);
  CHECK(kind(999, "Quota limit exceeded") == ErrorKind::quota);
  const Error denied = parse_call(grpc_failure("7", "Permission denied"), kListAdvice, kNow).error();
  CHECK(denied.kind == ErrorKind::auth);
  CHECK(denied.source == "nebius ResourceAdviceService/List");
  CHECK(denied.message == "PERMISSION_DENIED: Permission denied");
}

TEST_CASE("nebius: the price table is whole machines, dated, and needs nobody") {
  const Harvest table = price_table();
  CHECK(table.listings.size() == 25);
  const Listing* const h100 = find(table, "gpu-h100-sxm_8gpu-128vcpu-1600gb", "eu-north1", Market::on_demand);
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.price == Rate{36'000'000});
  CHECK(h100->basis == PriceBasis::table);
  CHECK(format_utc(h100->offer.learnt_at) == "2026-10-07T00:00:00Z");
  CHECK(h100->availability.kind == AvailabilityKind::unknown);
  const Listing* const spot = find(table, "gpu-b300-sxm_8gpu-192vcpu-2768gb", "uk-south1", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{7'920'000});
  CHECK(spot->basis == PriceBasis::bid_floor);  // a "from" price
  const Listing* const gb300 = find(table, "gpu-gb300_4gpu-112vcpu-800gb", "any", Market::on_demand);
  REQUIRE(gb300 != nullptr);
  CHECK(gb300->basis == PriceBasis::quote);
  CHECK(gb300->offer.price == Rate{});
  CHECK(gb300->nvlink_domain == 72);
  FakeVisit visit;
  FakeHome home;
  const auto cloud = make_cloud(home.files, home.processes);
  REQUIRE(cloud->feeds().size() == 4);
  CHECK(cloud->feeds()[3]->needs().empty());
  CHECK(cloud->feeds()[3]->fetch(visit.request()).value().listings == table.listings);
  CHECK(visit.http.requests.empty());
}

/// A Nebius with one tenant and two regions.
struct World {
  FakeHome home = {};
  FakeVisit visit = {};
  World() {
    home.processes.variables["NEBIUS_IAM_TOKEN"] = "the-token";
    visit.http.answer(route(kListTenants), grpc(fixture("nebius/tenants.pb")));
    visit.http.answer(route(kListProjects), grpc(fixture("nebius/projects.pb")));
    visit.http.answer(route(kListPlatforms), grpc(fixture("nebius/platforms.pb")));
    visit.http.answer(route(kEstimate), grpc(fixture("nebius/estimate.pb")));
    visit.http.answer(route(kListAdvice), grpc(fixture("nebius/advice.pb")));
    visit.http.answer(route(kListQuotas), grpc(fixture("nebius/quotas.pb")));
    visit.http.answer(route(kGetProfile), grpc(fixture("nebius/profile.pb")));
  }
};

TEST_CASE("nebius: the calculator is asked for each preset and market of each region") {
  World world;
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  const Result<Harvest> harvest = cloud->feeds()[0]->fetch(world.visit.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().failed.empty());
  CHECK(harvest.value().listings.size() == 4 * 4 * 2);  // regions, presets, markets
  const Listing* const spot =
      find(harvest.value(), "gpu-h100-sxm_8gpu-128vcpu-1600gb", "us-central1", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.source == "nebius/calculator");
  for (const HttpRequest& request : world.visit.http.requests) {
    CHECK(find_header(request.headers, "authorization") == "Bearer the-token");
    CHECK(request.repeatable);
  }
}

TEST_CASE("nebius: a region that fails is kept apart; a preset without a price is a quote") {
  World world;
  FakeVisit fresh;  // its first region is eu-north1: they are asked by name
  fresh.http.answer(route(kListTenants), grpc(fixture("nebius/tenants.pb")));
  fresh.http.answer(route(kListProjects), grpc(fixture("nebius/projects.pb")));
  fresh.http.answer(route(kListPlatforms), grpc_failure("14", "try later"));
  fresh.http.answer(route(kListPlatforms), grpc(fixture("nebius/platforms_uk.pb")));
  fresh.http.answer(route(kEstimate), grpc_failure("5", "no price"));
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  const Result<Harvest> harvest = cloud->feeds()[0]->fetch(fresh.request());
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "eu-north1");
  CHECK(harvest.value().failed[0].second.kind == ErrorKind::network);
  CHECK(harvest.value().listings.size() == 3 * 2);  // on demand only: no spot without a price
  for (const Listing& listing : harvest.value().listings) { CHECK(listing.basis == PriceBasis::quote); }
}

TEST_CASE("nebius: pages are followed to the end, and not in a circle") {
  World world;
  FakeVisit visit;
  const auto page = [](const std::string& id, const std::string& next) {
    ProtoWriter metadata;
    metadata.text(1, id);
    ProtoWriter tenant;
    tenant.message(1, metadata);
    ProtoWriter list;
    list.message(1, tenant).text(2, next);
    return grpc(list.bytes());
  };
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  visit.http.answer(route(kListTenants), page("tenant-a", "2"));
  visit.http.answer(route(kListAdvice), grpc(fixture("nebius/advice.pb")));
  SUBCASE("two pages") {
    visit.http.answer(route(kListTenants), page("tenant-b", ""));
    REQUIRE(cloud->feeds()[1]->fetch(visit.request()).ok());
    REQUIRE(visit.http.requests.size() == 4);
    const std::string second = unframe_grpc(visit.http.requests[1].body).value();
    CHECK(ProtoMessage::parse(second).value().text(2) == "2");
    const std::string advice = unframe_grpc(visit.http.requests[3].body).value();
    CHECK(ProtoMessage::parse(advice).value().text(1) == "tenant-b");
  }
  SUBCASE("a circle") {
    const Result<Harvest> harvest = cloud->feeds()[1]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().kind == ErrorKind::internal);
    CHECK(harvest.error().message == "the pages run in a circle");
    CHECK(visit.http.requests.size() == 2);
  }
}

TEST_CASE("nebius: quotas are asked of the tenant and told by region") {
  World world;
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  const Result<Harvest> harvest = cloud->feeds()[2]->fetch(world.visit.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().signals.size() == 4);  // eu-north1 alone has quotas of what it sells
}

// The digest is that of a token whose third part `openssl dgst -sha256 -sign` made.
TEST_CASE("nebius: a service account's assertion is signed with its key") {
  const ServiceAccount account{.id = "serviceaccount-e00sa",
                               .public_key = "publickey-e00pk",
                               .private_key = Secret(fixture("keys/rsa.pem"))};
  const Result<Secret> assertion = make_assertion(account, kNow);
  REQUIRE(assertion.ok());
  const std::string& token = assertion.value().reveal();
  const std::string claims =
      R"({"iss":"serviceaccount-e00sa","sub":"serviceaccount-e00sa","aud":"token-service.iam.new.nebiuscloud.net",)"
      R"("iat":1795521600,"exp":1795521660})";
  const std::string head = to_base64url(R"({"alg":"RS256","typ":"JWT","kid":"publickey-e00pk"})");
  CHECK(token.rfind(head + "." + to_base64url(claims) + ".", 0) == 0);
  CHECK(to_hex(sha256(token)) == "55ce62c7e74357d6ed3b3967742af601fb197f96723d72003e612fda188e602a");
  ServiceAccount forged = account;
  forged.id = R"(x","admin":"y)";
  CHECK(make_assertion(forged, kNow).error().kind == ErrorKind::auth);
}

TEST_CASE("nebius: where credentials are found") {
  World world;
  FakeHome& home = world.home;
  FakeVisit& visit = world.visit;
  const auto cloud = make_cloud(home.files, home.processes);
  home.processes.variables.erase("NEBIUS_IAM_TOKEN");
  constexpr const char* kExchangeRoute = "POST https://auth.eu.nebius.com/oauth2/token/exchange";
  visit.http.answer(kExchangeRoute,
                    R"({"access_token":"exchanged","token_type":"Bearer","expires_in":43200})");
  const std::string json = R"({"subject-credentials":{"type":"JWT","alg":"RS256","kid":"publickey-e00pk",)"
                           R"("iss":"serviceaccount-e00sa","sub":"serviceaccount-e00sa","private-key":")";

  SUBCASE("nowhere") {
    const Result<Harvest> harvest = cloud->feeds()[0]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().code == "no_credentials");
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::missing);
    CHECK(report.next.find("$NEBIUS_IAM_TOKEN") != std::string::npos);
    CHECK(visit.http.requests.empty());
  }
  SUBCASE("a profile with a file of credentials, readable by others") {
    std::string key = fixture("keys/rsa.pem");
    for (std::size_t at = key.find('\n'); at != std::string::npos; at = key.find('\n', at)) {
      key.replace(at, 1, "\\n");
    }
    const std::string path = home.write("sa.json", json + key + "\"}}");
    std::filesystem::permissions(path, std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::add);
    home.write(
        ".nebius/config.yaml",
        "default: ci\nprofiles:\n  ci:\n    endpoint: api.nebius.cloud\n    auth-type: service account\n"
        "    service-account-credentials-file-path: ~/sa.json\n");
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.nebius/config.yaml [ci]");
    CHECK(report.identity == "gpubroker (serviceaccount-e00sa)");
    REQUIRE(report.warnings.size() == 1);
    CHECK(report.warnings[0].find("chmod 600") != std::string::npos);
    CHECK(report.permissions.size() == 4);
    for (const Permission& each : report.permissions) { CHECK(each.state == Permission::State::granted); }
    CHECK(visit.http.requests[0].body.find(
              "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt") != std::string::npos);
    CHECK(find_header(visit.http.requests[1].headers, "authorization") == "Bearer exchanged");
  }
  SUBCASE("a profile with ids and a key's file, its tenant named") {
    home.write("key.pem", fixture("keys/rsa.pem"));
    home.write(".nebius/config.yaml",
               "default: ci\nprofiles:\n  ci:\n    service-account-id: serviceaccount-e00sa\n    "
               "public-key-id: publickey-e00pk\n"
               "    private-key-file-path: ~/key.pem\n    tenant-id: tenant-mine\n");
    REQUIRE(cloud->feeds()[1]->fetch(visit.request()).ok());
    REQUIRE(visit.http.requests.size() == 2);  // the exchange and the advice: no list of tenants
    const std::string advice = unframe_grpc(visit.http.requests[1].body).value();
    CHECK(ProtoMessage::parse(advice).value().text(1) == "tenant-mine");
  }
  SUBCASE("a profile with a token's file") {
    home.write("token", "file-token\n");
    home.write(".nebius/config.yaml", "default: t\nprofiles: {t: {token-file: ~/token}}\n");
    REQUIRE(cloud->feeds()[1]->fetch(visit.request()).ok());
    CHECK(find_header(visit.http.requests[0].headers, "authorization") == "Bearer file-token");
  }
  SUBCASE("a profile that needs a browser") {
    home.write(".nebius/config.yaml",
               "default: me\nprofiles: {me: {auth-type: federation, endpoint: api.nebius.cloud}}\n");
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::missing);
    CHECK(report.problem == "the profile me logs in through a browser");
    CHECK(report.next.find("nebius iam get-access-token") != std::string::npos);
    CHECK(cloud->feeds()[0]->fetch(visit.request()).error().kind == ErrorKind::auth);
  }
  SUBCASE("a profile that is no YAML") {
    home.write(".nebius/config.yaml", "a: [");
    CHECK(cloud->check(visit.request()).problem.rfind("~/.nebius/config.yaml: no YAML", 0) == 0);
  }
}

TEST_CASE("nebius: a refused token and missing permissions are told, secrets are not") {
  World world;
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  FakeVisit visit;
  SUBCASE("refused") {
    visit.http.answer(route(kGetProfile), grpc_failure("16", "The token has expired"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.found_in == "$NEBIUS_IAM_TOKEN");
    CHECK(report.problem == "UNAUTHENTICATED: The token has expired");
    CHECK(report.problem.find("the-token") == std::string::npos);
  }
  SUBCASE("not everything is allowed") {
    visit.http.answer(route(kGetProfile), grpc(fixture("nebius/profile.pb")));
    visit.http.answer(route(kListTenants), grpc(fixture("nebius/tenants.pb")));
    visit.http.answer(route(kListProjects), grpc(fixture("nebius/projects.pb")));
    visit.http.answer(route(kListAdvice), grpc_failure("7", "Permission denied"));
    visit.http.answer(route(kListQuotas), grpc_failure("14", "later"));
    const AccessReport report = cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::valid);
    REQUIRE(report.permissions.size() == 4);
    CHECK(report.permissions[2].state == Permission::State::missing);
    CHECK(report.permissions[2].what_for == "availability");
    CHECK(report.permissions[3].state == Permission::State::unknown);
  }
  SUBCASE("nobody answers") {
    visit.http.fail(route(kGetProfile), Error{.kind = ErrorKind::network, .message = "no answer"});
    CHECK(cloud->check(visit.request()).state == AccessReport::State::unreachable);
  }
}

TEST_CASE("nebius: an exchange that is refused is a matter of credentials") {
  const Error error =
      parse_exchange({.status = 400, .body = R"({"error":"invalid_grant","error_description":"expired"})"},
                     kNow)
          .error();
  CHECK(error.kind == ErrorKind::auth);
  CHECK(error.code == "invalid_grant");
  CHECK_FALSE(parse_exchange({.status = 200, .body = R"({"access_token":""})"}, kNow).ok());
}

}  // namespace
}  // namespace gpubroker::nebius
