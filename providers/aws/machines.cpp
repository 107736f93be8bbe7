#include "providers/aws/machines.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/digest.hpp"
#include "providers/aws/codec_xml.hpp"
#include "providers/aws/ec2_form.hpp"
#include "providers/aws/facts.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::string_view kSource = "aws ec2";
constexpr std::string_view kIdPrefix = "aws/";
/// Driver, CUDA and a container or two; checkpoints go to the machine's own NVMe or a store.
constexpr const char* kRootGib = "200";

/// The newest image with drivers, as a public parameter that RunInstances looks up itself. Ubuntu in all of
/// them: one user, and its root disk is /dev/sda1. Sources: the DLAMI release notes; those of arm64 and
/// Neuron from memory (?).
std::string image_of(std::string_view type) {
  const TypeFacts* const facts = find_type(type);
  const std::string_view gpu = facts == nullptr ? "" : facts->gpu;
  if (gpu.rfind("Trainium", 0) == 0 || gpu.rfind("Inferentia", 0) == 0) {
    return "resolve:ssm:/aws/service/neuron/dlami/multi-framework/ubuntu-22.04/latest/image_id";
  }
  return "resolve:ssm:/aws/service/deeplearning/ami/" +
         std::string(facts == nullptr ? "x86_64" : facts->arch) +
         "/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id";
}

void add_market(QueryPairs& form, const GangRequest& request, const LaunchPlan& plan) {
  if (request.offer.key.market == Market::spot) {
    form.emplace_back("InstanceMarketOptions.MarketType", "spot");
    form.emplace_back("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time");
    form.emplace_back("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate");
  }
  if (request.offer.key.market == Market::block) {
    form.emplace_back("InstanceMarketOptions.MarketType", "capacity-block");
    form.emplace_back("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId",
                      plan.capacity_reservation);
  }
}

void add_network(QueryPairs& form, const LaunchPlan& plan) {
  if (!plan.zone.empty()) { form.emplace_back("Placement.AvailabilityZone", plan.zone); }
  if (!plan.placement_group.empty()) { form.emplace_back("Placement.GroupName", plan.placement_group); }
  if (plan.cards.empty()) { form.emplace_back("SecurityGroupId.1", plan.security_group); }
  for (std::size_t i = 0; i < plan.cards.size(); ++i) {
    const CardPlace& place = plan.cards[i];
    const std::string at = "NetworkInterface." + std::to_string(i + 1);
    form.emplace_back(at + ".NetworkCardIndex", std::to_string(place.card));
    form.emplace_back(at + ".DeviceIndex", std::to_string(place.device));
    form.emplace_back(at + ".InterfaceType", place.kind);
    form.emplace_back(at + ".SubnetId", plan.subnet);
    form.emplace_back(at + ".SecurityGroupId.1", plan.security_group);
    form.emplace_back(at + ".DeleteOnTermination", "true");
    if (plan.cards.size() == 1) { form.emplace_back(at + ".AssociatePublicIpAddress", "true"); }
  }
}

NodeState state_of(const std::string& name) {
  if (name == "pending") { return NodeState::starting; }
  if (name == "running") { return NodeState::running; }
  if (name == "stopping" || name == "stopped") { return NodeState::stopped; }
  if (name == "shutting-down" || name == "terminated") { return NodeState::ended; }  // neither is billed
  AnswerValue::refuse("the state " + name + " is not one of EC2's");
}

/// "User initiated (2026-01-15 12:40:00 GMT)". Nothing where EC2 names no time.
std::optional<Instant> time_in(const std::string& reason) {
  const std::size_t open = reason.rfind('(');
  const std::size_t close = reason.rfind(" GMT)");
  if (open == std::string::npos || close == std::string::npos || close < open) { return std::nullopt; }
  std::string text = reason.substr(open + 1, close - open - 1);
  std::replace(text.begin(), text.end(), ' ', 'T');
  const Result<Instant> at = parse_utc(text + "Z");
  return at.ok() ? std::optional(at.value()) : std::nullopt;
}

