// OCI's public price files, capacity reports, signature, their mutants, and the thin callers over a fake
// network.
#include <doctest/doctest.h>

#include "core/wire/digest.hpp"
#include "providers/oci/cloud.hpp"
#include "providers/oci/codec.hpp"
#include "providers/oci/credentials.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::oci {
namespace {

using testing::FakeHome;
using testing::FakeVisit;
using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z
const std::string kShapes = "GET " + std::string(kShapesUrl);
const std::string kProducts = "GET " + std::string(kProductsUrl);

const Listing* find(const std::vector<Listing>& listings, const std::string& type,
                    Market market = Market::on_demand) {
  for (const Listing& listing : listings) {
    if (listing.offer.key.instance_type == type && listing.offer.key.market == market) { return &listing; }
  }
  return nullptr;
}

std::vector<Listing> read_all(Harvest& harvest) {
  const Result<Products> products = parse_products(fixture("oci/products.json"), harvest);
  REQUIRE(products.ok());
  const auto listings = parse_shapes(fixture("oci/shapes.json"), products.value(), kNow, harvest);
  REQUIRE(listings.ok());
  return listings.value();
}

TEST_CASE("oci: products are the dollars of an hour; months and steps are none") {
  Harvest harvest;
  const Result<Products> products = parse_products(fixture("oci/products.json"), harvest);
  REQUIRE(products.ok());
  CHECK(products.value().at("B98415") == Money{10'000'000});
  CHECK(products.value().at("B111758") == Money{8'600'000});
  CHECK(products.value().count("B91628") == 0);  // MONTH
  CHECK(products.value().count("B88525") == 0);  // free up to a limit
  CHECK(harvest.remarks.empty());
}

TEST_CASE("oci: a shape costs its part's price times its GPUs") {
  Harvest harvest;
  const std::vector<Listing> listings = read_all(harvest);
  CHECK(harvest.remarks.empty());
  CHECK(listings.size() ==
        9);  // eight shapes, one of them preemptible too; no CPU shape, none that is no longer sold
  const Listing* const h100 = find(listings, "BM.GPU.H100.8");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.key.region == "any");
  CHECK(h100->offer.price == Rate{80'000'000});
  CHECK(h100->offer.vcpus == 224);  // 112 OCPUs
  CHECK(h100->offer.memory_mib == 2048 * 1024);
  CHECK(h100->offer.gpu == Accelerator{.model = "", .form = "SXM", .memory_gib = 80, .count = 8});
  CHECK(h100->fabric == Fabric::roce);
  CHECK(h100->nvlink_domain == 8);
  CHECK(h100->basis == PriceBasis::list);
  CHECK(h100->availability.kind == AvailabilityKind::unknown);
  const Listing* const a100 = find(listings, "BM.GPU4.8");
  REQUIRE(a100 != nullptr);
  CHECK(a100->offer.price == Rate{24'400'000});
  CHECK(a100->gpu_text == "A100");
  CHECK(a100->offer.gpu.memory_gib == 40);
  CHECK(a100->arch == "x86_64");  // the file says arm
  CHECK(find(listings, "BM.GPU.A100-v2.8")->offer.gpu.memory_gib == 80);
}

TEST_CASE("oci: what the estimator leaves out or gets wrong is mended") {
  Harvest harvest;
  const std::vector<Listing> listings = read_all(harvest);
  const Listing* const gb200 = find(listings, "BM.GPU.GB200.4");  // shown as "BM.GPU.GB200.4 (NVL72)"
  REQUIRE(gb200 != nullptr);
  CHECK(gb200->offer.price == Rate{64'000'000});
  CHECK(gb200->offer.vcpus == 144);  // the file says 128 OCPUs
  CHECK(gb200->arch == "arm64");
  CHECK(gb200->nvlink_domain == 72);
  CHECK(gb200->offer.gpu.memory_gib == 186);
  const Listing* const gb300 = find(listings, "BM.GPU.GB300.4");  // no OCPUs, no memory
  REQUIRE(gb300 != nullptr);
  CHECK(gb300->offer.price == Rate{72'000'000});
  CHECK(gb300->offer.vcpus == 144);
  CHECK(gb300->offer.memory_mib == 960 * 1024);
  CHECK(gb300->offer.gpu.memory_gib == 279);  // 278 in all, says the file
  CHECK(find(listings, "BM.GPU.B300.8")->offer.vcpus == 256);
  CHECK(find(listings, "BM.GPU.MI355X.8")->offer.gpu.memory_gib == 288);  // 36, were it the sum
}

