// Logins from everywhere, the feeds of a subscription and the access check, over a fake network.
#include "providers/azure/cloud.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "providers/azure/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::azure {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;
using testing::sent;

const std::string kSubscription = "11111111-2222-3333-4444-555555555555";
const std::string kArmBase = "https://management.azure.com/subscriptions/" + kSubscription;
constexpr const char* kLogin = "POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
constexpr const char* kMachine = "GET http://169.254.169.254/metadata/identity/oauth2/token";
constexpr const char* kSecret = "client-secret-value";

/// A cloud with a home, a network and a client secret.
struct World {
  World() {
    home.processes.variables["AZURE_TENANT_ID"] = "tenant-1";
    home.processes.variables["AZURE_CLIENT_ID"] = "client-1";
    home.processes.variables["AZURE_CLIENT_SECRET"] = kSecret;
    home.processes.variables["AZURE_SUBSCRIPTION_ID"] = kSubscription;
    visit.http.answer(kLogin, fixture("azure/token.json"));
    visit.http.answer("GET " + kArmBase + "?", fixture("azure/subscription.json"));
    visit.http.answer("GET " + kArmBase + "/locations", fixture("azure/locations.json"));
    visit.http.answer("GET " + kArmBase + "/providers/Microsoft.Authorization/permissions",
                      fixture("azure/permissions.json"));
  }
  void forget_login() {
    for (const char* name :
         {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID"}) {
      home.processes.variables.erase(name);
    }
  }
  AccessReport check() { return make_cloud(home.files, home.processes)->check(visit.request()); }
  Result<Harvest> fetch(std::size_t feed) {
    const auto cloud = make_cloud(home.files, home.processes);
    return cloud->feeds().at(feed)->fetch(visit.request());
  }
  std::size_t asked(const std::string& url) {
    std::size_t count = 0;
    for (const HttpRequest& request : visit.http.requests) {
      count += request.url.rfind(url, 0) == 0 ? 1U : 0U;
    }
    return count;
  }
  const HttpRequest& first() { return visit.http.requests.at(0); }

  FakeHome home = {};
  FakeVisit visit = {};
};
constexpr std::size_t kSkus = 1;
constexpr std::size_t kScores = 2;

std::string all_of(const AccessReport& report) {
  std::string text = report.found_in + report.identity + report.problem + report.next;
  for (const std::string& warning : report.warnings) { text += warning; }
  return text;
}

Permission::State state_of(const AccessReport& report, const std::string& name) {
  for (const Permission& permission : report.permissions) {
    if (permission.name == name) { return permission.state; }
  }
  return Permission::State::unknown;
}

TEST_CASE("azure check: who we are, where, and what we may do") {
  World world;
  const AccessReport report = world.check();
  CHECK(report.state == AccessReport::State::valid);
  CHECK(report.found_in == "$AZURE_CLIENT_SECRET");
  CHECK(report.identity ==
        "app 11111111-1111-1111-1111-111111111111, subscription Research "
        "(11111111-2222-3333-4444-555555555555)");
  CHECK(report.problem.empty());
  CHECK(state_of(report, "Microsoft.Compute/skus/read") == Permission::State::granted);
  CHECK(state_of(report, "Microsoft.Compute/locations/usages/read") == Permission::State::missing);
  CHECK(state_of(report, "Microsoft.Compute/virtualMachines/write") == Permission::State::granted);
  CHECK(state_of(report, "Microsoft.Compute/virtualMachines/delete") == Permission::State::missing);
  CHECK(report.next == "ask for the role Reader on the subscription");
  CHECK(all_of(report).find(kSecret) == std::string::npos);
  CHECK(sent(world.visit.http.requests.back(), "Authorization").rfind("Bearer eyJ", 0) == 0);
}

TEST_CASE("azure check: a refused secret, in Entra's words and without the secret") {
  World world;
  FakeVisit visit;
  visit.http.answer(kLogin, {.status = 401, .body = fixture("azure/login_error.json")});
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  const AccessReport report = cloud->check(visit.request());
  CHECK(report.state == AccessReport::State::refused);
  CHECK(report.problem.find("AADSTS7000215") != std::string::npos);
  CHECK(report.next == "make a new secret: az ad app credential reset --id $AZURE_CLIENT_ID");
  CHECK(all_of(report).find(kSecret) == std::string::npos);
}

TEST_CASE("azure check: nowhere a login, and nobody who would have an identity") {
  World world;
  world.forget_login();
  world.visit.http.answer(kMachine, {.status = 400, .body = R"({"error":"invalid_request"})"});
  const AccessReport report = world.check();
  CHECK(report.state == AccessReport::State::missing);
  CHECK(report.found_in.empty());
  CHECK(report.next.rfind("az login", 0) == 0);
  const Result<Harvest> harvest = world.fetch(kSkus);
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().code == "no_credentials");
  CHECK(harvest.error().kind == ErrorKind::auth);
}