/// It died before it ran, and is not billed.
bool never_ran(const std::string& code) {
  constexpr std::array<std::string_view, 5> kCodes = {
      "Server.InsufficientInstanceCapacity", "Server.InternalError", "Client.InternalError",
      "Client.VolumeLimitExceeded", "Client.InvalidSnapshot.NotFound"};
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

std::string end_reason_of(const std::string& code) {
  if (code == "Server.SpotInstanceTermination" || code == "Server.SpotInstanceShutdown") {
    return "preempted";
  }
  if (code == "Client.UserInitiatedShutdown") { return "terminated"; }
  if (code == "Client.InstanceInitiatedShutdown") { return "expired"; }  // its own power-off
  return never_ran(code) ? "host failure: " + code : "host failure";
}

void read_end(const pugi::xml_node& row, NodeView& view) {
  const std::string code = text_or_empty(row.child("stateReason"), "code");
  view.end_reason = end_reason_of(code);
  view.ended_at = time_in(text_or_empty(row, "reason"));
  if (view.ended_at && view.billed_from) { view.ended_at = std::max(*view.ended_at, *view.billed_from); }
  if (never_ran(code)) { view.billed_from.reset(); }
}

/// What a job needs to know of EFA: libfabric's provider, and that the first contact goes over the ENA
/// devices, ens5 or enp71s0.
void read_fabric(const pugi::xml_node& row, Machine& machine) {
  int interfaces = 0;
  for (const pugi::xml_node& item : row.child("networkInterfaceSet").children("item")) {
    ++interfaces;
    const std::string kind = text_or_empty(item, "interfaceType");
    if (kind == "efa" || kind == "efa-only") {
      machine.view.env = {{"FI_PROVIDER", "efa"}, {"NCCL_SOCKET_IFNAME", "en"}};
    }
    const pugi::xml_node at = item.child("attachment");
    const std::string card = text_or_empty(at, "networkCardIndex");
    if (text_or_empty(at, "deviceIndex") == "0" && (card.empty() || card == "0")) {
      machine.interface = text_or_empty(item, "networkInterfaceId");
    }
  }
  machine.wants_address = interfaces > 1 && machine.view.state == NodeState::running;
}

/// Nothing: none of ours.
std::optional<Machine> read_machine(const pugi::xml_node& row, const std::string& region) {
  std::map<std::string, std::string> tags;
  for (const pugi::xml_node& tag : row.child("tagSet").children("item")) {
    const std::string name = text_or_empty(tag, "key");
    if (name.rfind(kTagPrefix, 0) == 0) {
      tags[name.substr(kTagPrefix.size())] = text_or_empty(tag, "value");
    }
  }
  Machine machine;
  NodeView& view = machine.view;
  view.offer = {.provider = "aws", .region = region, .instance_type = text_at(row, "instanceType")};
  if (!read_machine_tags(tags, view)) { return std::nullopt; }
  // What is sold on demand costs the same in all zones, and its offers name none.
  if (view.offer.market != Market::on_demand) {
    view.offer.zone = text_or_empty(row.child("placement"), "availabilityZone");
  }
  view.id = node_id(region, text_at(row, "instanceId"));
  view.index = static_cast<int>(whole_at(row, "amiLaunchIndex", 100'000));
  view.state = state_of(text_at(row.child("instanceState"), "name"));
  view.created_at = time_at(row, "launchTime");
  // EC2 does not tell when `pending` ended, which is not billed: these seconds too much are in our books.
  if (view.state != NodeState::starting) { view.billed_from = view.created_at; }
  if (view.state == NodeState::ended) { read_end(row, view); }
  if (view.offer.market == Market::block) { machine.block = text_or_empty(row, "capacityReservationId"); }
  read_fabric(row, machine);
  if (view.state == NodeState::running) {
    // Other machines of the VPC get the private address for this name, everybody else the public one.
    view.address.host = text_or_empty(row, "dnsName");
    if (view.address.host.empty()) { view.address.host = text_or_empty(row, "ipAddress"); }
    view.address.peer_host = text_or_empty(row, "privateIpAddress");
    machine.wants_address = machine.wants_address && view.address.host.empty();
    if (view.address.host.empty()) { view.state = NodeState::starting; }
  }
  return machine;
}

/// All of ours in an <instancesSet>. A row that cannot be read is no shorter list but an error.
Status add_machines(const pugi::xml_node& set, const std::string& region, std::vector<Machine>& machines) {
  Harvest refused;
  for_each_item(set, refused, [&](const pugi::xml_node& row) {
    if (std::optional<Machine> machine = read_machine(row, region)) {
      machines.push_back(*std::move(machine));
    }
  });
  if (refused.remarks.empty()) { return Ok{}; }
  return Error{.kind = ErrorKind::internal,
               .message = "cannot read the answer: " + refused.remarks.front().detail,
               .source = std::string(kSource),
               .scope = ErrorScope::region};
}

struct QuotaRow {
  std::string_view family;  // the type begins with it
  Market market;
  std::string_view code;
  std::string_view name;
};
// Source: Service Quotas of EC2 as several tools list them, read 2026-11; names from memory (?). Spot P6: the
// sources disagree. The longest family counts.
constexpr std::array kQuotas = {
    QuotaRow{"p5", Market::spot, "L-C4BD4855", "All P5 Spot Instance Requests"},
    QuotaRow{"p6", Market::spot, "", "All P6 Spot Instance Requests"},
    QuotaRow{"p", Market::spot, "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests"},
    QuotaRow{"g", Market::spot, "L-3819A6DF", "All G and VT Spot Instance Requests"},
    QuotaRow{"trn", Market::spot, "L-6B0D517C", "All Trn Spot Instance Requests"},
    QuotaRow{"inf", Market::spot, "L-B5D1601B", "All Inf Spot Instance Requests"},
    QuotaRow{"p", Market::on_demand, "L-417A185B", "Running On-Demand P instances"},
    QuotaRow{"g", Market::on_demand, "L-DB2E81BA", "Running On-Demand G and VT instances"},
    QuotaRow{"trn", Market::on_demand, "L-2C3B7624", "Running On-Demand Trn instances"},
    QuotaRow{"inf", Market::on_demand, "L-1945791B", "Running On-Demand Inf instances"},
};

/// "… than your current vCPU limit of 96 allows …"
std::string limit_in(const std::string& message) {
  constexpr std::string_view kWords = "vCPU limit of ";
  const std::size_t at = message.find(kWords);
  if (at == std::string::npos) { return {}; }
  const std::size_t begin = at + kWords.size();
  const std::size_t end = message.find_first_not_of("0123456789", begin);
  return message.substr(begin, end == std::string::npos ? end : end - begin);
}

}  // namespace

std::vector<CardPlace> fabric_layout(std::string_view type) {
  const TypeFacts* const facts = find_type(type);
  if (facts == nullptr || facts->efa == 0) { return {}; }
  // Cannot be laid out for sure: which of its cards take EFA is told differently.
  if (type == "p6e-gb200.36xlarge") { return {}; }
  if (facts->efa == 1) { return {{.kind = "efa"}}; }
  std::vector<CardPlace> places = {{}};
  const bool first_card_has_it = type != "p6-b300.48xlarge";  // 17 cards, the first ENA only
  if (first_card_has_it) { places.push_back({.card = 0, .device = 1, .kind = "efa-only"}); }
  const int cards = first_card_has_it ? facts->efa : facts->efa + 1;
  for (int card = 1; card < cards; ++card) {
    places.push_back({.card = card, .device = 0, .kind = "efa-only"});
  }
  return places;
}

QueryPairs launch_call(const GangRequest& request, const LaunchPlan& plan) {
  QueryPairs form = ec2_call("RunInstances");
  const std::string& type = request.offer.key.instance_type;
  form.emplace_back("ClientToken", gang_name(request.token));
  form.emplace_back("ImageId", image_of(type));
  form.emplace_back("InstanceType", type);
  form.emplace_back("MinCount", std::to_string(request.nodes));
  form.emplace_back("MaxCount", std::to_string(request.nodes));
  form.emplace_back("UserData", to_base64(plan.user_data));
  add_market(form, request, plan);
  add_network(form, plan);
  form.emplace_back("BlockDeviceMapping.1.DeviceName", "/dev/sda1");
  form.emplace_back("BlockDeviceMapping.1.Ebs.VolumeSize", kRootGib);
  form.emplace_back("BlockDeviceMapping.1.Ebs.VolumeType", "gp3");
  form.emplace_back("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
  form.emplace_back("InstanceInitiatedShutdownBehavior", "terminate");
  form.emplace_back("MetadataOptions.HttpEndpoint", "enabled");
  form.emplace_back("MetadataOptions.HttpTokens", "required");
  form.emplace_back("MetadataOptions.HttpPutResponseHopLimit", "2");  // containers may ask as well
  std::vector<std::string> kinds = {"instance", "volume", "network-interface"};
  if (request.offer.key.market == Market::spot) { kinds.emplace_back("spot-instances-request"); }
  add_tags(form, kinds, machine_tags(request));
  return form;
}

Result<std::vector<Machine>> parse_launched(std::string_view body, const std::string& region) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::vector<Machine>> {
    std::vector<Machine> machines;
    TRY([[maybe_unused]] const Ok read, add_machines(root.child("instancesSet"), region, machines));
    if (machines.empty()) {
      return Error{.kind = ErrorKind::internal,
                   .message = "the answer to a launch names no machine",
                   .source = std::string(kSource)};
    }
    std::sort(machines.begin(), machines.end(),
              [](const Machine& a, const Machine& b) { return a.view.index < b.view.index; });
    return machines;
  });
}

QueryPairs machines_call(const std::string& token) {
  QueryPairs form = ec2_call("DescribeInstances");
  if (token.empty()) {
    add_filter(form, 1, "tag-key", std::string(kTagPrefix) + "token");
  } else {
    add_filter(form, 1, "tag:" + std::string(kTagPrefix) + "token", token);
  }
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<MachinePage> parse_machines(std::string_view body, const std::string& region) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<MachinePage> {
    MachinePage page;
    for (const pugi::xml_node& reservation : root.child("reservationSet").children("item")) {
      TRY([[maybe_unused]] const Ok read,
          add_machines(reservation.child("instancesSet"), region, page.machines));
    }
    page.next = text_or_empty(root, "nextToken");
    return page;
  });
}

