// Zones, machine types, quotas and calendar blocks.
#include <algorithm>

#include <doctest/doctest.h>

#include "providers/gcp/codec.hpp"
#include "tests/fake_home.hpp"
#include "tests/mutation.hpp"

namespace gpubroker::gcp {
namespace {

using testing::fixture;
using testing::MutableJson;

const Instant kNow{1'795'521'600'000};  // 2026-11-24T12:00:00Z

bool has_remark(const Harvest& harvest, const std::string& what, const std::string& detail) {
  return std::any_of(harvest.remarks.begin(), harvest.remarks.end(),
                     [&](const Remark& remark) { return remark.what == what && remark.detail == detail; });
}

const Signal* find(const Harvest& harvest, const std::string& place, const std::string& type,
                   std::optional<Market> market = {}) {
  for (const Signal& signal : harvest.signals) {
    const std::string& where = signal.zone.empty() ? signal.region : signal.zone;
    if (where == place && signal.instance_type == type && signal.market == market) { return &signal; }
  }
  return nullptr;
}

Harvest read_sold() {
  Harvest harvest;
  Zones zones;
  SoldIn types;
  SoldIn accelerators;
  REQUIRE(parse_zones(fixture("gcp/zones.json"), zones).ok());
  REQUIRE(parse_machine_types(fixture("gcp/machine_types.json"), types, harvest).ok());
  REQUIRE(parse_accelerator_types(fixture("gcp/accelerator_types.json"), accelerators).ok());
  add_sold_signals(zones, types, accelerators, harvest);
  return harvest;
}

TEST_CASE("gcp compute: what is sold in a zone is a signal and no word about stock") {
  const Harvest harvest = read_sold();
  const Signal* const h100 = find(harvest, "us-central1-a", "a3-highgpu-8g");
  REQUIRE(h100 != nullptr);
  CHECK(h100->region == "us-central1");
  CHECK(h100->availability.kind == AvailabilityKind::unknown);
  CHECK(h100->availability.basis == "GCP sells it in this zone");
  CHECK(find(harvest, "europe-west4-b", "a4x-highgpu-4g") != nullptr);
  CHECK(harvest.listings.empty());
}

TEST_CASE("gcp compute: a zone's region comes from the zone, not from its name") {
  const Signal* const b200 = find(read_sold(), "us-central1-ai1a", "a4-highgpu-8g");
  REQUIRE(b200 != nullptr);
  CHECK(b200->region == "us-central1");
}

TEST_CASE("gcp compute: attached GPUs are sold where their accelerator type is") {
  const Harvest harvest = read_sold();
  for (const char* type : {"n1-standard-8+nvidia-tesla-t4:1", "n1-standard-16+nvidia-tesla-t4:2",
                           "n1-standard-32+nvidia-tesla-t4:4"}) {
    CHECK(find(harvest, "us-central1-a", type) != nullptr);
  }
  CHECK(harvest.signals.size() == 7);
}

TEST_CASE("gcp compute: deprecated, empty, unknown and changed") {
  const Harvest harvest = read_sold();
  CHECK(find(harvest, "us-central1-a", "a2-highgpu-1g") == nullptr);
  CHECK(find(harvest, "us-central1-a", "n1-standard-8") == nullptr);
  CHECK(has_remark(harvest, "unknown machine type", "a9-hypergpu-8g in us-central1-ai1a"));
  CHECK(has_remark(harvest, "machine type of another size", "a3-ultragpu-8g in us-central1-ai1a"));
  CHECK(find(harvest, "us-central1-ai1a", "a3-ultragpu-8g") != nullptr);  // sold all the same
  CHECK(has_remark(harvest, "unknown zone", "us-lost1-a"));
}

Harvest read_quotas(bool with_infos = true, bool with_project = true) {
  Harvest harvest;
  Quotas quotas;
  REQUIRE(parse_region_quotas(fixture("gcp/regions.json"), quotas).ok());
  if (with_infos) { REQUIRE(parse_quota_infos(fixture("gcp/quota_infos.json"), quotas).ok()); }
  std::optional<Quota> all_regions;
  if (with_project) { all_regions = parse_project_quota(fixture("gcp/project.json")).value(); }
  add_quota_signals(quotas, all_regions, harvest);
  return harvest;
}

int machines_left(const Harvest& harvest, const std::string& region, const std::string& type, Market market) {
  const Signal* const signal = find(harvest, region, type, market);
  if (signal == nullptr) { return -1; }
  CHECK(signal->availability.kind == AvailabilityKind::quota);
  return signal->availability.value;
}

TEST_CASE("gcp quotas: GPUs that are left become machines that can be started") {
  const Harvest harvest = read_quotas();
  // 16 GPUs, 8 used; flex-start counts against the preemptible quota, too.
  CHECK(machines_left(harvest, "us-central1", "a3-highgpu-8g", Market::spot) == 1);
  CHECK(machines_left(harvest, "us-central1", "a3-highgpu-8g", Market::flex) == 1);
  CHECK(machines_left(harvest, "us-central1", "a3-highgpu-2g", Market::spot) == 4);
  CHECK(machines_left(harvest, "us-central1", "n1-standard-8+nvidia-tesla-t4:1", Market::on_demand) == 3);
  CHECK(machines_left(harvest, "europe-west4", "a3-highgpu-8g", Market::spot) == 0);
  CHECK(find(harvest, "us-central1", "a3-highgpu-8g", Market::spot)->availability.basis ==
        "preemptible quota of 16 GPUs, 8 used");
}

TEST_CASE("gcp quotas: on-demand H100 and later are in Cloud Quotas alone") {
  CHECK(machines_left(read_quotas(/*with_infos=*/false), "us-central1", "a3-highgpu-8g", Market::on_demand) ==
        -1);
  const Harvest harvest = read_quotas();
  CHECK(machines_left(harvest, "us-central1", "a3-highgpu-8g", Market::on_demand) == 1);
  // The default of a family holds where no region has its own.
  CHECK(machines_left(harvest, "europe-west4", "a3-highgpu-8g", Market::on_demand) == 0);
  CHECK(machines_left(harvest, "us-central1", "a4-highgpu-8g", Market::spot) == 4);
}

TEST_CASE("gcp quotas: the quota of all regions together caps what is on demand") {
  // -1 is no limit; 11 of GPUS_ALL_REGIONS are left.
  const Harvest harvest = read_quotas();
  CHECK(machines_left(harvest, "us-central1", "a4-highgpu-8g", Market::on_demand) == 1);
  CHECK(find(harvest, "us-central1", "a4-highgpu-8g", Market::on_demand)->availability.basis ==
        "GPUS_ALL_REGIONS: quota of 12 GPUs, 1 used");
  CHECK(machines_left(harvest, "us-central1", "a2-highgpu-8g", Market::on_demand) == 1);
  CHECK(machines_left(read_quotas(true, false), "us-central1", "a2-highgpu-8g", Market::on_demand) == 2);
}

TEST_CASE("gcp calendar: the question is one machine for a week, 88 hours to 60 days ahead") {
  const MutableJson asked = MutableJson::parse(calendar_question("a3-ultragpu-8g", kNow));
  const MutableJson& spec = asked.at("futureResourcesSpecs").at("machine");
  CHECK(spec.at("targetResources").at("specificSkuResources") ==
        MutableJson{{"machineType", "a3-ultragpu-8g"}, {"instanceCount", "1"}});
  CHECK(spec.at("timeRangeSpec") == MutableJson{{"startTimeNotEarlierThan", "2026-11-28T04:00:00Z"},
                                                {"startTimeNotLaterThan", "2027-01-23T12:00:00Z"},
                                                {"minDuration", "604800s"},
                                                {"maxDuration", "604800s"}});
  CHECK(spec.at("deploymentType") == "DENSE");
  CHECK_FALSE(MutableJson::parse(calendar_question("a3-highgpu-8g", kNow))["futureResourcesSpecs"]["machine"]
                  .contains("deploymentType"));
}

TEST_CASE("gcp calendar: a recommendation is a block with dates and no price") {
  Harvest harvest;
  REQUIRE(parse_calendar_advice(fixture("gcp/calendar.json"), "a3-ultragpu-8g", "us-central1", kNow, harvest)
              .ok());
  REQUIRE(harvest.listings.size() == 1);
  const Listing& block = harvest.listings[0];
  CHECK(block.offer.key == OfferKey{"gcp", "us-central1", "us-central1-b", "a3-ultragpu-8g", Market::block});
  CHECK(block.basis == PriceBasis::quote);
  CHECK(block.variant == "week");
  REQUIRE(block.window.has_value());
  CHECK(format_utc(block.window->from) == "2026-11-28T16:00:00Z");
  CHECK(format_utc(block.window->until) == "2026-12-05T16:00:00Z");
  CHECK(says_available(block.availability));
  // One zone has none; what is not supported says nothing of stock.
  REQUIRE(harvest.signals.size() == 1);
  CHECK(harvest.signals[0].zone == "us-central1-a");
  CHECK(harvest.signals[0].availability.value == 0);
  CHECK(harvest.signals[0].market == Market::block);
}

TEST_CASE("gcp calendar: no recommendation is no block; a block that ends before it begins is refused") {
  Harvest none;
  REQUIRE(parse_calendar_advice("{}", "a4-highgpu-8g", "us-central1", kNow, none).ok());
  CHECK(none.listings.empty());
  MutableJson bad = MutableJson::parse(fixture("gcp/calendar.json"));
  bad["recommendations"][0]["recommendationsPerSpec"]["machine"]["endTime"] = "2026-11-28T15:00:00Z";
  REQUIRE(parse_calendar_advice(bad.dump(), "a4-highgpu-8g", "us-central1", kNow, none).ok());
  CHECK(none.listings.empty());
  CHECK(has_remark(none, "row refused", "recommendations[0]: the block ends before it begins"));
  CHECK(parse_calendar_advice("{}", "n1", "us-central1", kNow, none).error().kind == ErrorKind::invalid);
}

TEST_CASE("gcp: errors in all of Google's forms") {
  const auto error = [](int status, const std::string& body) {
    return parse_error({.status = status, .body = body}, "GET x", kNow);
  };
  const Error quota = error(
      403, R"({"error":{"code":403,"message":"Quota exceeded","errors":[{"reason":"quotaExceeded"}]}})");
  CHECK(quota.kind == ErrorKind::quota);
  CHECK(quota.code == "quotaExceeded");
  CHECK(
      error(403, R"({"error":{"code":403,"message":"m","errors":[{"reason":"rateLimitExceeded"}]}})").kind ==
      ErrorKind::throttled);
  const Error key = error(
      400,
      R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}})");
  CHECK(key.kind == ErrorKind::auth);
  CHECK(key.code == "API_KEY_INVALID");
  const Error off = error(
      403,
      R"({"error":{"code":403,"message":"Compute Engine API has not been used","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}})");
  CHECK(off.kind == ErrorKind::auth);
  CHECK_FALSE(off.hint.empty());
  const Error grant = error(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
  CHECK(grant.kind == ErrorKind::auth);
  CHECK(grant.message == "HTTP 400: Invalid JWT Signature.");
  CHECK(error(502, "<html>bad gateway</html>").kind == ErrorKind::network);
  CHECK(error(503, R"({"error":{"code":503,"status":"UNAVAILABLE","message":"m"}})").kind ==
        ErrorKind::network);
}