TEST_CASE("azure check: nobody can be asked, and a subscription that is not what it should be") {
  World world;
  FakeVisit visit;
  visit.http.fail(kLogin, {.kind = ErrorKind::network, .message = "no route"});
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  CHECK(cloud->check(visit.request()).state == AccessReport::State::unreachable);

  MutableJson disabled = MutableJson::parse(fixture("azure/subscription.json"));
  disabled["state"] = "Warned";
  FakeVisit warned;
  warned.http.answer(kLogin, fixture("azure/token.json"));
  warned.http.answer("GET " + kArmBase + "?", disabled.dump());
  warned.http.answer("GET " + kArmBase + "/providers",
                     {.status = 403, .body = fixture("azure/arm_error.json")});
  const AccessReport report = cloud->check(warned.request());
  CHECK(report.state == AccessReport::State::valid);
  REQUIRE(report.warnings.size() == 2);
  CHECK(report.warnings[0] == "the subscription is Warned");
  CHECK(report.warnings[1].rfind("permissions are not told: HTTP 403", 0) == 0);
  CHECK(state_of(report, "Microsoft.Compute/skus/read") == Permission::State::unknown);
}

TEST_CASE("azure login: a federated token's file is read for each token") {
  World world;
  world.home.processes.variables.erase("AZURE_CLIENT_SECRET");
  const std::string path = world.home.write("federated", "first.jwt.x\n");
  world.home.processes.variables["AZURE_FEDERATED_TOKEN_FILE"] = path;
  CHECK(world.check().found_in == "$AZURE_FEDERATED_TOKEN_FILE");
  CHECK(world.first().body.find("client_assertion=first.jwt.x") != std::string::npos);
  CHECK(world.first().body.find("client_secret") == std::string::npos);
  world.home.write("federated", "second.jwt.x");
  world.visit.http.requests.clear();
  CHECK(world.check().state == AccessReport::State::valid);
  CHECK(world.first().body.find("client_assertion=second.jwt.x") != std::string::npos);

  std::filesystem::remove(path);
  const AccessReport gone = world.check();
  CHECK(gone.state == AccessReport::State::refused);
  CHECK(gone.problem.rfind("$AZURE_FEDERATED_TOKEN_FILE: ", 0) == 0);
}

TEST_CASE("azure login: a federated subject that does not fit is named") {
  World world;
  world.home.processes.variables.erase("AZURE_CLIENT_SECRET");
  // {"iss":"https://token.example","sub":"repo:o/r:pull_request"}
  world.home.processes.variables["AZURE_FEDERATED_TOKEN_FILE"] = world.home.write(
      "federated",
      "e30.eyJpc3MiOiJodHRwczovL3Rva2VuLmV4YW1wbGUiLCJzdWIiOiJyZXBvOm8vcjpwdWxsX3JlcXVlc3QifQ.c2ln");
  FakeVisit visit;
  visit.http.answer(
      kLogin,
      {.status = 400, .body = R"({"error":"invalid_request","error_description":"AADSTS700213: No match"})"});
  const AccessReport report = make_cloud(world.home.files, world.home.processes)->check(visit.request());
  CHECK(report.state == AccessReport::State::refused);
  CHECK(report.next ==
        "the app needs a federated credential with issuer https://token.example and subject "
        "repo:o/r:pull_request, to the letter");
  CHECK(all_of(report).find("c2ln") == std::string::npos);
}