QueryPairs terminate_call(const std::vector<std::string>& ids) {
  QueryPairs form = ec2_call("TerminateInstances");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    form.emplace_back("InstanceId." + std::to_string(i + 1), ids[i]);
  }
  return form;
}

NodeId node_id(const std::string& region, const std::string& instance) {
  return {std::string(kIdPrefix) + region + "/" + instance};
}

Place place_of(const NodeId& id) {
  const std::vector<std::string> parts = split(id.value, '/');
  const bool is_ours =
      parts.size() == 3 && parts[0] == "aws" && is_region_name(parts[1]) && parts[2].rfind("i-", 0) == 0;
  return is_ours ? Place{.region = parts[1], .instance = parts[2]} : Place{};
}

QueryPairs price_history_call(const OfferKey& key, Instant from, Instant to) {
  QueryPairs form = ec2_call("DescribeSpotPriceHistory");
  form.emplace_back("InstanceType.1", key.instance_type);
  form.emplace_back("ProductDescription.1", "Linux/UNIX");
  form.emplace_back("AvailabilityZone", key.zone);
  form.emplace_back("StartTime", format_utc({from.ms / 1'000 * 1'000}));
  form.emplace_back("EndTime", format_utc({(to.ms + 999) / 1'000 * 1'000}));
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<std::string> parse_price_history(std::string_view body, const OfferKey& key,
                                        std::vector<PricePoint>& points) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    Harvest refused;
    for_each_item(root.child("spotPriceHistorySet"), refused, [&](const pugi::xml_node& row) {
      if (text_at(row, "instanceType") != key.instance_type || text_at(row, "availabilityZone") != key.zone) {
        return;
      }
      const Money price = money_at(row, "spotPrice");
      if (price.micros <= 0) { AnswerValue::refuse("the price is not above zero"); }
      points.push_back({.at = time_at(row, "timestamp"), .price = {price.micros}});
    });
    if (!refused.remarks.empty()) {
      return Error{.kind = ErrorKind::internal,
                   .message = "cannot read the prices: " + refused.remarks.front().detail,
                   .source = std::string(kSource)};
    }
    return text_or_empty(root, "nextToken");
  });
}