TEST_CASE("oci: preemptible are VM shapes alone, at half the price") {
  Harvest harvest;
  const std::vector<Listing> listings = read_all(harvest);
  const Listing* const spot = find(listings, "VM.GPU3.1", Market::spot);
  REQUIRE(spot != nullptr);
  CHECK(spot->offer.price == Rate{1'475'000});
  CHECK(spot->basis == PriceBasis::computed);
  CHECK(spot->fabric == Fabric::ethernet);
  CHECK(find(listings, "BM.GPU.H100.8", Market::spot) == nullptr);
  MutableJson shapes = MutableJson::parse(fixture("oci/shapes.json"));
  shapes["items"][0]["allowPreemptible"] = true;  // bare metal
  const auto again = parse_shapes(
      shapes.dump(), parse_products(fixture("oci/products.json"), harvest).value(), kNow, harvest);
  REQUIRE(again.ok());
  CHECK(find(again.value(), "BM.GPU.H100.8", Market::spot) == nullptr);
}

TEST_CASE("oci: a shape without a price is told; told twice it is one") {
  Harvest harvest;
  MutableJson shapes = MutableJson::parse(fixture("oci/shapes.json"));
  shapes["items"].push_back(shapes["items"][1]);
  shapes["items"][0]["products"][0]["partNumber"] = "B0";
  const auto listings = parse_shapes(
      shapes.dump(), parse_products(fixture("oci/products.json"), harvest).value(), kNow, harvest);
  REQUIRE(listings.ok());
  CHECK(listings.value().size() == 8);
  REQUIRE(harvest.remarks.size() == 1);
  CHECK(harvest.remarks[0] == Remark{"row refused", "shapes[0]: no price for part B0", 1});
}

TEST_CASE("oci: a report counts machines; what the domain has no hardware for is not sold there") {
  Harvest harvest;
  const Result<Report> report = parse_report(fixture("oci/report.json"), harvest);
  REQUIRE(report.ok());
  CHECK(report.value().at("BM.GPU.H100.8") ==
        Availability{AvailabilityKind::count, 3, "oci capacity report"});
  CHECK(report.value().at("BM.GPU.A100-v2.8").value == 0);
  CHECK(report.value().at("BM.GPU.B300.8").kind == AvailabilityKind::level);  // there, no count
  CHECK(report.value().count("BM.GPU.GB200.4") == 0);
  CHECK(report.value().at("VM.GPU3.1").value == 7);  // two fault domains
  CHECK(
      parse_report(R"({"shapeAvailabilities":[{"instanceShape":"a","availabilityStatus":"MAYBE"}]})", harvest)
          .ok());
  CHECK(harvest.remarks[0].detail == "shapeAvailabilities[0]: the availability status MAYBE is unknown");
}

TEST_CASE("oci: mutants are refused or told, never thrown over") {
  Harvest harvest;
  const Products products = parse_products(fixture("oci/products.json"), harvest).value();
  testing::for_each_mutant(MutableJson::parse(fixture("oci/shapes.json")), [&](const std::string& text) {
    Harvest told;
    const auto listings = parse_shapes(text, products, kNow, told);
    if (!listings.ok()) { return; }
    for (const Listing& listing : listings.value()) { CHECK(listing.offer.price > Rate{}); }
  });
  testing::for_each_mutant(MutableJson::parse(fixture("oci/products.json")), [](const std::string& text) {
    Harvest told;
    static_cast<void>(parse_products(text, told));
  });
  testing::for_each_mutant(MutableJson::parse(fixture("oci/report.json")), [](const std::string& text) {
    Harvest told;
    static_cast<void>(parse_report(text, told));
  });
  testing::for_each_mutant(MutableJson::parse(fixture("oci/regions.json")),
                           [](const std::string& text) { static_cast<void>(parse_regions(text)); });
  testing::for_each_mutant(MutableJson::parse(fixture("oci/domains.json")),
                           [](const std::string& text) { static_cast<void>(parse_domains(text)); });
}

