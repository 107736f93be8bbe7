#include "providers/gcp/machines.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/json.hpp"
#include "providers/gcp/scopes.hpp"

namespace gpubroker::gcp {
namespace {

constexpr const char* kImages = "projects/ubuntu-os-accelerator-images/global/images/family/";
// Its root disk, for images, containers and what a job unpacks; checkpoints and data go elsewhere.
constexpr int kBootDiskGib = 200;
constexpr std::size_t kMostLabel = 63;
// Google's limits, less a margin for clocks that are apart.
constexpr Millis kLongestLife = std::chrono::hours{120 * 24 - 1};
constexpr Millis kLongestFlexLife = std::chrono::hours{7 * 24};

bool fits_label(const std::string& value) {
  return value.size() <= kMostLabel && std::all_of(value.begin(), value.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

Json item(const std::string& key, const std::string& value) {
  return {{"key", key}, {"value", value}};
}

/// What labels cannot hold (an e-mail, a date) goes into metadata, where only our own list looks for it.
void add_tags(const Booking& booking, Json& labels, Json& metadata) {
  const GangRequest& request = booking.request;
  std::map<std::string, std::string> tags = machine_tags(request);
  tags["gang"] = gang_name(request.token);
  tags["nodes"] = std::to_string(request.nodes);
  tags["region"] = request.offer.key.region;
  if (!request.offer.key.zone.empty()) { tags["zone"] = request.offer.key.zone; }
  for (const auto& [name, value] : tags) {
    const std::string key = "gpubroker-" + name;
    if (fits_label(value)) {
      labels[key] = value;
    } else {
      metadata.push_back(item(key, value));
    }
  }
}

std::string_view image_of(const MachineFact& machine) {
  if (machine.accelerator.starts_with("tpu")) { return "ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e"; }
  return machine.arch == "arm64" ? "ubuntu-accelerator-2404-arm64-with-nvidia-580"
                                 : "ubuntu-accelerator-2404-amd64-with-nvidia-580";
}

/// A3 Ultra, A4, A4X and G4 take Hyperdisk alone.
bool takes_hyperdisk_alone(const MachineFact& machine) {
  return machine.fabric == Fabric::roce || machine.type.starts_with("g4-");
}

Json scheduling(const Booking& booking) {
  const GangRequest& request = booking.request;
  const Market market = request.offer.key.market;
  Json out = {{"onHostMaintenance", "TERMINATE"},
              {"automaticRestart", false},
              {"instanceTerminationAction", "DELETE"}};
  out["provisioningModel"] = "STANDARD";
  if (market == Market::spot) { out["provisioningModel"] = "SPOT"; }
  if (market == Market::flex) { out["provisioningModel"] = "FLEX_START"; }
  if (booking.reservation && booking.reservation->is_dense) {
    out["provisioningModel"] = "RESERVATION_BOUND";
  }
  if (market == Market::flex) {
    const Millis life = std::min(request.tags.expires - booking.now, kLongestFlexLife);
    out["maxRunDuration"] = {{"seconds", std::to_string((life.count() + 999) / 1'000)}};
  } else {
    out["terminationTime"] = format_utc(std::min(request.tags.expires, booking.now + kLongestLife));
  }
  return out;
}

/// `place`: "zones/Z/" where types are named by links, empty where by their bare names.
Json disk(const Booking& booking, const std::string& place) {
  const std::string kind = takes_hyperdisk_alone(booking.machine) ? "hyperdisk-balanced" : "pd-balanced";
  return {{"boot", true},
          {"autoDelete", true},
          {"type", "PERSISTENT"},
          {"mode", "READ_WRITE"},
          {"initializeParams",
           {{"sourceImage", kImages + std::string(image_of(booking.machine))},
            {"diskSizeGb", std::to_string(kBootDiskGib)},
            {"diskType", place.empty() ? kind : place + "diskTypes/" + kind}}}};
}

/// "n1-standard-8+nvidia-tesla-t4:1" is an N1 with one T4 attached; others bring their GPUs.
void add_type(const Booking& booking, const std::string& place, Json& out) {
  const std::string type(booking.machine.type);
  const std::size_t plus = type.find('+');
  const std::string name = type.substr(0, plus);
  out["machineType"] = place.empty() ? name : place + "machineTypes/" + name;
  if (plus == std::string::npos) { return; }
  const std::string accelerator(booking.machine.accelerator);
  out["guestAccelerators"] = {
      {{"acceleratorType", place.empty() ? accelerator : place + "acceleratorTypes/" + accelerator},
       {"acceleratorCount", booking.machine.gpus}}};
}

Json affinity(const Booking& booking) {
  if (!booking.reservation) { return {{"consumeReservationType", "NO_RESERVATION"}}; }
  return {{"consumeReservationType", "SPECIFIC_RESERVATION"},
          {"key", "compute.googleapis.com/reservation-name"},
          {"values", {booking.reservation->name}}};
}

Json properties(const Booking& booking, const std::string& place) {
  Json labels = Json::object();
  Json metadata = Json::array();
  add_tags(booking, labels, metadata);
  metadata.push_back(item("ssh-keys", std::string(kUser) + ":" + booking.keys.public_key));
  metadata.push_back(item("user-data", booking.user_data));
  metadata.push_back(item("block-project-ssh-keys", "TRUE"));
  // A project's OS Login would put the keys of the metadata aside.
  metadata.push_back(item("enable-oslogin", "FALSE"));
  // (?) A4X Max has IDPF in place of gVNIC.
  const char* const nic = booking.machine.type.ends_with("-metal") ? "IDPF" : "GVNIC";
  Json out = {{"labels", std::move(labels)},
              {"metadata", {{"items", std::move(metadata)}}},
              {"tags", {{"items", {kNetworkTag}}}},
              {"scheduling", scheduling(booking)},
              {"disks", {disk(booking, place)}},
              {"networkInterfaces",
               {{{"network", "global/networks/default"},
                 {"nicType", nic},
                 {"accessConfigs", {{{"type", "ONE_TO_ONE_NAT"}, {"name", "External NAT"}}}}}}},
              {"reservationAffinity", affinity(booking)}};
  for (const FabricPlace& one : booking.fabric) {
    out["networkInterfaces"].push_back(
        {{"network", one.network}, {"subnetwork", one.subnet}, {"nicType", one.nic}});
  }
  add_type(booking, place, out);
  if (!booking.policy.empty()) { out["resourcePolicies"] = {booking.policy}; }
  return out;
}

}  // namespace

std::string request_id(std::string_view seed) {
  std::string hex = to_hex(sha256(seed)).substr(0, 32);
  hex[12] = '4';  // the marks of a random UUID
  hex[16] = 'a';
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

std::string encode_bulk_insert(const Booking& booking) {
  const GangRequest& request = booking.request;
  Json names = Json::object();
  for (int rank = 0; rank < request.nodes; ++rank) {
    names[machine_name(request.token, rank)] = Json::object();
  }
  const std::string count = std::to_string(request.nodes);
  return dump_json({{"count", count},
                    {"minCount", count},
                    {"perInstanceProperties", std::move(names)},
                    {"instanceProperties", properties(booking, "")}});
}

bool stands_in_queue(const GangRequest& request) {
  return request.offer.key.market == Market::flex && request.nodes == 1 && !request.offer.key.zone.empty();
}

std::string encode_insert(const Booking& booking) {
  Json body = properties(booking, "zones/" + booking.zone + "/");
  body["name"] = machine_name(booking.request.token, 0);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(kQueuePatience).count();
  body["params"] = {{"requestValidForDuration", {{"seconds", std::to_string(seconds)}}}};
  return dump_json(body);
}

bool needs_placement(const GangRequest& request, const MachineFact& machine) {
  const bool is_reserved =
      request.offer.key.market == Market::block || request.offer.key.market == Market::contract;
  const bool is_domain = machine.nvlink_domain > machine.gpus;
  const bool has_fabric = machine.fabric == Fabric::tcpx || machine.fabric == Fabric::roce;
  // Reserved machines stand where their reservation is; only the domain of NVL72 has to be asked for.
  return request.nodes > 1 && has_fabric && (is_domain || !is_reserved);
}

std::string encode_placement(const GangRequest& request, const MachineFact& machine) {
  Json group = {{"collocation", "COLLOCATED"}};
  if (machine.nvlink_domain > machine.gpus) {
    group["gpuTopology"] = "1x" + std::to_string(machine.nvlink_domain);
  }
  return dump_json({{"name", gang_name(request.token)},
                    {"description", request.token.value},
                    {"groupPlacementPolicy", std::move(group)}});
}

std::string encode_firewall() {
  return dump_json({{"name", kFirewallRule},
                    {"description", "ssh to gpubroker's machines"},
                    {"network", "global/networks/default"},
                    {"direction", "INGRESS"},
                    {"allowed", {{{"IPProtocol", "tcp"}, {"ports", {"22"}}}}},
                    {"sourceRanges", {"0.0.0.0/0"}},
                    {"targetTags", {kNetworkTag}}});
}

}  // namespace gpubroker::gcp
