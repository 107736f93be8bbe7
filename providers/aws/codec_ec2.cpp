#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/codec_xml.hpp"
#include "providers/aws/facts.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::string_view kSource = "aws ec2";
constexpr int kMostPerMachine = 1'000;

QueryPairs call(const std::string& action) {
  return {{"Action", action}, {"Version", "2016-11-15"}};
}

void add_list(QueryPairs& form, const std::string& name, const std::vector<std::string>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    form.emplace_back(name + "." + std::to_string(i + 1), values[i]);
  }
}

/// EC2 takes times to the second.
std::string seconds(Instant at) {
  return format_utc({at.ms / 1'000 * 1'000});
}

/// "Up to 25 Gigabit", "16x 200 Gigabit", "3200 Gigabit"; 0: none of these.
int read_gbps(std::string text) {
  if (text.rfind("Up to ", 0) == 0) { text.erase(0, 6); }
  std::int64_t links = 1;
  if (const std::size_t times_sign = text.find("x "); times_sign != std::string::npos) {
    links = parse_int(text.substr(0, times_sign)).value_or(0);
    text.erase(0, times_sign + 2);
  }
  const std::size_t unit = text.find(" Gigabit");
  if (unit == std::string::npos || links < 0 || links > kMostPerMachine) { return 0; }
  const std::optional<Money> each = round_money(text.substr(0, unit));
  if (!each || each->micros < 0 || each->micros > Money{100'000'000'000}.micros) { return 0; }
  return static_cast<int>(links * each->micros / 1'000'000);
}

struct Device {
  std::string name = {};
  int count = 0;
  int gib = 0;
};

/// The accelerator of a type; count 0: none, or a fraction of one.
Device read_device(const pugi::xml_node& type) {
  pugi::xml_node device = type.child("gpuInfo").child("gpus").child("item");
  if (!device) { device = type.child("neuronInfo").child("neuronDevices").child("item"); }
  if (!device) { return {}; }
  return {.name = text_at(device, "name"),
          .count = static_cast<int>(whole_at(device, "count", kMostPerMachine)),
          .gib = static_cast<int>((whole_at(device.child("memoryInfo"), "sizeInMiB", 1'000'000'000) + 512) /
                                  1'024)};
}

bool has_item(const pugi::xml_node& set, std::string_view value) {
  for (const pugi::xml_node& item : set.children("item")) {
    if (item.child_value() == value) { return true; }
  }
  return false;
}

Listing read_type(const pugi::xml_node& row, const std::string& region, const Device& device) {
  Listing listing = listing_of(region, "", text_at(row, "instanceType"), Market::block);
  const bool known = listing.offer.gpu.count > 0;
  Offer& offer = listing.offer;
  offer.gpu.count = device.count;
  if (!known) {
    listing.gpu_text = device.name;
    offer.gpu.memory_gib = device.gib;
  }
  offer.vcpus = static_cast<int>(whole_at(row.child("vCpuInfo"), "defaultVCpus", 100'000));
  offer.memory_mib = whole_at(row.child("memoryInfo"), "sizeInMiB", 1'000'000'000);
  const pugi::xml_node storage = row.child("instanceStorageInfo");
  if (storage) {
    listing.disk_gib =
        whole_at(storage, "totalSizeInGB", 1'000'000) * 1'000'000'000 / (std::int64_t{1} << 30);
  }
  const pugi::xml_node network = row.child("networkInfo");
  const bool efa = text_or_empty(network, "efaSupported") == "true";
  listing.fabric = efa ? Fabric::efa : Fabric::ethernet;
  // Not the sum of the cards: g6e.48xlarge has four of 400 Gbps and 400 Gbps in all.
  if (const int gbps = read_gbps(text_or_empty(network, "networkPerformance")); gbps > 0) {
    listing.fabric_gbps = gbps;
  }
  const pugi::xml_node arch = row.child("processorInfo").child("supportedArchitectures");
  if (has_item(arch, "arm64")) { listing.arch = "arm64"; }
  if (has_item(arch, "x86_64")) { listing.arch = "x86_64"; }
  return listing;
}

/// Our table and EC2 should say the same: the price list and the spot feeds name types only.
void compare_with_table(const Listing& told, Harvest& harvest) {
  const std::string& type = told.offer.key.instance_type;
  const TypeFacts* const facts = find_type(type);
  if (facts == nullptr) {
    add_remark(harvest, "accelerator type not in our table",
               type + ": " + std::to_string(told.offer.gpu.count) + " x " + told.gpu_text);
  } else if (facts->count != told.offer.gpu.count || facts->vcpus != told.offer.vcpus) {
    add_remark(harvest, "our table of types is wrong", type);
  }
}

}  // namespace

HttpRequest encode_form(const std::string& endpoint, const QueryPairs& form) {
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint + "/";
  request.headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  request.body = encode_query(form);
  request.repeatable = true;
  return request;
}

QueryPairs regions_call() {
  QueryPairs form = call("DescribeRegions");
  form.emplace_back("AllRegions", "true");
  return form;
}

Result<std::vector<std::string>> parse_regions(std::string_view body) {
  return read_xml(body, kSource, [](const pugi::xml_node& root) -> Result<std::vector<std::string>> {
    std::vector<std::string> regions;
    for (const pugi::xml_node& item : root.child("regionInfo").children("item")) {
      const std::string name = text_or_empty(item, "regionName");
      if (name.empty() || text_or_empty(item, "optInStatus") == "not-opted-in") { continue; }
      regions.push_back(name);
    }
    if (regions.empty()) {
      return Error{
          .kind = ErrorKind::internal, .message = "EC2 names no region", .source = std::string(kSource)};
    }
    return regions;
  });
}

QueryPairs spot_history_call(Instant now) {
  QueryPairs form = call("DescribeSpotPriceHistory");
  // The last change before StartTime is among the rows: "now" gives the price that holds.
  form.emplace_back("StartTime", seconds(now));
  form.emplace_back("ProductDescription.1", "Linux/UNIX");
  std::vector<std::string> types;
  for (const TypeFacts& facts : known_types()) { types.emplace_back(facts.type); }
  add_list(form, "InstanceType", types);
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<std::string> parse_spot_history(std::string_view body, const std::string& region, Instant now,
                                       SpotPrices& prices, Harvest& remarks) {
  if (region.rfind("cn-", 0) == 0) {  // in yuan, and no field says so
    add_remark(remarks, "unknown currency", "spot prices of " + region);
    return std::string();
  }
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    for_each_item(root.child("spotPriceHistorySet"), remarks, [&](const pugi::xml_node& row) {
      if (text_at(row, "productDescription") != "Linux/UNIX") { return; }
      const std::string type = text_at(row, "instanceType");
      const std::string zone = text_at(row, "availabilityZone");
      SpotPrice price{.listing = listing_of(region, zone, type, Market::spot),
                      .since = time_at(row, "timestamp")};
      Offer& offer = price.listing.offer;
      if (offer.gpu.count == 0) { return; }
      offer.price = {money_at(row, "spotPrice").micros};
      if (offer.price.micros_per_hour <= 0) { AnswerValue::refuse("the price is not above zero"); }
      offer.learnt_at = now;
      offer.source = "aws/ec2-spot";
      price.listing.basis = PriceBasis::market;
      price.listing.availability.basis = "zone " + text_or_empty(row, "availabilityZoneId");
      const auto [at, fresh] = prices.try_emplace({type, zone}, price);
      if (!fresh && at->second.since < price.since) { at->second = price; }
    });
    return text_or_empty(root, "nextToken");
  });
}

QueryPairs instance_types_call() {
  QueryPairs form = call("DescribeInstanceTypes");
  form.emplace_back("Filter.1.Name", "instance-type");
  add_list(form, "Filter.1.Value", {"p*", "g*", "trn*", "inf*", "dl*"});
  form.emplace_back("MaxResults", "100");
  return form;
}

Result<std::string> parse_instance_types(std::string_view body, const std::string& region, Instant now,
                                         Harvest& harvest) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    for_each_item(root.child("instanceTypeSet"), harvest, [&](const pugi::xml_node& row) {
      const Device device = read_device(row);
      if (device.count == 0) { return; }
      Listing listing = read_type(row, region, device);
      compare_with_table(listing, harvest);
      if (!has_item(row.child("supportedUsageClasses"), "capacity-block")) { return; }
      listing.basis = PriceBasis::quote;
      listing.offer.learnt_at = now;
      listing.offer.source = "aws/ec2-offerings";
      harvest.listings.push_back(std::move(listing));
    });
    return text_or_empty(root, "nextToken");
  });
}

QueryPairs offerings_call(const std::vector<std::string>& types) {
  QueryPairs form = call("DescribeInstanceTypeOfferings");
  form.emplace_back("LocationType", "availability-zone");
  form.emplace_back("Filter.1.Name", "instance-type");
  add_list(form, "Filter.1.Value", types);
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<std::string> parse_offerings(std::string_view body, const std::string& region, Harvest& harvest) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    for_each_item(root.child("instanceTypeOfferingSet"), harvest, [&](const pugi::xml_node& row) {
      Signal signal{.provider = "aws", .region = region};
      signal.instance_type = text_at(row, "instanceType");
      signal.zone = text_at(row, "location");
      if (find_type(signal.instance_type) == nullptr) { return; }
      signal.availability.basis = "EC2 sells it in this zone";
      harvest.signals.push_back(std::move(signal));
    });
    return text_or_empty(root, "nextToken");
  });
}

std::vector<std::vector<std::string>> score_groups() {
  return {{"p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge"},
          {"g5.12xlarge", "g5.24xlarge", "g5.48xlarge"},
          {"g6.12xlarge", "g6.24xlarge", "g6.48xlarge"},
          {"g6e.12xlarge", "g6e.24xlarge", "g6e.48xlarge"},
          {"g7e.12xlarge", "g7e.24xlarge", "g7e.48xlarge"}};
}

QueryPairs scores_call(const std::vector<std::string>& types) {
  QueryPairs form = call("GetSpotPlacementScores");
  add_list(form, "InstanceType", types);
  // The smallest question: how many machines may be asked for is limited per account.
  form.emplace_back("TargetCapacity", "1");
  form.emplace_back("TargetCapacityUnitType", "units");
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<std::string> parse_scores(std::string_view body, const std::vector<std::string>& types,
                                 Harvest& harvest) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    for_each_item(root.child("spotPlacementScoreSet"), harvest, [&](const pugi::xml_node& row) {
      const std::string region = text_at(row, "region");
      const auto score = static_cast<int>(whole_at(row, "score", 10));
      if (score == 0) { AnswerValue::refuse("a score is 1 to 10"); }
      for (const std::string& type : types) {
        Signal signal{.provider = "aws", .region = region, .instance_type = type, .market = Market::spot};
        signal.availability = {.kind = AvailabilityKind::score,
                               .value = score,
                               .basis = "EC2's spot placement score of one of " + join(types, ", ")};
        harvest.signals.push_back(std::move(signal));
      }
    });
    return text_or_empty(root, "nextToken");
  });
}