TEST_CASE("oci: regions that are not ready are left out") {
  CHECK(parse_regions(fixture("oci/regions.json")).value() ==
        std::vector<std::string>{"us-ashburn-1", "us-chicago-1"});
}

TEST_CASE("oci: no host is a matter of capacity, though it comes as a 500") {
  const auto error = [](int status, const std::string& code, const std::string& message) {
    return parse_error(
        {.status = status, .body = R"({"code":")" + code + R"(","message":")" + message + "\"}"}, "x", kNow);
  };
  CHECK(error(500, "InternalError", "Out of host capacity.").kind == ErrorKind::capacity);
  CHECK(error(500, "InternalError", "Out of host capacity.").scope == ErrorScope::zone);
  CHECK(error(500, "InternalError", "Something else").kind == ErrorKind::network);
  CHECK(error(400, "LimitExceeded", "m").kind == ErrorKind::quota);
  CHECK(error(401, "NotAuthenticated", "m").kind == ErrorKind::auth);
  CHECK(error(404, "NotAuthorizedOrNotFound", "m").kind == ErrorKind::auth);
  CHECK(error(409, "InvalidatedRetryToken", "m").kind == ErrorKind::conflict);
  CHECK(error(429, "TooManyRequests", "m").kind == ErrorKind::throttled);
}

Access test_access() {
  return {.user = "ocid1.user.oc1..u",
          .tenancy = "ocid1.tenancy.oc1..t",
          .fingerprint = "20:3b:97:13",
          .region = "us-ashburn-1",
          .private_key = Secret(fixture("keys/rsa.pem"))};
}

// The digests are those of what `openssl dgst -sha256 -sign` made of the same text.
TEST_CASE("oci: requests are signed over date, target and host, posts over their body too") {
  const Result<HttpRequest> get = sign_request(
      {.url = "https://iaas.us-ashburn-1.oraclecloud.com/20160918/instances?compartmentId=ocid1.t&limit=5"},
      test_access(), kNow);
  REQUIRE(get.ok());
  CHECK(signing_text(get.value(), "iaas.us-ashburn-1.oraclecloud.com",
                     "/20160918/instances?compartmentId=ocid1.t&limit=5") ==
        "date: Tue, 24 Nov 2026 12:00:00 GMT\n(request-target): get "
        "/20160918/instances?compartmentId=ocid1.t&limit=5\nhost: iaas.us-ashburn-1.oraclecloud.com");
  const std::string header = find_header(get.value().headers, "authorization");
  CHECK(header.rfind(R"(Signature version="1",keyId="ocid1.tenancy.oc1..t/ocid1.user.oc1..u/20:3b:97:13",)"
                     R"(algorithm="rsa-sha256",headers="date (request-target) host",signature=")",
                     0) == 0);
  CHECK(to_hex(sha256(header)) == "775e90aacfd2a145f3ea090e76ad6b68d27c69864007f41318dd6efa70b56105");

  const Result<HttpRequest> post =
      sign_request({.method = "POST",
                    .url = "https://iaas.us-ashburn-1.oraclecloud.com/20160918/computeCapacityReports",
                    .body = "{}"},
                   test_access(), kNow);
  REQUIRE(post.ok());
  CHECK(find_header(post.value().headers, "x-content-sha256") ==
        "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
  CHECK(to_hex(sha256(find_header(post.value().headers, "authorization"))) ==
        "4aa3df9a268ce1b788b257a75c72644f89324910d5b31900841007236eddcf45");
}

TEST_CASE("oci: a report asks for shapes by name") {
  CHECK(
      encode_report("t\"1", "x:AD-1", {"A", "B"}) ==
      R"({"compartmentId":"t\"1","availabilityDomain":"x:AD-1","shapeAvailabilities":[{"instanceShape":"A"},{"instanceShape":"B"}]})");
}

