#include "providers/local/booking.hpp"

#include <algorithm>
#include <charconv>

#include "core/base/text.hpp"

namespace gpubroker::local {
namespace {

// Below Linux's ephemeral range (32768 and up), where outgoing connections take ports at random.
constexpr int kFirstPort = 20'000;
constexpr int kPorts = 12'000;
// 127.77.1.1 to 127.77.250.250.
constexpr std::int64_t kAddresses = 250LL * 250;

bool is_live(const NodeRecord& node) {
  return !node.ended_at.has_value();
}

/// A number that differs from home to home, so that two clouds on one machine seldom choose the same address
/// or port.
std::int64_t spread(const CloudRecord& record) {
  std::int64_t sum = 0;
  for (const char c : record.id) { sum = (sum * 131 + c) % 1'000'003; }
  return sum;
}

struct Usage {
  int of_type = 0;
  int of_market = 0;
  int vcpus = 0;  // of the region
  std::set<std::string> gpus = {};
};

Usage count_live(const CloudRecord& record, const OfferKey& key) {
  Usage usage;
  for (const NodeRecord& node : record.nodes) {
    if (!is_live(node) || node.offer.region != key.region) { continue; }
    usage.vcpus += node.vcpus;
    usage.gpus.insert(node.gpus.begin(), node.gpus.end());
    if (node.offer.instance_type != key.instance_type) { continue; }
    ++usage.of_type;
    if (node.offer.market == key.market) { ++usage.of_market; }
  }
  return usage;
}

/// Machines of this offer that could still be had; absent when nothing limits them.
std::optional<std::int64_t> machines_left(const RegionPlan& region, const InstancePlan& type,
                                          const OfferKey& key, const CloudRecord& record, Millis since) {
  const Usage usage = count_live(record, key);
  std::optional<std::int64_t> left;
  const auto limit = [&left](std::int64_t machines) {
    left = std::max<std::int64_t>(0, left ? std::min(*left, machines) : machines);
  };
  const MarketPlan& market = type.markets.at(key.market);
  if (!type.slots.empty()) { limit(value_at(type.slots, since) - usage.of_type); }
  if (!market.slots.empty()) { limit(value_at(market.slots, since) - usage.of_market); }
  if (region.shared_vcpus) { limit((*region.shared_vcpus - usage.vcpus) / type.vcpus); }
  if (!region.shared_gpus.empty() && type.gpu.count > 0) {
    const auto all = static_cast<std::int64_t>(region.shared_gpus.size());
    limit((all - static_cast<std::int64_t>(usage.gpus.size())) / type.gpu.count);
  }
  return left;
}

Error refusal(ErrorKind kind, const OfferKey& key, std::string code, std::string message) {
  return Error{.kind = kind,
               .message = std::move(message),
               .source = "local " + key.region + " create",
               .code = std::move(code),
               .scope = ErrorScope::region};
}

Status check_room(const RegionPlan& region, const InstancePlan& type, const GangRequest& request,
                  const CloudRecord& record, Instant now) {
  const OfferKey& key = request.offer.key;
  const std::string wanted = std::to_string(request.nodes) + " x " + key.instance_type;
  if (region.quota_vcpus) {
    const int used = count_live(record, key).vcpus;
    const std::int64_t needed = static_cast<std::int64_t>(request.nodes) * type.vcpus;
    if (used + needed > *region.quota_vcpus) {
      Error error =
          refusal(ErrorKind::quota, key, "VcpuQuota",
                  wanted + " need " + std::to_string(needed) + " vCPU, the quota of " + key.region + " is " +
                      std::to_string(*region.quota_vcpus) + " with " + std::to_string(used) + " in use");
      error.hint = "raise `quota` of region " + key.region + " in the scenario";
      return error;
    }
  }
  const std::optional<std::int64_t> left = machines_left(region, type, key, record, now - record.started_at);
  if (left && *left < request.nodes) {
    return refusal(ErrorKind::capacity, key, "NoStock",
                   wanted + " asked, " + std::to_string(*left) + " free in " + key.region);
  }
  return Ok{};
}

Result<const InstancePlan*> find_sold(const Scenario& scenario, const GangRequest& request) {
  const OfferKey& key = request.offer.key;
  const InstancePlan* type = find_type(scenario, key.region, key.instance_type);
  if (key.provider != kProvider || type == nullptr || !type->markets.contains(key.market)) {
    return Error{.kind = ErrorKind::invalid,
                 .message = format_offer_key(key) + " is not on sale here",
                 .hint = "gpubroker offers",
                 .source = "local create",
                 .scope = ErrorScope::offer};
  }
  if (request.nodes < 1 || request.token.value.empty()) {
    return Error{
        .kind = ErrorKind::invalid, .message = "a gang needs a token and a node", .source = "local create"};
  }
  return type;
}

/// When the cloud takes node `index` of a gang that is made now; counts the gang for each preemption it
/// matches.
class Fate {
 public:
  Fate(const Scenario& scenario, const GangRequest& request, CloudRecord& record) {
    record.preemption_gangs.resize(scenario.preemptions.size());
    for (std::size_t i = 0; i < scenario.preemptions.size(); ++i) {
      const Preemption& preemption = scenario.preemptions[i];
      const OfferKey& key = request.offer.key;
      if (preemption.market != key.market ||
          (!preemption.region.empty() && preemption.region != key.region)) {
        continue;
      }
      const int gang = ++record.preemption_gangs[i];
      if (preemption.gang == 0 || preemption.gang == gang) { mine_.push_back(&preemption); }
    }
  }

