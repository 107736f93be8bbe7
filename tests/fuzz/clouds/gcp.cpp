// Every parser of Google's codecs on any bytes. Seeds: tests/fixtures/gcp.
#include "providers/gcp/codec.hpp"
#include "providers/gcp/credentials_codec.hpp"
#include "providers/gcp/fabric.hpp"
#include "providers/gcp/facts.hpp"
#include "providers/gcp/machines.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

void check(const Harvest& harvest) {
  for (const Listing& listing : harvest.listings) {
    fuzz::must(listing.offer.key.provider == "gcp", "a listing is of its cloud");
    fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
    const bool has_price = listing.offer.price.micros_per_hour > 0;
    fuzz::must(has_price != (listing.basis == PriceBasis::quote),
               "a quote has no price, all others have one");
    std::int64_t sum = 0;
    for (const PricePart& part : listing.parts) { sum += part.rate.micros_per_hour; }
    fuzz::must(sum == listing.offer.price.micros_per_hour, "parts add up");
  }
  for (const Signal& signal : harvest.signals) {
    fuzz::must(signal.availability.value >= 0, "no fewer machines than none");
  }
}

void check_machines(std::string_view input, Instant now) {
  std::vector<gcp::Instance> instances;
  std::vector<gcp::Operation> operations;
  static_cast<void>(gcp::parse_instances(input, instances));
  static_cast<void>(gcp::parse_operations(input, operations));
  if (const Result<gcp::Operation> one = gcp::parse_operation(input); one.ok()) {
    operations.push_back(one.value());
    static_cast<void>(gcp::bulk_failure(one.value(), operations));
  }
  for (const gcp::Instance& instance : gcp::combine(instances, operations, {}, now)) {
    fuzz::must(!instance.view.token.value.empty(), "a machine of ours has a token");
    fuzz::must(instance.view.state != NodeState::ended || !instance.view.end_reason.empty(),
               "an end has a reason");
  }
}

void check_lists(fuzz::Turn& turn, std::string_view input) {
  std::vector<Leftover> leftovers;
  bool is_open = false;
  if (turn.next()) { static_cast<void>(gcp::parse_policies(input, leftovers)); }
  if (turn.next()) { static_cast<void>(gcp::parse_own_firewalls(input, leftovers)); }
  if (turn.next()) { static_cast<void>(gcp::parse_firewalls(input, is_open)); }
  if (turn.next()) {
    std::vector<gcp::Reservation> reservations;
    static_cast<void>(gcp::parse_reservations(input, reservations));
    for (const gcp::Reservation& one : reservations) { fuzz::must(one.free >= 0, "no fewer than none"); }
  }
  if (turn.next()) {
    gcp::FabricGround ground;
    static_cast<void>(gcp::parse_networks(input, ground));
    static_cast<void>(gcp::parse_subnets(input, ground));
    static_cast<void>(gcp::parse_fabric_rules(input, ground));
    static_cast<void>(gcp::free_range(0, "n", ground));
  }
}

void check_prices(std::string_view input, Instant now) {
  Harvest harvest;
  gcp::PartPrices prices;
  std::size_t count = 0;
  static_cast<void>(gcp::parse_skus(input, prices, count, harvest));
  prices.add_machines(now, harvest);
  check(harvest);
}

void check_sold(std::string_view input) {
  Harvest harvest;
  gcp::Zones zones;
  gcp::SoldIn types;
  gcp::SoldIn accelerators;
  static_cast<void>(gcp::parse_zones(input, zones));
  static_cast<void>(gcp::parse_machine_types(input, types, harvest));
  static_cast<void>(gcp::parse_accelerator_types(input, accelerators));
  gcp::add_sold_signals(zones, types, accelerators, harvest);
  check(harvest);
}

void check_quotas(std::string_view input) {
  Harvest harvest;
  gcp::Quotas quotas;
  static_cast<void>(gcp::parse_region_quotas(input, quotas));
  static_cast<void>(gcp::parse_quota_infos(input, quotas));
  const Result<std::optional<gcp::Quota>> all_regions = gcp::parse_project_quota(input);
  gcp::add_quota_signals(quotas, all_regions.ok() ? all_regions.value() : std::nullopt, harvest);
  check(harvest);
}

void check_credentials(fuzz::Turn& turn, std::string_view input, Instant now) {
  if (turn.next()) { static_cast<void>(gcp::parse_permissions(input)); }
  if (turn.next()) {
    static_cast<void>(gcp::parse_error({.status = 403, .body = std::string(input)}, "GET x", now));
  }
  if (turn.next()) { static_cast<void>(gcp::parse_adc(input, "file")); }
  if (turn.next()) { static_cast<void>(gcp::parse_token(input, now)); }
  if (turn.next()) { static_cast<void>(gcp::parse_generated_token(input)); }
  if (turn.next()) { static_cast<void>(gcp::parse_token_info(input)); }
  if (turn.next()) { static_cast<void>(gcp::read_subject_token(input, {.json_field = "value"})); }
  if (turn.next()) { static_cast<void>(gcp::read_executable_answer(input, now)); }
  if (turn.next()) { static_cast<void>(gcp::impersonated_email(input)); }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  const Instant now{1'795'521'600'000};
  fuzz::Turn turn(input, 20);
  if (turn.next()) { check_prices(input, now); }
  if (turn.next()) { check_sold(input); }
  if (turn.next()) { check_quotas(input); }
  if (turn.next()) {
    Harvest harvest;
    static_cast<void>(gcp::parse_calendar_advice(input, "a4-highgpu-8g", "us-central1", now, harvest));
    check(harvest);
  }
  if (turn.next()) { check_machines(input, now); }
  if (turn.next()) { static_cast<void>(gcp::read_sku_name(input)); }
  check_lists(turn, input);
  check_credentials(turn, input, now);
}
