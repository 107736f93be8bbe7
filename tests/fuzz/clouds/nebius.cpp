// Every parser of Nebius' codec on any bytes. Seeds: tests/fixtures/nebius.
#include "providers/nebius/codec.hpp"
#include "providers/nebius/credentials.hpp"
#include "providers/nebius/labels.hpp"
#include "providers/nebius/operations.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

namespace {

/// Platforms and quotas are read together: what a quota allows is counted in presets.
void check_presets(std::string_view input) {
  Harvest harvest;
  const auto presets = nebius::parse_platforms(input, harvest);
  const auto quotas = nebius::parse_quotas(input, harvest);
  if (!presets.ok()) { return; }
  for (const nebius::Preset& preset : presets.value().items) {
    fuzz::must(preset.gpus > 0 && preset.vcpus >= 0 && preset.memory_gib >= 0, "sizes can be");
    static_cast<void>(nebius::make_listing(preset, "r", Market::spot, Rate{1}, Instant{0}));
  }
  if (!quotas.ok()) { return; }
  for (const nebius::Quota& quota : quotas.value().items) { fuzz::must(quota.left >= 0, "a quota can be"); }
  static_cast<void>(nebius::quota_signals(presets.value().items, "r", quotas.value().items));
}

void check_advice(std::string_view input) {
  Harvest harvest;
  if (const auto advice = nebius::parse_advice(input, harvest); advice.ok()) {
    for (const Signal& signal : nebius::best_fabrics(advice.value().items)) {
      fuzz::must(signal.availability.value >= 0, "a count can be");
    }
  }
}

void check_machines(std::string_view input) {
  const auto instances = nebius::parse_instances(input, "r");
  const auto operations = nebius::parse_operations(input, "r");
  if (!instances.ok() || !operations.ok()) { return; }
  for (const NodeView& view :
       nebius::tell_machines(instances.value().items, operations.value().items, Instant{1})) {
    fuzz::must(view.state != NodeState::ended || !view.end_reason.empty(), "an end has a reason");
  }
}

void check_labels(std::string_view input) {
  const std::map<std::string, std::string> tags = {{"key", std::string(input)}};
  if (!input.empty()) {
    fuzz::must(nebius::from_labels(nebius::to_labels(tags)) == tags, "labels keep tags");
  }
}

}  // namespace

GPUBROKER_FUZZ_TARGET(input) {
  fuzz::Turn turn(input, 15);
  if (turn.next()) { check_presets(input); }
  if (turn.next()) { check_advice(input); }
  if (turn.next()) { check_machines(input); }
  if (turn.next()) { check_labels(input); }
  if (turn.next()) {
    const Result<Rate> rate = nebius::parse_estimate(input);
    fuzz::must(!rate.ok() || rate.value() >= Rate{}, "a price can be");
  }
  if (turn.next()) {
    if (const auto one = nebius::parse_operation(input); one.ok()) {
      fuzz::must(!nebius::booking_failure(one.value()).maybe_applied, "a failed booking is over");
    }
  }
  if (turn.next()) { static_cast<void>(nebius::parse_tenants(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_projects(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_profile(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_instance_state(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_disks(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_clusters(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_subnets(input)); }
  if (turn.next()) { static_cast<void>(nebius::parse_credentials_file(input)); }
  if (turn.next()) {
    static_cast<void>(nebius::parse_exchange({.status = 200, .body = std::string(input)}, Instant{0}));
  }
}