  void settle(int gang_size, NodeRecord& node) const {
    for (const Preemption* preemption : mine_) {
      if (preemption->nodes != 0 && node.index < gang_size - preemption->nodes) { continue; }
      const Instant at = node.ready_at + preemption->after;
      if (node.preempt_at && *node.preempt_at <= at) { continue; }
      node.preempt_at = at;
      node.notice = preemption->notice;
    }
  }

 private:
  std::vector<const Preemption*> mine_;
};

std::set<std::string> used_addresses(const CloudRecord& record) {
  std::set<std::string> used;
  for (const NodeRecord& node : record.nodes) {
    if (is_live(node)) { used.insert(node.ip); }
  }
  return used;
}

std::string take_address(const CloudRecord& record, std::set<std::string>& used) {
  for (std::int64_t i = record.made_nodes;; ++i) {
    const std::int64_t at = (spread(record) + i) % kAddresses;
    std::string ip = "127.77." + std::to_string(1 + at / 250) + "." + std::to_string(1 + at % 250);
    // More live nodes than addresses do not fit on a machine: the loop ends.
    if (used.insert(ip).second || i > record.made_nodes + kAddresses) { return ip; }
  }
}

int free_port(const CloudRecord& record, const std::set<int>& used_ports) {
  std::set<int> used = used_ports;
  for (const NodeRecord& node : record.nodes) {
    if (is_live(node)) { used.insert(node.master_port); }
  }
  for (std::int64_t i = record.made_gangs; i < record.made_gangs + kPorts; ++i) {
    const int port = kFirstPort + static_cast<int>((spread(record) + i) % kPorts);
    if (!used.contains(port)) { return port; }
  }
  return kFirstPort;
}

std::vector<std::string> take_gpus(const RegionPlan& region, int count, std::set<std::string>& used) {
  std::vector<std::string> out;
  for (const std::string& gpu : region.shared_gpus) {
    if (static_cast<int>(out.size()) == count) { break; }
    if (used.insert(gpu).second) { out.push_back(gpu); }
  }
  return out;
}

bool strikes(const Fault& fault, CloudCall call, const std::set<std::string>& regions) {
  if (fault.call != call) { return false; }
  const bool is_everywhere = call == CloudCall::list || call == CloudCall::offers;
  return is_everywhere || fault.region.empty() || regions.contains(fault.region);
}

Error fault_error(const Fault& fault) {
  Error error{.source = "local scenario", .code = "Fault", .scope = ErrorScope::region};
  switch (fault.deed) {
    case FaultDeed::refuse_capacity:
      error.kind = ErrorKind::capacity;
      error.message = "no machines left, says the scenario";
      break;
    case FaultDeed::refuse_quota:
      error.kind = ErrorKind::quota;
      error.message = "the quota is 0, says the scenario";
      error.hint = "take the fault out of the scenario";
      break;
    case FaultDeed::throttle:
      error.kind = ErrorKind::throttled;
      error.message = "too many calls, says the scenario";
      error.scope = ErrorScope::request;
      error.retry_after = fault.time;
      break;
    case FaultDeed::lost_answer:
    case FaultDeed::network:
    case FaultDeed::slow:
      error.kind = ErrorKind::network;
      error.message = "connection reset, says the scenario";
      error.scope = ErrorScope::request;
      break;
  }
  return error;
}

std::string gpu_list(const NodeRecord& node) {
  return join(node.gpus, ",");
}

}  // namespace

std::vector<Offer> offers_at(const Scenario& scenario, const CloudRecord& record, Instant now) {
  std::vector<Offer> out;
  const Millis since = now - record.started_at;
  for (const RegionPlan& region : scenario.regions) {
    for (const InstancePlan& type : region.types) {
      for (const auto& [market, plan] : type.markets) {
        Offer offer{.key = {kProvider, region.name, "", type.name, market},
                    .gpu = type.gpu,
                    .vcpus = type.vcpus,
                    .memory_mib = type.memory_mib,
                    .price = {value_at(plan.price, since)},
                    .billing = scenario.billing,
                    .learnt_at = now,
                    .source = scenario.name.empty() ? "this machine" : "local scenario " + scenario.name};
        if (scenario.shows_stock) {
          const auto left = machines_left(region, type, offer.key, record, since);
          if (left) { offer.available = static_cast<int>(*left); }
        }
        out.push_back(std::move(offer));
      }
    }
  }
  return out;
}

void publish_prices(const Scenario& scenario, Instant now, CloudRecord& record) {
  for (const RegionPlan& region : scenario.regions) {
    for (const InstancePlan& type : region.types) {
      for (const auto& [market, plan] : type.markets) {
        std::vector<PricePoint>& points =
            record.prices[format_offer_key({kProvider, region.name, "", type.name, market})];
        std::erase_if(points, [now](const PricePoint& point) { return point.at >= now; });
        for (const Step& step : plan.price) {
          const Instant at = record.started_at + step.at;
          if (at >= now) { points.push_back({at, {step.value}}); }
        }
        const Rate current{value_at(plan.price, now - record.started_at)};
        const auto later =
            std::find_if(points.begin(), points.end(), [now](const PricePoint& p) { return p.at >= now; });
        if (later == points.end() || later->at > now) { points.insert(later, {now, current}); }
        const auto same = [](const PricePoint& a, const PricePoint& b) { return a.price == b.price; };
        points.erase(std::unique(points.begin(), points.end(), same), points.end());
      }
    }
  }
}

Result<std::vector<PricePoint>> prices_between(const CloudRecord& record, const OfferKey& key, Instant from,
                                               Instant to) {
  const auto found = record.prices.find(format_offer_key(key));
  if (found == record.prices.end() || found->second.empty()) {
    return Error{.kind = ErrorKind::not_found,
                 .message = format_offer_key(key) + " was never on sale here",
                 .source = "local prices",
                 .scope = ErrorScope::offer};
  }
  std::vector<PricePoint> out;
  for (const PricePoint& point : found->second) {
    if (point.at <= from) { out.clear(); }
    if (point.at <= from || point.at <= to) { out.push_back(point); }
  }
  if (out.empty()) { out.push_back(found->second.front()); }
  out.front().at = std::min(out.front().at, from);
  return out;
}

Result<std::vector<NodeRecord>> book_gang(const Scenario& scenario, const GangRequest& request, Instant now,
                                          const std::set<int>& used_ports, CloudRecord& record) {
  TRY(const InstancePlan* const type, find_sold(scenario, request));
  const OfferKey& key = request.offer.key;
  const RegionPlan& region = *find_region(scenario, key.region);
  if (Status s = check_room(region, *type, request, record, now); !s.ok()) { return s.error(); }
  const Millis boot = type->boot.value_or(region.boot.value_or(scenario.boot));
  const int port = free_port(record, used_ports);
  const Fate fate(scenario, request, record);
  std::set<std::string> gpus = count_live(record, key).gpus;
  std::set<std::string> addresses = used_addresses(record);
  std::vector<NodeRecord> out;
  for (int index = 0; index < request.nodes; ++index) {
    const std::int64_t number = ++record.made_nodes;
    const std::string name = record.id + "-" + std::to_string(number);
    NodeRecord node{.id = {std::string(kProvider) + "/" + name},
                    .name = name,
                    .token = request.token,
                    .index = index,
                    .offer = key,
                    .tags = request.tags,
                    .ip = take_address(record, addresses),
                    .master_port = port,
                    .vcpus = type->vcpus,
                    .billing = scenario.billing,
                    .created_at = now,
                    .ready_at = now + boot};
    if (!region.shared_gpus.empty()) { node.gpus = take_gpus(region, type->gpu.count, gpus); }
    fate.settle(request.nodes, node);
    record.nodes.push_back(node);
    out.push_back(std::move(node));
  }
  ++record.made_gangs;
  return out;
}

Trouble meet_faults(const Scenario& scenario, CloudCall call, const std::set<std::string>& regions,
                    CloudRecord& record) {
  Trouble trouble;
  record.fault_calls.resize(scenario.faults.size());
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    const Fault& fault = scenario.faults[i];
    if (!strikes(fault, call, regions)) { continue; }
    const int count = ++record.fault_calls[i];
    if (fault.nth != 0 && fault.nth != count) { continue; }
    if (fault.deed == FaultDeed::slow) {
      trouble.delay += fault.time;
    } else if (fault.deed == FaultDeed::lost_answer) {
      trouble.answer_lost = true;
    } else if (!trouble.refusal) {
      trouble.refusal = fault_error(fault);
    }
  }
  return trouble;
}