std::vector<std::string> block_types() {
  // Those whose supportedUsageClasses name capacity-block, recorded 2026-08-02.
  return {"p4d.24xlarge",  "p4de.24xlarge", "p5.48xlarge",      "p5.4xlarge",
          "p5e.48xlarge",  "p5en.48xlarge", "p6-b200.48xlarge", "p6-b300.48xlarge",
          "trn1.32xlarge", "trn2.3xlarge",  "trn2.48xlarge"};
}

std::vector<std::string> ultraserver_types() {
  return {"u-p6e-gb200x36", "u-p6e-gb200x72"};
}

QueryPairs blocks_call(const std::string& type, int hours) {
  QueryPairs form = call("DescribeCapacityBlockOfferings");
  form.emplace_back("CapacityDurationHours", std::to_string(hours));
  form.emplace_back("InstanceType", type);
  form.emplace_back("InstanceCount", "1");
  form.emplace_back("AllAvailabilityZones", "true");
  form.emplace_back("MaxResults", "1000");
  return form;
}

QueryPairs ultraservers_call(const std::string& type, int hours) {
  QueryPairs form = call("DescribeCapacityBlockOfferings");
  form.emplace_back("CapacityDurationHours", std::to_string(hours));
  form.emplace_back("UltraserverType", type);
  form.emplace_back("UltraserverCount", "1");
  form.emplace_back("AllAvailabilityZones", "true");
  form.emplace_back("MaxResults", "1000");
  return form;
}

