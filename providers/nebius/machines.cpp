#include "providers/nebius/machines.hpp"

#include <algorithm>
#include <array>

#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/protobuf.hpp"
#include "providers/nebius/labels.hpp"

namespace gpubroker::nebius {
namespace {

constexpr std::uint64_t kReadWrite = 2;
constexpr std::uint64_t kNetworkSsd = 1;
constexpr std::uint64_t kBootDiskGib = 200;  // the images with CUDA need 40
constexpr std::string_view kImageFamily = "ubuntu24.04-cuda13.0";
constexpr std::uint64_t kFail = 1;  // recovery_policy
constexpr std::uint64_t kStop = 1;  // on_preemption

struct Fabric {
  std::string_view region;
  std::string_view platform;
  std::string_view name;
};
// Source: docs.nebius.com, read 2026-11.
constexpr std::array kFabrics = {
    Fabric{"eu-north1", "gpu-h100-sxm", "fabric-3"},
    Fabric{"eu-north1", "gpu-h100-sxm", "fabric-2"},
    Fabric{"eu-north1", "gpu-h200-sxm", "fabric-7"},
    Fabric{"eu-west1", "gpu-h200-sxm", "fabric-5"},
    Fabric{"eu-north2", "gpu-h200-sxm", "eu-north2-a"},
    Fabric{"us-central1", "gpu-h200-sxm", "us-central1-a"},
    Fabric{"us-central1", "gpu-b200-sxm", "us-central1-b"},
    Fabric{"me-west1", "gpu-b200-sxm-a", "me-west1-a"},
    Fabric{"uk-south1", "gpu-b300-sxm", "uk-south1-a"},
};

/// ResourceMetadata{id1 parent_id2 name3 labels7{key1 value2}} of something that is to be.
ProtoWriter make_metadata(const std::string& project, const std::string& name,
                          const std::map<std::string, std::string>& labels) {
  ProtoWriter metadata;
  metadata.text(2, project).text(3, name);
  for (const auto& [label, value] : labels) {
    ProtoWriter pair;
    pair.text(1, label).text(2, value);
    metadata.message(7, pair);
  }
  return metadata;
}

/// AttachedDiskSpec{attach_mode1 managed_disk4{name1 labels2 spec4{size_gibibytes4 type6
/// source_image_family10{image_family1}}}}: a managed disk goes when its instance does.
ProtoWriter make_boot_disk(const std::string& name, const std::map<std::string, std::string>& labels) {
  ProtoWriter family;
  family.text(1, kImageFamily);
  ProtoWriter spec;
  spec.number(4, kBootDiskGib).number(6, kNetworkSsd).message(10, family);
  ProtoWriter managed;
  managed.text(1, name + "-boot");
  for (const auto& [label, value] : labels) {
    ProtoWriter pair;
    pair.text(1, label).text(2, value);
    managed.message(2, pair);
  }
  managed.message(4, spec);
  ProtoWriter disk;
  disk.number(1, kReadWrite).message(4, managed);
  return disk;
}

/// NetworkInterfaceSpec{subnet_id1 name2 ip_address3 public_ip_address4}: empty addresses mean any.
ProtoWriter make_interface(const std::string& subnet) {
  ProtoWriter interface;
  interface.text(1, subnet).text(2, kInterface).message(3, {}).message(4, {});
  return interface;
}

ProtoWriter make_id(const std::string& id) {
  ProtoWriter message;
  message.text(1, id);
  return message;
}

Result<std::map<std::string, std::string>> read_labels(const ProtoMessage& metadata) {
  std::map<std::string, std::string> labels;
  TRY(const std::vector<ProtoMessage> pairs, metadata.messages(7));
  for (const ProtoMessage& pair : pairs) { labels[pair.text(1)] = pair.text(2); }
  return labels;
}

/// "203.0.113.7/32" without its length.
std::string strip_length(const std::string& address) {
  return address.substr(0, address.find('/'));
}

/// InstanceStatus{state1 network_interfaces2{ip_address3{address1} public_ip_address4{address1}}}.
Status read_status_of(const ProtoMessage& status, Instance& instance) {
  const std::uint64_t state = status.number(1);
  if (state <= static_cast<std::uint64_t>(InstanceState::error)) {
    instance.state = static_cast<InstanceState>(state);
  }
  TRY(const std::vector<ProtoMessage> interfaces, status.messages(2));
  for (const ProtoMessage& interface : interfaces) {
    TRY(const ProtoMessage inside, interface.message(3));
    TRY(const ProtoMessage address, interface.message(4));
    if (instance.view.address.peer_host.empty()) {
      instance.view.address.peer_host = strip_length(inside.text(1));
    }
    if (instance.view.address.host.empty()) { instance.view.address.host = strip_length(address.text(1)); }
  }
  return Ok{};
}

/// Instance{metadata1 spec2{resources2{platform1 preset2} preemptible19} status3}.
Result<std::optional<Instance>> read(const ProtoMessage& root, const std::string& region) {
  TRY(const ProtoMessage metadata, root.message(1));
  TRY(const ProtoMessage spec, root.message(2));
  TRY(const ProtoMessage resources, spec.message(2));
  TRY(const ProtoMessage status, root.message(3));
  TRY(const auto labels, read_labels(metadata));
  Instance instance;
  NodeView& view = instance.view;
  view.offer = {.provider = "nebius",
                .region = region,
                .instance_type = instance_type_of(resources.text(1), resources.text(2))};
  if (!read_machine_tags(from_labels(labels), view)) { return std::optional<Instance>(); }
  // What it is, not what its label says.
  view.offer.market = spec.has(19) ? Market::spot : Market::on_demand;
  view.id = {"nebius/" + metadata.text(1)};
  TRY(const std::optional<Instant> created, read_time(metadata, 5));
  view.created_at = created.value_or(Instant{});
  for (const char* variable : {"NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"}) {
    view.env[variable] = kInterface;
  }
  TRY([[maybe_unused]] const Ok told, read_status_of(status, instance));
  return std::optional<Instance>(std::move(instance));
}

/// Ours of a page {items1{metadata1 status3} next_page_token2}; `attachment`: the field of the status that
/// holds who uses it, or zero.
Result<Page<Belonging>> parse_belongings(std::string_view message, int attachment) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Belonging> page{.next = root.text(2)};
  for (const ProtoMessage& item : items) {
    TRY(const ProtoMessage metadata, item.message(1));
    TRY(const ProtoMessage status, item.message(3));
    TRY(const auto labels, read_labels(metadata));
    NodeView view;
    if (!read_machine_tags(from_labels(labels), view)) { continue; }
    page.items.push_back({.id = metadata.text(1),
                          .name = metadata.text(3),
                          .token = view.token,
                          .is_attached = attachment != 0 && !status.text(attachment).empty()});
  }
  return page;
}

}  // namespace