NodeView view_node(const NodeRecord& node, Instant now, const std::string& nodes_folder,
                   const std::string& binary) {
  NodeView view{.id = node.id,
                .token = node.token,
                .index = node.index,
                .offer = node.offer,
                .tags = node.tags,
                .env = {{"GLOO_SOCKET_IFNAME", "lo"},
                        {"NCCL_SOCKET_IFNAME", "lo"},
                        {"OMPI_MCA_btl_tcp_if_include", "lo"},
                        {"OMPI_MCA_oob_tcp_if_include", "lo"}},
                .master_port = node.master_port,
                .created_at = node.created_at,
                .ended_at = node.ended_at,
                .end_reason = node.end_reason};
  if (!node.gpus.empty()) { view.env["CUDA_VISIBLE_DEVICES"] = gpu_list(node); }
  const bool is_ready = now >= node.ready_at;
  view.state = node.ended_at ? NodeState::ended : is_ready ? NodeState::running : NodeState::starting;
  // A machine that ended before it was running is not billed at all.
  if (node.ended_at ? *node.ended_at >= node.ready_at : is_ready) { view.billed_from = node.ready_at; }
  if (view.state != NodeState::starting) {
    view.address = {.id = node.id, .host = node.ip, .root = nodes_folder + "/" + node.name, .binary = binary};
  }
  if (node.preempt_at && node.notice > Millis{0} && !node.ended_at && now >= *node.preempt_at - node.notice) {
    view.notice_until = node.preempt_at;
  }
  return view;
}

std::set<int> parse_used_ports(std::string_view proc_net_tcp) {
  std::set<int> out;
  for (const std::string& line : split(proc_net_tcp, '\n')) {
    // "   0: 0100007F:1F90 00000000:0000 0A …": the local address, then its port in hexadecimal.
    const std::size_t number_end = line.find(": ");
    const std::size_t colon = number_end == std::string::npos ? number_end : line.find(':', number_end + 2);
    if (colon == std::string::npos || colon + 5 > line.size()) { continue; }
    int port = 0;
    const char* const begin = line.data() + colon + 1;
    if (std::from_chars(begin, begin + 4, port, 16).ec == std::errc{}) { out.insert(port); }
  }
  return out;
}

}  // namespace gpubroker::local