TEST_CASE("oci: the price list asks whether it has changed") {
  FakeHome home;
  const auto cloud = make_cloud(home.files, home.processes);
  PriceFeed& list = *cloud->feeds()[0];
  FakeVisit first;
  const auto with_tag = [](const std::string& file, const std::string& tag) {
    return HttpResponse{.status = 200, .headers = {{"etag", tag}}, .body = fixture(file)};
  };
  first.http.answer(kShapes, with_tag("oci/shapes.json", "\"s1\""));
  first.http.answer(kProducts, with_tag("oci/products.json", "\"p1\""));
  const Result<Harvest> harvest = list.fetch(first.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 9);

  FakeVisit second;
  second.validators = harvest.value().validators;
  second.http.answer(kShapes, {.status = 304});
  SUBCASE("neither has") {
    second.http.answer(kProducts, {.status = 304});
    const Result<Harvest> again = list.fetch(second.request());
    REQUIRE(again.ok());
    CHECK(again.value().all_unchanged);
    CHECK(again.value().validators == second.validators);
    CHECK(testing::sent(second.http.requests[0], "If-None-Match") == "\"s1\"");
  }
  SUBCASE("one has: the other is read again, for the price is in both") {
    second.http.answer(kProducts, with_tag("oci/products.json", "\"p2\""));
    second.http.answer(kShapes, with_tag("oci/shapes.json", "\"s1\""));
    const Result<Harvest> again = list.fetch(second.request());
    REQUIRE(again.ok());
    CHECK_FALSE(again.value().all_unchanged);
    CHECK(again.value().listings.size() == 9);
    CHECK(testing::sent(second.http.requests[2], "If-None-Match").empty());
  }
}

struct World {
  FakeHome home = {};
  FakeVisit visit = {};
  std::unique_ptr<Cloud> cloud = make_cloud(home.files, home.processes);
  World() {
    home.write("key.pem", fixture("keys/rsa.pem"));
    home.write(".oci/config",
               "[DEFAULT]\nuser=ocid1.user.oc1..u\nfingerprint=20:3b\ntenancy=ocid1.tenancy.oc1..t\nregion="
               "us-ashburn-1\n"
               "key_file=~/key.pem\n[other]\nregion=us-chicago-1\n");
    visit.http.answer(kShapes, fixture("oci/shapes.json"));
    visit.http.answer(kProducts, fixture("oci/products.json"));
    visit.http.answer("GET https://identity.us-ashburn-1.oraclecloud.com/20160918/tenancies/",
                      fixture("oci/regions.json"));
    for (const std::string region : {"us-ashburn-1", "us-chicago-1"}) {
      visit.http.answer("GET https://identity." + region + ".oraclecloud.com/20160918/availabilityDomains",
                        fixture("oci/domains.json"));
      visit.http.answer("POST https://iaas." + region + ".oraclecloud.com/20160918/computeCapacityReports",
                        fixture("oci/report.json"));
    }
    visit.http.answer("GET https://identity.us-ashburn-1.oraclecloud.com/20160918/users/",
                      R"({"id":"u","name":"jane"})");
  }
};

TEST_CASE("oci: each domain of each region is asked; listings carry its count and the list's price") {
  World world;
  const Result<Harvest> harvest = world.cloud->feeds()[1]->fetch(world.visit.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().failed.empty());
  // Per domain: H100, A100, B300, VM.GPU3.1 and its preemptible twin.
  CHECK(harvest.value().listings.size() == 5 * 4);
  const Listing* const h100 = find(harvest.value().listings, "BM.GPU.H100.8");
  REQUIRE(h100 != nullptr);
  CHECK(h100->offer.key.region == "us-ashburn-1");
  CHECK(h100->offer.key.zone == "xkPZ:US-ASHBURN-AD-1");
  CHECK(h100->offer.price == Rate{80'000'000});
  CHECK(h100->availability.value == 3);
  CHECK(find(harvest.value().listings, "VM.GPU3.1", Market::spot)->availability.kind ==
        AvailabilityKind::unknown);
}

TEST_CASE("oci: a region that fails is kept apart") {
  World world;
  FakeVisit& visit = world.visit;
  visit.http.answer(
      "GET https://identity.us-chicago-1.oraclecloud.com/20160918/availabilityDomains?c",
      HttpResponse{.status = 503, .body = R"({"code":"ServiceUnavailable","message":"later"})"});
  const Result<Harvest> harvest = world.cloud->feeds()[1]->fetch(visit.request());
  REQUIRE(harvest.ok());
  CHECK(harvest.value().listings.size() == 5 * 2);
  REQUIRE(harvest.value().failed.size() == 1);
  CHECK(harvest.value().failed[0].first == "us-chicago-1");
  CHECK(harvest.value().failed[0].second.kind == ErrorKind::network);
}