Result<std::string> parse_blocks(std::string_view body, const std::string& region, Instant now,
                                 Harvest& harvest) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    for_each_item(root.child("capacityBlockOfferingSet"), harvest, [&](const pugi::xml_node& row) {
      Listing listing =
          listing_of(region, text_at(row, "availabilityZone"), text_at(row, "instanceType"), Market::block);
      const std::string currency = text_at(row, "currencyCode");
      if (currency != "USD") {
        add_remark(harvest, "unknown currency", currency);
        return;
      }
      const auto machines = static_cast<int>(whole_at(row, "instanceCount", kMostPerMachine));
      const pugi::xml_node more = row.child("capacityBlockDurationMinutes");
      const std::int64_t minutes = whole_at(row, "capacityBlockDurationHours", 100'000) * 60 +
                                   (more ? whole_at(row, "capacityBlockDurationMinutes", 59) : 0);
      const Money fee = money_at(row, "upfrontFee");
      constexpr std::int64_t kMostFee = 1'000'000'000'000'000;  // a billion dollars, in micros
      if (machines == 0 || minutes == 0 || fee.micros <= 0 || fee.micros > kMostFee) {
        AnswerValue::refuse("a block of nothing, or for nothing");
      }
      const std::int64_t machine_minutes = machines * minutes;
      Offer& offer = listing.offer;
      offer.price = {(fee.micros * 60 + machine_minutes / 2) / machine_minutes};
      offer.available = machines;
      offer.learnt_at = now;
      offer.source = "aws/capacity-blocks";
      listing.variant = text_at(row, "capacityBlockOfferingId");
      listing.window = Window{.from = time_at(row, "startDate"), .until = time_at(row, "endDate")};
      listing.availability = {
          .kind = AvailabilityKind::count,
          .value = machines,
          .basis = "a Capacity Block: " + format_money(fee) + " USD up front, not refunded"};
      if (const std::string server = text_or_empty(row, "ultraserverType"); !server.empty()) {
        listing.availability.basis += ", UltraServer " + server;
      }
      harvest.listings.push_back(std::move(listing));
    });
    return text_or_empty(root, "nextToken");
  });
}

}  // namespace gpubroker::aws