void clip_prices(std::vector<PricePoint>& points, Instant from, Instant to) {
  std::sort(points.begin(), points.end());
  std::erase_if(points, [&](const PricePoint& point) { return point.at > to; });
  const auto after =
      std::find_if(points.begin(), points.end(), [&](const PricePoint& point) { return point.at > from; });
  if (after - points.begin() > 1) { points.erase(points.begin(), after - 1); }
}

Result<std::vector<Machine>> whole_gang(std::vector<Machine> gang, const GangRequest& request) {
  const bool fits = gang.size() == static_cast<std::size_t>(request.nodes) &&
                    gang.front().view.offer.instance_type == request.offer.key.instance_type;
  if (fits) { return gang; }
  return Error{.kind = ErrorKind::invalid,
               .message = "token " + request.token.value +
                          " was used for another request: " + std::to_string(gang.size()) + " machines",
               .source = "aws " + request.offer.key.region + " RunInstances",
               .code = "TokenMismatch"};
}

Error with_quota(Error error, const GangRequest& request) {
  const OfferKey& key = request.offer.key;
  const QuotaRow* row = nullptr;
  for (const QuotaRow& one : kQuotas) {
    const bool fits = one.market == key.market && key.instance_type.rfind(one.family, 0) == 0;
    if (fits && (row == nullptr || one.family.size() > row->family.size())) { row = &one; }
  }
  const TypeFacts* const facts = find_type(key.instance_type);
  if (row == nullptr || facts == nullptr) { return error; }
  const std::string limit = limit_in(error.message);
  error.message = std::to_string(request.nodes) + " x " + key.instance_type + " need " +
                  std::to_string(request.nodes * facts->vcpus) + " vCPUs of the quota \"" +
                  std::string(row->name) + "\" in " + key.region +
                  (limit.empty() ? ": " + error.message : ", which is " + limit);
  error.hint = "ask AWS for more at Service Quotas, EC2, \"" + std::string(row->name) + "\"";
  if (!row->code.empty()) {
    error.hint += ": `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code " +
                  std::string(row->code) + " --region " + key.region + " --desired-value …`";
  }
  return error;
}

}  // namespace gpubroker::aws