TEST_CASE("oci: pages are followed to the end, and not in a circle") {
  World world;
  FakeVisit visit;
  visit.http.answer("GET https://identity.us-ashburn-1.oraclecloud.com/20160918/tenancies/",
                    HttpResponse{.status = 200, .headers = {{"opc-next-page", "p 2"}}, .body = "[]"});
  SUBCASE("a circle") {
    const Result<Harvest> harvest = world.cloud->feeds()[1]->fetch(visit.request());
    REQUIRE_FALSE(harvest.ok());
    CHECK(harvest.error().message == "the pages run in a circle");
  }
  SUBCASE("two pages") {
    visit.http.answer("GET https://identity.us-ashburn-1.oraclecloud.com/20160918/tenancies/", "[]");
    visit.http.answer(kShapes, fixture("oci/shapes.json"));
    visit.http.answer(kProducts, fixture("oci/products.json"));
    REQUIRE(world.cloud->feeds()[1]->fetch(visit.request()).ok());
    CHECK(visit.http.requests[1].url ==
          "https://identity.us-ashburn-1.oraclecloud.com/20160918/tenancies/ocid1.tenancy.oc1..t/"
          "regionSubscriptions?page=p%202");
  }
}

TEST_CASE("oci: where credentials are found, and what check says of them") {
  World world;
  auto& variables = world.home.processes.variables;
  SUBCASE("the file, whose key others may read") {
    std::filesystem::permissions(world.home.folder / "key.pem", std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::valid);
    CHECK(report.found_in == "~/.oci/config [DEFAULT]");
    CHECK(report.identity == "jane");
    CHECK(report.warnings.size() == 1);
    REQUIRE(report.permissions.size() == 3);
    for (const Permission& each : report.permissions) { CHECK(each.state == Permission::State::granted); }
  }
  SUBCASE("another profile inherits from DEFAULT; a variable wins") {
    variables["OCI_CLI_PROFILE"] = "other";
    variables["OCI_CLI_FINGERPRINT"] = "aa:bb";
    const Access access = find_access(world.home.files, world.home.processes);
    CHECK(access.is_usable());
    CHECK(access.region == "us-chicago-1");
    CHECK(access.tenancy == "ocid1.tenancy.oc1..t");
    CHECK(access.fingerprint == "aa:bb");
  }
  SUBCASE("a key that is not there") {
    variables["OCI_CLI_KEY_FILE"] = "~/gone.pem";
    const AccessReport report = world.cloud->check(world.visit.request());
    CHECK(report.state == AccessReport::State::missing);
    CHECK(report.problem.find("gone.pem") != std::string::npos);
    CHECK(world.cloud->feeds()[1]->fetch(world.visit.request()).error().code == "no_credentials");
    CHECK(world.visit.http.requests.empty());
  }
  SUBCASE("nowhere: prices need none") {
    variables["OCI_CLI_CONFIG_FILE"] = "/nowhere";
    CHECK(world.cloud->check(world.visit.request()).state == AccessReport::State::missing);
    CHECK(world.cloud->feeds()[0]->needs().empty());
    CHECK(world.cloud->feeds()[0]->fetch(world.visit.request()).ok());
  }
  SUBCASE("refused") {
    FakeVisit visit;
    visit.http.answer(
        "GET https://identity.",
        {.status = 401,
         .body =
             R"({"code":"NotAuthenticated","message":"The required information to complete authentication was not provided."})"});
    const AccessReport report = world.cloud->check(visit.request());
    CHECK(report.state == AccessReport::State::refused);
    CHECK(report.next.find("clock") != std::string::npos);
    CHECK(report.problem.find("PRIVATE KEY") == std::string::npos);
  }
}

TEST_CASE("oci: an encrypted key is opened with its passphrase, and nobody is asked for one") {
  Access access = test_access();
  access.private_key = Secret(fixture("keys/rsa_encrypted.pem"));
  const HttpRequest get{.url = "https://identity.us-ashburn-1.oraclecloud.com/20160918/users/u"};
  CHECK(sign_request(get, access, kNow).error().kind == ErrorKind::auth);
  access.passphrase = Secret("correct horse");
  CHECK(sign_request(get, access, kNow).ok());
}

}  // namespace
}  // namespace gpubroker::oci