TEST_CASE("azure login: a GitHub job asks for its own token first") {
  World world;
  world.home.processes.variables.erase("AZURE_CLIENT_SECRET");
  world.home.processes.variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = "https://actions.example/token?v=1";
  world.home.processes.variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "job-secret";
  world.visit.http.answer("GET https://actions.example/token?v=1&audience=api%3A%2F%2FAzureADTokenExchange",
                          R"({"value":"github.jwt.x"})");
  const AccessReport report = world.check();
  CHECK(report.state == AccessReport::State::valid);
  CHECK(report.found_in == "GitHub Actions, as $AZURE_CLIENT_ID");
  CHECK(sent(world.first(), "Authorization") == "Bearer job-secret");
  CHECK(world.visit.http.requests.at(1).body.find("client_assertion=github.jwt.x") != std::string::npos);
  CHECK(all_of(report).find("job-secret") == std::string::npos);
}

TEST_CASE("azure login: az is asked for the token, its profile for the subscription") {
  World world;
  world.forget_login();
  world.home.write(".azure/azureProfile.json", fixture("azure/azureProfile.json"));
  const std::string cache = world.home.write(".azure/msal_token_cache.json", "{}");
  const std::string bin = world.home.folder / "bin";
  world.home.processes.variables["PATH"] = bin + ":/usr/bin:/bin";

  SUBCASE("there") {
    world.home.write("az.json", fixture("azure/az_token.json"));
    world.home.write("bin/az", "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\ncat \"$HOME/az.json\"\n", true);
    const AccessReport report = world.check();
    CHECK(report.problem == "");
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "az login (" + world.home.folder.path() + "/.azure)");
    CHECK(report.identity.rfind("alice@contoso.com, subscription Research", 0) == 0);
    CHECK(report.warnings.empty());
    CHECK(world.home.files.read(world.home.folder.path() + "/asked").value() ==
          "account get-access-token --resource https://management.azure.com/ -o json --subscription " +
              kSubscription + "\n");
  }
  SUBCASE("others may read its tokens") {
    world.home.write("bin/az", "#!/bin/sh\nexit 1\n", true);
    std::filesystem::permissions(cache, std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::add);
    const AccessReport report = world.check();
    REQUIRE(report.warnings.size() == 1);
    CHECK(report.warnings[0] == cache + " can be read by others: chmod 600 " + cache);
  }
  SUBCASE("it has no login any more") {
    world.home.write("bin/az", "#!/bin/sh\necho 'ERROR: AADSTS70043: expired' >&2\necho more >&2\nexit 1\n",
                     true);
    const AccessReport report = world.check();
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "az account get-access-token: ERROR: AADSTS70043: expired");
    CHECK(report.next == "az login");
  }
  SUBCASE("its profile is there, the program is not") {
    world.home.processes.variables["PATH"] = bin;
    const AccessReport report = world.check();
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.problem == "there is a login of az, but no program az");
  }
  SUBCASE("somewhere else") {
    world.home.processes.variables["AZURE_CONFIG_DIR"] = world.home.folder.path() + "/elsewhere";
    CHECK(world.check().state == AccessReport::State::missing);
  }
  CHECK(world.asked("https://login.microsoftonline.com") == 0);
}