std::string idempotency_key(const Token& token, int rank) {
  const std::string hex = to_hex(sha256(token.value + "/" + std::to_string(rank)));
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20, 12);
}

Result<std::string> encode_create_instance(const GangRequest& request, int rank, const Place& place,
                                           const std::string& user_data) {
  const std::string& type = request.offer.key.instance_type;
  const std::size_t border = type.find('_');
  if (border == std::string::npos) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "'" + type + "' is no instance type: platform_preset",
                 .source = source_of(kCreateInstance)};
  }
  const std::string name = machine_name(request.token, rank);
  const std::map<std::string, std::string> labels = to_labels(machine_tags(request, rank));
  ProtoWriter resources;
  resources.text(1, type.substr(0, border)).text(2, type.substr(border + 1));
  ProtoWriter spec;
  spec.message(2, resources);
  if (!place.cluster.empty()) { spec.message(3, make_id(place.cluster)); }
  // RECOVER would start a machine again that has powered itself off.
  spec.message(4, make_interface(place.subnet))
      .message(5, make_boot_disk(name, labels))
      .text(8, user_data)
      .number(15, kFail);
  if (request.offer.key.market == Market::spot) {
    ProtoWriter preemptible;
    preemptible.number(1, kStop);
    spec.message(19, preemptible);
  }
  spec.text(20, name);
  ProtoWriter create;
  create.message(1, make_metadata(place.project, name, labels)).message(2, spec);
  return create.bytes();
}