TEST_CASE("gcp compute: mutants are refused or told, never thrown over") {
  const auto mutate = [](const char* name, const std::function<void(const std::string&)>& use) {
    testing::for_each_mutant(MutableJson::parse(fixture(std::string("gcp/") + name)), use);
  };
  Harvest harvest;
  mutate("zones.json", [](const std::string& text) {
    Zones zones;
    static_cast<void>(parse_zones(text, zones));
  });
  mutate("machine_types.json", [&](const std::string& text) {
    SoldIn sold;
    static_cast<void>(parse_machine_types(text, sold, harvest));
  });
  mutate("accelerator_types.json", [](const std::string& text) {
    SoldIn sold;
    static_cast<void>(parse_accelerator_types(text, sold));
  });
  const auto read_quotas_of = [&](const std::string& text) {
    Quotas quotas;
    static_cast<void>(parse_region_quotas(text, quotas));
    static_cast<void>(parse_quota_infos(text, quotas));
    static_cast<void>(parse_project_quota(text));
    add_quota_signals(quotas, std::nullopt, harvest);
    harvest = {};
  };
  mutate("regions.json", read_quotas_of);
  mutate("project.json", read_quotas_of);
  mutate("quota_infos.json", read_quotas_of);
  mutate("calendar.json", [&](const std::string& text) {
    static_cast<void>(parse_calendar_advice(text, "a4-highgpu-8g", "us-central1", kNow, harvest));
  });
}

}  // namespace
}  // namespace gpubroker::gcp