TEST_CASE("azure login: a machine's identity, the only subscription, and several of them") {
  World world;
  world.forget_login();
  world.visit.http.answer(kMachine, fixture("azure/managed_identity.json"));
  world.visit.http.answer("GET https://management.azure.com/subscriptions?",
                          fixture("azure/subscriptions.json"));
  const AccessReport report = world.check();
  CHECK(report.state == AccessReport::State::valid);
  CHECK(report.found_in == "the identity of this machine");
  CHECK(report.identity.find("Research") != std::string::npos);  // the other one is disabled

  MutableJson both = MutableJson::parse(fixture("azure/subscriptions.json"));
  both["value"][1]["state"] = "Enabled";
  FakeVisit visit;
  visit.http.answer(kMachine, fixture("azure/managed_identity.json"));
  visit.http.answer("GET https://management.azure.com/subscriptions?", both.dump());
  const AccessReport several = make_cloud(world.home.files, world.home.processes)->check(visit.request());
  CHECK(several.state == AccessReport::State::valid);
  CHECK(several.problem == "this login sees 2 subscriptions");
  CHECK(several.next == "set $AZURE_SUBSCRIPTION_ID to the one to be used");
}

TEST_CASE("azure login: half a login in the environment is told; another authority is https or nothing") {
  World world;
  world.home.processes.variables.erase("AZURE_TENANT_ID");
  CHECK(world.check().warnings.at(0).find("$AZURE_TENANT_ID") != std::string::npos);

  World other;
  other.home.processes.variables["AZURE_AUTHORITY_HOST"] = "login.microsoftonline.us/";
  other.visit.http.answer("POST https://login.microsoftonline.us/tenant-1/oauth2/v2.0/token",
                          fixture("azure/token.json"));
  CHECK(other.check().state == AccessReport::State::valid);
  other.visit.http.requests.clear();
  other.home.processes.variables["AZURE_AUTHORITY_HOST"] = "http://login.example";
  CHECK(other.check().problem == "$AZURE_AUTHORITY_HOST is not https");
  CHECK(other.visit.http.requests.empty());
}

TEST_CASE("azure skus: each region's sizes, all pages, and quotas; one that fails is kept as it was") {
  World world;
  MutableJson first = MutableJson::parse(fixture("azure/skus.json"));
  MutableJson second = first;
  second.erase("nextLink");
  second["value"] = MutableJson::array({second["value"][2]});
  first["value"].erase(2);
  world.visit.http.answer("GET " + skus_url(kSubscription, "eastus"), first.dump());
  world.visit.http.answer("GET https://management.azure.com/subscriptions/s/providers/Microsoft.Compute/skus",
                          second.dump());
  world.visit.http.answer("GET " + usages_url(kSubscription, "eastus"), fixture("azure/usages.json"));
  world.visit.http.answer("GET " + skus_url(kSubscription, "westus3"), {.status = 500, .body = ""});
  const Result<Harvest> harvest = world.fetch(kSkus);
  REQUIRE(harvest.ok());
  CHECK(world.visit.http.unexpected.empty());
  CHECK(harvest.value().signals.size() == 1 + 3 + 3 + 1 + 2);  // H100: zone 2, twice everywhere; H200; NC40
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "westus3");
  CHECK(harvest.value().failed[0].second.kind == ErrorKind::network);
  CHECK(world.asked("https://login.microsoftonline.com") == 1);  // one token for all of it
}

TEST_CASE("azure skus: a role that is missing is the feed's error, with the action named") {
  World world;
  world.visit.http.answer("GET " + kArmBase + "/providers/Microsoft.Compute/skus",
                          {.status = 403, .body = fixture("azure/arm_error.json")});
  const Result<Harvest> harvest = world.fetch(kSkus);
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().kind == ErrorKind::auth);
  CHECK(harvest.error().message.find("Microsoft.Compute/skus/read") != std::string::npos);
}

TEST_CASE("azure skus: pages that run in a circle end") {
  World world;
  MutableJson page = MutableJson::parse(fixture("azure/skus.json"));
  for (const char* region : {"eastus", "westus3"}) {
    page["nextLink"] = skus_url(kSubscription, region);
    world.visit.http.answer("GET " + skus_url(kSubscription, region), page.dump());
  }
  const Result<Harvest> harvest = world.fetch(kSkus);
  REQUIRE_FALSE(harvest.ok());
  CHECK(harvest.error().kind == ErrorKind::internal);
  CHECK(harvest.error().message == "the pages run in a circle");
}

