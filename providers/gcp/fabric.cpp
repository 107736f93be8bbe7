#include "providers/gcp/fabric.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/json.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

/// Of each machine type: how many networks of one interface, their MTU, and how many RDMA interfaces.
struct Layout {
  std::string_view type;
  int plain = 0;
  int mtu = 0;
  int rdma = 0;
};
// A4X Max' MTU is 4096 on both of its IDPF cards; the others' first card stays in the default network.
constexpr std::array kLayouts = {
    Layout{"a3-highgpu-8g", 4, 8244, 0},       Layout{"a3-edgegpu-8g", 4, 8244, 0},
    Layout{"a3-megagpu-8g", 8, 8244, 0},       Layout{"a3-ultragpu-8g", 1, 8896, 8},
    Layout{"a4-highgpu-8g", 1, 8896, 8},       Layout{"a4x-highgpu-4g", 1, 8896, 4},
    Layout{"a4x-maxgpu-4g-metal", 1, 4096, 8},
};

constexpr int kBlocks = 32;
constexpr int kRegionsPerBlock = 64;
/// The first blocks are those of MTU 8244; RDMA's subnets have blocks of their own.
constexpr int kBlockOf8896 = 8;
constexpr int kBlockOf4096 = 9;
constexpr int kFirstRdmaBlock = 16;

const Layout* find_layout(std::string_view type) {
  const auto at =
      std::find_if(kLayouts.begin(), kLayouts.end(), [&](const Layout& one) { return one.type == type; });
  return at == kLayouts.end() ? nullptr : &*at;
}

int first_block(int mtu, int number) {
  if (mtu == 8896) { return kBlockOf8896; }
  return mtu == 4096 ? kBlockOf4096 : number;
}

std::string block_range(int block) {
  return "10." + std::to_string(block * 4) + ".0.0/14";
}

bool is_ours(const std::string& name) {
  return name.starts_with(kFabricPrefix);
}

}  // namespace

bool pins_zone(std::string_view type) {
  const Layout* const layout = find_layout(type);
  return layout != nullptr && layout->rdma > 0;
}

std::vector<FabricNetwork> fabric_networks(std::string_view type, const std::string& zone) {
  const Layout* const layout = find_layout(type);
  if (layout == nullptr) { return {}; }
  const bool is_metal = type.ends_with("-metal");
  const std::string prefix(kFabricPrefix);
  std::vector<FabricNetwork> networks;
  for (int i = 0; i < layout->plain; ++i) {
    const std::string name = prefix + std::to_string(layout->mtu) + "-" + std::to_string(i + 1);
    networks.push_back({.name = name,
                        .mtu = layout->mtu,
                        .nic = is_metal ? "IDPF" : "GVNIC",
                        .first_block = first_block(layout->mtu, i),
                        .subnets = {name}});
  }
  if (layout->rdma == 0) { return networks; }
  FabricNetwork rdma{.name = prefix + zone + (is_metal ? "-metal" : ""),
                     .profile = zone + (is_metal ? "-vpc-roce-metal" : "-vpc-roce"),
                     .nic = "MRDMA",
                     .first_block = kFirstRdmaBlock};
  for (int i = 0; i < layout->rdma; ++i) { rdma.subnets.push_back(rdma.name + "-" + std::to_string(i)); }
  networks.push_back(std::move(rdma));
  return networks;
}

std::vector<FabricPlace> fabric_places(const std::vector<FabricNetwork>& networks,
                                       const std::string& region) {
  std::vector<FabricPlace> places;
  for (const FabricNetwork& network : networks) {
    for (const std::string& subnet : network.subnets) {
      places.push_back({.network = "global/networks/" + network.name,
                        .subnet = "regions/" + region + "/subnetworks/" + subnet,
                        .nic = std::string(network.nic)});
    }
  }
  return places;
}

// --- what is sent ---

std::string encode_network(const FabricNetwork& network) {
  Json body = {{"name", network.name},
               {"description", "shared by all gangs of gpubroker"},
               {"autoCreateSubnetworks", false}};
  if (network.mtu > 0) { body["mtu"] = network.mtu; }
  if (!network.profile.empty()) { body["networkProfile"] = "global/networkProfiles/" + network.profile; }
  return dump_json(body);
}

std::string encode_subnet(const std::string& name, const std::string& network, const std::string& range) {
  return dump_json({{"name", name},
                    {"description", "shared by all gangs of gpubroker"},
                    {"network", "global/networks/" + network},
                    {"ipCidrRange", range}});
}

std::string fabric_rule(const std::string& network) {
  return network + "-inside";
}

std::string encode_fabric_rule(const FabricNetwork& network) {
  return dump_json({{"name", fabric_rule(network.name)},
                    {"description", "shared by all gangs of gpubroker"},
                    {"network", "global/networks/" + network.name},
                    {"direction", "INGRESS"},
                    {"allowed", {{{"IPProtocol", "all"}}}},
                    {"sourceRanges", {block_range(network.first_block)}}});
}

std::string free_range(int block, const std::string& network, const FabricGround& ground) {
  for (int i = 0; block < kBlocks && i < kRegionsPerBlock; ++i) {
    const std::string range =
        "10." + std::to_string(block * 4 + i / 16) + "." + std::to_string(i % 16 * 16) + ".0/20";
    const bool is_taken = std::any_of(ground.subnets.begin(), ground.subnets.end(), [&](const auto& one) {
      return one.network == network && one.range == range;
    });
    if (!is_taken) { return range; }
  }
  return {};
}

// --- what comes back ---

Result<std::string> parse_networks(std::string_view body, FabricGround& ground) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_item(root, "networks", [&](const AnswerValue& item) {
      if (is_ours(item.at("name").text())) { ground.networks.push_back(item.at("name").text()); }
    });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_subnets(std::string_view body, FabricGround& ground) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (std::optional<Error> silent = find_silent_zone(root)) { return *std::move(silent); }
    for_each_item(root, "subnetworks", [&](const AnswerValue& item) {
      if (!is_ours(item.at("name").text())) { return; }
      ground.subnets.push_back({.name = item.at("name").text(),
                                .region = name_in(item.at("region").text()),
                                .network = name_in(item.at("network").text()),
                                .range = item.at("ipCidrRange").text()});
    });
    return root.text_or("nextPageToken");
  });
}

Result<std::string> parse_fabric_rules(std::string_view body, FabricGround& ground) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    for_each_item(root, "firewalls", [&](const AnswerValue& item) {
      if (is_ours(item.at("name").text())) { ground.rules.push_back(item.at("name").text()); }
    });
    return root.text_or("nextPageToken");
  });
}

std::vector<Leftover> fabric_leftovers(const FabricGround& ground) {
  std::vector<Leftover> found;
  for (const std::string& rule : ground.rules) { found.push_back({.kind = kFabricRule, .id = rule}); }
  for (const FabricGround::Subnet& one : ground.subnets) {
    found.push_back({.kind = kFabricSubnet, .id = one.name, .region = one.region});
  }
  for (const std::string& name : ground.networks) { found.push_back({.kind = kFabricNetwork, .id = name}); }
  return found;
}

}  // namespace gpubroker::gcp