std::string encode_id(const std::string& id) {
  return make_id(id).bytes();
}

Result<Page<Instance>> parse_instances(std::string_view message, const std::string& region) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Instance> page{.next = root.text(2)};
  for (const ProtoMessage& item : items) {
    TRY(std::optional<Instance> instance, read(item, region));
    if (instance) { page.items.push_back(*std::move(instance)); }
  }
  return page;
}

Result<InstanceState> parse_instance_state(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const ProtoMessage status, root.message(3));
  Instance instance;
  TRY([[maybe_unused]] const Ok told, read_status_of(status, instance));
  return instance.state;
}

Result<std::optional<Instant>> read_time(const ProtoMessage& message, int field) {
  if (!message.has(field)) { return std::optional<Instant>(); }
  TRY(const ProtoMessage time, message.message(field));
  // Seconds that are within the calendar of four-digit years.
  const std::int64_t seconds = std::clamp<std::int64_t>(time.integer(1), 0, 253'402'300'799);
  const std::int64_t nanos = std::clamp<std::int64_t>(time.integer(2), 0, 999'999'999);
  return std::optional<Instant>(Instant{seconds * 1'000 + nanos / 1'000'000});
}

Result<std::optional<Instance>> read_instance(std::string_view message, const std::string& region) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  return read(root, region);
}

Result<Page<Subnet>> parse_subnets(std::string_view message) {
  TRY(const ProtoMessage root, ProtoMessage::parse(message));
  TRY(const std::vector<ProtoMessage> items, root.messages(1));
  Page<Subnet> page{.next = root.text(2)};
  for (const ProtoMessage& item : items) {
    TRY(const ProtoMessage metadata, item.message(1));
    if (metadata.text(1).empty()) { continue; }
    page.items.push_back(
        {.id = metadata.text(1), .is_default = metadata.text(3).rfind("default-subnet", 0) == 0});
  }
  return page;
}

Result<Page<Belonging>> parse_disks(std::string_view message) {
  return parse_belongings(message, /*attachment=*/3);  // read_write_attachment
}

Result<Page<Belonging>> parse_clusters(std::string_view message) {
  return parse_belongings(message, /*attachment=*/0);
}

bool joins_fabric(std::string_view instance_type) {
  return instance_type.find("-sxm") != std::string_view::npos &&
         instance_type.find("_8gpu-") != std::string_view::npos;
}

std::string choose_fabric(const std::vector<Advice>& advice, const OfferKey& key) {
  const Advice* best = nullptr;
  for (const Advice& row : advice) {
    const bool fits = row.region == key.region && row.instance_type == key.instance_type &&
                      row.market == key.market && !row.fabric.empty() &&
                      row.availability.kind == AvailabilityKind::count;
    if (fits && (best == nullptr || best->availability.value < row.availability.value)) { best = &row; }
  }
  if (best != nullptr) { return best->fabric; }
  const std::string_view platform =
      std::string_view(key.instance_type).substr(0, key.instance_type.find('_'));
  for (const Fabric& fabric : kFabrics) {
    if (fabric.region == key.region && fabric.platform == platform) { return std::string(fabric.name); }
  }
  return {};
}

/// CreateGpuClusterRequest{metadata1 spec2{infiniband_fabric1}}.
std::string encode_create_cluster(const GangRequest& request, const std::string& project,
                                  const std::string& fabric) {
  ProtoWriter spec;
  spec.text(1, fabric);
  ProtoWriter create;
  create.message(1, make_metadata(project, gang_name(request.token), to_labels(machine_tags(request))))
      .message(2, spec);
  return create.bytes();
}

}  // namespace gpubroker::nebius