TEST_CASE("azure: a challenge is answered once with a new token for its claims") {
  World world;
  const HttpResponse challenge{
      .status = 401,
      .headers = {{"www-authenticate", R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")"}},
      .body = R"({"error":{"code":"InvalidAuthenticationToken","message":"changed conditions"}})"};
  const std::string subscription = "GET " + kArmBase + "?";
  FakeVisit visit;
  visit.http.answer(kLogin, fixture("azure/token.json"));
  visit.http.answer(subscription, challenge);
  SUBCASE("and then it is good") {
    visit.http.answer(subscription, fixture("azure/subscription.json"));
    visit.http.answer("GET " + kArmBase + "/providers", fixture("azure/permissions.json"));
    CHECK(make_cloud(world.home.files, world.home.processes)->check(visit.request()).state ==
          AccessReport::State::valid);
    CHECK(visit.http.requests.at(2).body.find("claims=%7B%22a%22%3A1%7D") != std::string::npos);
  }
  SUBCASE("and it goes on") {
    const AccessReport report = make_cloud(world.home.files, world.home.processes)->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(visit.http.requests.size() == 4);  // token, asked, token, asked: no further
  }
}

TEST_CASE("azure: a token is renewed before it runs out") {
  World world;
  FakeVisit visit;
  visit.http.answer(kLogin, R"({"access_token":"short","expires_in":0})");
  visit.http.answer("GET " + kArmBase + "?", fixture("azure/subscription.json"));
  visit.http.answer("GET " + kArmBase + "/providers", fixture("azure/permissions.json"));
  CHECK(make_cloud(world.home.files, world.home.processes)->check(visit.request()).state ==
        AccessReport::State::valid);
  std::size_t logins = 0;
  for (const HttpRequest& request : visit.http.requests) { logins += request.method == "POST" ? 1U : 0U; }
  CHECK(logins == 3);
}

TEST_CASE("azure scores: eight regions and five sizes at most in one question; half a group is none") {
  World world;
  MutableJson places = {{"value", MutableJson::array()}};
  for (int i = 0; i < 9; ++i) { places["value"].push_back({{"name", "region" + std::to_string(i)}}); }
  FakeVisit visit;
  visit.http.answer(kLogin, fixture("azure/token.json"));
  visit.http.answer("GET " + kArmBase + "/locations", places.dump());
  visit.http.answer("POST " + kArmBase + "/providers/Microsoft.Compute/locations/region0/",
                    fixture("azure/scores.json"));
  const std::string last = "POST " + kArmBase + "/providers/Microsoft.Compute/locations/region8/";
  visit.http.answer(last, fixture("azure/scores.json"));
  visit.http.answer(last, {.status = 400, .body = R"({"error":{"code":"BadRequest","message":"no"}})"});
  const auto cloud = make_cloud(world.home.files, world.home.processes);
  const Result<Harvest> harvest = cloud->feeds().at(kScores)->fetch(visit.request());
  REQUIRE(harvest.ok());
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "region8");
  CHECK(harvest.value().failed[0].second.code == "BadRequest");
  std::size_t asked = 0;
  for (const HttpRequest& request : visit.http.requests) {
    if (request.body.find("desiredSizes") == std::string::npos) { continue; }
    ++asked;
    const MutableJson body = MutableJson::parse(request.body);
    CHECK(body["desiredLocations"].size() <= 8);
    CHECK(body["desiredSizes"].size() <= 5);
    CHECK(sent(request, "Authorization").rfind("Bearer ", 0) == 0);
  }
  CHECK(asked >= 6);
  CHECK(harvest.value().signals.size() == 3 * (asked - 2));  // the answers of the group that went through
}

}  // namespace
}  // namespace gpubroker::azure
