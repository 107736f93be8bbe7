// The calls that look for the fabric's networks and make them.
#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/fabric.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::size_t kAtOnce = 8;
constexpr Millis kMakingPatience = std::chrono::minutes{3};

QueryPairs ours() {
  return {{"maxResults", "500"}, {"filter", "name eq " + std::string(kFabricPrefix) + ".*"}};
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What somebody else made a moment ago is there; it is ready when its operation is done, which the next call
/// to use it waits for or is told of.
Status make(Compute& compute, const std::string& path, const std::string& body, const char* what) {
  const Result<Operation> made = compute.post_again(path, body, what);
  if (!made.ok()) { return made.error().code == "alreadyExists" ? Status{Ok{}} : made.error(); }
  return compute.finish(made.value(), kMakingPatience);
}

/// "Network profile only allows resource creation in location …": the zone has none, the next one may.
Error without_profile(Error error) {
  if (error.kind != ErrorKind::invalid && error.kind != ErrorKind::not_found) { return error; }
  error.kind = ErrorKind::capacity;
  error.scope = ErrorScope::zone;
  return error;
}

Status make_subnets(Compute& compute, const FabricNetwork& network, const std::string& region,
                    const FabricGround& ground) {
  for (std::size_t i = 0; i < network.subnets.size(); ++i) {
    const std::string& name = network.subnets[i];
    const bool is_there = std::any_of(ground.subnets.begin(), ground.subnets.end(), [&](const auto& one) {
      return one.name == name && one.region == region;
    });
    if (is_there) { continue; }
    const std::string range = free_range(network.first_block + static_cast<int>(i), network.name, ground);
    if (range.empty()) {
      return Error{.kind = ErrorKind::quota,
                   .message = "the network " + network.name + " has no range left for " + region,
                   .hint = "`gpubroker gc` lists the fabric's subnets: remove those of regions that you left",
                   .source = "gcp",
                   .scope = ErrorScope::region};
    }
    TRY([[maybe_unused]] const Ok made, make(compute, "/regions/" + url_encode(region) + "/subnetworks",
                                             encode_subnet(name, network.name, range), "subnetworks"));
  }
  return Ok{};
}

}  // namespace

Result<FabricGround> find_fabric(Compute& compute) {
  FabricGround ground;
  TRY([[maybe_unused]] const Ok networks,
      compute.read_pages("/global/networks", ours(),
                         [&](const std::string& body) { return parse_networks(body, ground); }));
  if (ground.networks.empty()) { return ground; }
  QueryPairs in_all_regions = ours();
  in_all_regions.emplace_back("returnPartialSuccess", "true");
  TRY([[maybe_unused]] const Ok subnets,
      compute.read_pages("/aggregated/subnetworks", in_all_regions,
                         [&](const std::string& body) { return parse_subnets(body, ground); }));
  TRY([[maybe_unused]] const Ok rules,
      compute.read_pages("/global/firewalls", ours(),
                         [&](const std::string& body) { return parse_fabric_rules(body, ground); }));
  return ground;
}

Status ensure_fabric(Compute& compute, FanOut& fan_out, const std::vector<FabricNetwork>& networks,
                     const std::string& region) {
  TRY(const FabricGround ground, find_fabric(compute));
  return run_all(fan_out, networks.size(), kAtOnce, [&](std::size_t i) -> Status {
    const FabricNetwork& network = networks[i];
    if (!holds(ground.networks, network.name)) {
      const Status made = make(compute, "/global/networks", encode_network(network), "networks");
      if (!made.ok()) { return network.profile.empty() ? made.error() : without_profile(made.error()); }
    }
    if (network.profile.empty() && !holds(ground.rules, fabric_rule(network.name))) {
      TRY([[maybe_unused]] const Ok opened,
          make(compute, "/global/firewalls", encode_fabric_rule(network), "firewalls"));
    }
    return make_subnets(compute, network, region, ground);
  });
}

Result<std::vector<std::string>> zones_selling(Compute& compute, const std::string& type,
                                               const std::string& region) {
  SoldIn sold;
  Harvest unused;
  TRY([[maybe_unused]] const Ok read,
      compute.read_pages(
          "/aggregated/machineTypes",
          {{"maxResults", "500"}, {"returnPartialSuccess", "true"}, {"filter", "name eq " + type}},
          [&](const std::string& body) { return parse_machine_types(body, sold, unused); }));
  std::vector<std::string> zones;
  for (const auto& [zone, types] : sold) {
    // A zone is named after its region, whatever follows: "us-central1-ai1a".
    if (zone.starts_with(region + "-")) { zones.push_back(zone); }
  }
  return zones;
}

}  // namespace gpubroker::gcp
