#include <algorithm>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "providers/azure/facts.hpp"
#include "providers/azure/machines.hpp"

namespace gpubroker::azure {
namespace {

/// For the image, its drivers, and what a job unpacks; data belongs on the local disks.
constexpr int kDiskGib = 256;
/// A tag's value has 256 characters at most: so many ranks with their commas fit.
constexpr std::size_t kRanksPerTag = 40;

Json tags_of(const GangRequest& request, int rank) {
  Json tags = Json::object();
  for (const auto& [name, value] : machine_tags(request, rank)) { tags["gpubroker:" + name] = value; }
  return tags;
}

Json resource(const GangRequest& request, int rank, Json properties) {
  return {{"location", request.offer.key.region},
          {"tags", tags_of(request, rank)},
          {"properties", std::move(properties)}};
}

/// Publisher, offer and sku, newest version. The HPC image has NVIDIA's driver, NCCL and the fabric's
/// drivers; it is of generation 2, as H100 and later need. (?) The image's ROCm sku, and that Canonical's is
/// the one for Arm (GB200, GB300), which comes without drivers: from memory.
Json image_of(const SizeFacts* size) {
  if (size != nullptr && size->arch == "arm64") {
    return {{"publisher", "Canonical"},
            {"offer", "ubuntu-24_04-lts"},
            {"sku", "server-arm64"},
            {"version", "latest"}};
  }
  const bool is_amd = size != nullptr && size->gpu.rfind("MI", 0) == 0;
  return {{"publisher", "microsoft-dsvm"},
          {"offer", "ubuntu-hpc"},
          {"sku", is_amd ? "2204-rocm" : "2204"},
          {"version", "latest"}};
}

Json login_of(const std::string& name, const std::string& public_key, const std::string& user_data) {
  const Json key = {{"path", "/home/" + std::string(kUser) + "/.ssh/authorized_keys"},
                    {"keyData", public_key}};
  return {{"computerName", name},
          {"adminUsername", kUser},
          {"customData", to_base64(user_data)},
          {"linuxConfiguration",
           {{"disablePasswordAuthentication", true}, {"ssh", {{"publicKeys", Json::array({key})}}}}}};
}

Json rule(const std::string& name, int priority, const std::string& ports, Json sources) {
  Json properties = {{"priority", priority},
                     {"direction", "Inbound"},
                     {"access", "Allow"},
                     {"protocol", "Tcp"},
                     {"sourcePortRange", "*"},
                     {"destinationPortRange", ports},
                     {"destinationAddressPrefix", "*"}};
  const char* const name_of_sources = sources.is_array() ? "sourceAddressPrefixes" : "sourceAddressPrefix";
  properties[name_of_sources] = std::move(sources);
  return {{"name", name}, {"properties", std::move(properties)}};
}

HttpRequest encode_change(std::string method, const std::string& url, std::string body) {
  HttpRequest request = encode_get(url);
  request.method = std::move(method);
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  request.repeatable = true;
  return request;
}

}  // namespace

HttpRequest encode_put(const std::string& url, std::string body) {
  return encode_change("PUT", url, std::move(body));
}

HttpRequest encode_patch(const std::string& url, std::string body) {
  return encode_change("PATCH", url, std::move(body));
}

HttpRequest encode_delete(const std::string& url) {
  HttpRequest request = encode_get(url);
  request.method = "DELETE";
  request.repeatable = true;
  return request;
}

std::string encode_group(const GangRequest& request) {
  Json tags = tags_of(request, -1);
  tags["gpubroker:nodes"] = std::to_string(request.nodes);
  tags["gpubroker:size"] = request.offer.key.instance_type;
  if (!request.offer.key.zone.empty()) { tags["gpubroker:zone"] = request.offer.key.zone; }
  return dump_json({{"location", request.offer.key.region}, {"tags", std::move(tags)}});
}

std::string encode_booked(Instant now) {
  return dump_json(
      {{"operation", "Merge"}, {"properties", {{"tags", {{"gpubroker:booked", format_utc(now)}}}}}});
}

std::string encode_ended(const std::vector<int>& ranks) {
  Json tags = Json::object();
  for (std::size_t at = 0; at < ranks.size(); at += kRanksPerTag) {
    std::vector<std::string> some;
    for (std::size_t i = at; i < std::min(at + kRanksPerTag, ranks.size()); ++i) {
      some.push_back(std::to_string(ranks[i]));
    }
    // A name for each, so that two who end at once do not undo each other's word.
    tags["gpubroker:ended-" + some.front()] = join(some, ",");
  }
  return dump_json({{"operation", "Merge"}, {"properties", {{"tags", std::move(tags)}}}});
}

std::string encode_address(const GangRequest& request, int rank) {
  Json body = resource(request, rank, {{"publicIPAllocationMethod", "Static"}, {"deleteOption", "Delete"}});
  body["sku"] = {{"name", "Standard"}};
  return dump_json(body);
}

std::string encode_firewall(const GangRequest& request, const std::vector<std::string>& peers) {
  Json rules = Json::array({rule("ssh", 1000, "22", "*")});
  if (peers.size() > 1) { rules.push_back(rule("gang", 1010, "*", peers)); }
  return dump_json(resource(request, -1, {{"securityRules", std::move(rules)}}));
}

std::string encode_network(const GangRequest& request, const GangPlace& place) {
  const Json subnet = {
      {"name", "nodes"},
      {"properties",
       {{"addressPrefix", "10.0.0.0/16"}, {"networkSecurityGroup", {{"id", place.firewall_id()}}}}}};
  return dump_json(resource(
      request, -1,
      {{"addressSpace", {{"addressPrefixes", {"10.0.0.0/16"}}}}, {"subnets", Json::array({subnet})}}));
}

std::string encode_placement(const GangRequest& request) {
  Json body = resource(request, -1, {{"platformFaultDomainCount", 1}, {"platformUpdateDomainCount", 1}});
  body["sku"] = {{"name", "Aligned"}};  // of managed disks
  return dump_json(body);
}

std::string encode_card(const GangRequest& request, int rank, const GangPlace& place) {
  const std::string name = machine_name(request.token, rank);
  const Json setup = {{"name", "ip"},
                      {"properties",
                       {{"primary", true},
                        {"subnet", {{"id", place.subnet_id()}}},
                        {"publicIPAddress", {{"id", place.address_id(name)}}}}}};
  return dump_json(resource(
      request, rank, {{"enableAcceleratedNetworking", true}, {"ipConfigurations", Json::array({setup})}}));
}

std::string encode_machine(const GangRequest& request, int rank, const GangPlace& place,
                           const std::string& public_key, const std::string& user_data,
                           const std::string& reservation) {
  const OfferKey& key = request.offer.key;
  const std::string name = machine_name(request.token, rank);
  const Json card = {{"id", place.card_id(name)},
                     {"properties", {{"primary", true}, {"deleteOption", "Delete"}}}};
  Json properties = {{"hardwareProfile", {{"vmSize", key.instance_type}}},
                     {"storageProfile",
                      {{"imageReference", image_of(find_size(key.instance_type))},
                       {"osDisk",
                        {{"createOption", "FromImage"},
                         {"deleteOption", "Delete"},
                         {"diskSizeGB", kDiskGib},
                         {"managedDisk", {{"storageAccountType", "Premium_LRS"}}}}}}},
                     {"osProfile", login_of(name, public_key, user_data)},
                     {"networkProfile", {{"networkInterfaces", Json::array({card})}}}};
  if (key.market == Market::spot) {
    properties["priority"] = "Spot";
    properties["evictionPolicy"] = "Delete";
    // Up to the price on demand: a cap at today's price would lose the machine to the first cent.
    properties["billingProfile"] = {{"maxPrice", -1}};
  }
  if (has_placement(request)) { properties["availabilitySet"] = {{"id", place.placement_id()}}; }
  if (!reservation.empty()) {
    properties["capacityReservation"] = {{"capacityReservationGroup", {{"id", reservation}}}};
  }
  Json body = resource(request, rank, std::move(properties));
  if (!key.zone.empty()) { body["zones"] = {key.zone}; }
  return dump_json(body);
}

bool has_placement(const GangRequest& request) {
  const SizeFacts* const size = find_size(request.offer.key.instance_type);
  return size != nullptr && size->fabric == Fabric::infiniband && request.nodes > 1 &&
         request.offer.key.market == Market::on_demand && request.offer.key.zone.empty();
}

}  // namespace gpubroker::azure
