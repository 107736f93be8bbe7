#include "core/wire/answer_json.hpp"
#include "core/wire/json.hpp"
#include "providers/gcp/codec.hpp"
#include "providers/gcp/facts.hpp"

namespace gpubroker::gcp {
namespace {

constexpr const char* kSource = "gcp/calendar";
constexpr const char* kBasis = "GCP calendar advice";
constexpr const char* kSpec = "machine";
constexpr Millis kEarliest = std::chrono::hours{88};  // starts must be 87 h ahead
constexpr Millis kLatest = std::chrono::days{60};     // nothing is shown beyond
constexpr const char* kWeek = "604800s";

std::string zone_of(const std::string& location) {
  const std::size_t slash = location.rfind('/');
  return slash == std::string::npos ? location : location.substr(slash + 1);
}

Instant time_at(const AnswerValue& block, std::string_view name) {
  const Result<Instant> at = parse_utc(block.at(name).text());
  if (!at.ok()) { AnswerValue::refuse(std::string(name) + " is no time"); }
  return at.value();
}

/// Whole seconds: Google's fields take fractions, but nobody asked for them.
std::string at_second(Instant at) {
  return format_utc({at.ms / 1'000 * 1'000});
}

void add_block(const AnswerValue& block, const MachineFact& machine, const std::string& region, Instant now,
               Harvest& harvest) {
  Listing listing = describe_machine(machine);
  listing.offer.key.region = region;
  listing.offer.key.zone = zone_of(block.at("location").text());
  listing.offer.key.market = Market::block;
  listing.offer.learnt_at = now;
  listing.offer.source = kSource;
  listing.basis = PriceBasis::quote;
  listing.window = Window{.from = time_at(block, "startTime"), .until = time_at(block, "endTime")};
  if (listing.window->until <= listing.window->from) {
    AnswerValue::refuse("the block ends before it begins");
  }
  // One block of a zone and type is told at a time: its dates move, the offer stays the same.
  listing.variant = "week";
  listing.availability = {.kind = AvailabilityKind::level, .value = 1, .basis = kBasis};
  harvest.listings.push_back(std::move(listing));
}

void add_none(const std::string& zone, const std::string& type, const std::string& region, Harvest& harvest) {
  harvest.signals.push_back({.provider = "gcp",
                             .region = region,
                             .zone = zone,
                             .instance_type = type,
                             .market = Market::block,
                             .availability = {.kind = AvailabilityKind::level, .value = 0, .basis = kBasis}});
}

void read_advice(const AnswerValue& advice, const MachineFact& machine, const std::string& region,
                 Instant now, Harvest& harvest) {
  if (advice.text_or("recommendationType") == "FUTURE_RESERVATION") {
    add_block(advice, machine, region, now, harvest);
  }
  const auto others = advice.find("otherLocations");
  if (!others) { return; }
  for (const auto& [location, other] : others->members()) {
    // NOT_SUPPORTED and CONDITIONS_NOT_MET are no word about stock.
    if (other.text_or("status") == "NO_CAPACITY") {
      add_none(zone_of(location), std::string(machine.type), region, harvest);
    }
  }
}

}  // namespace

const std::vector<std::string>& calendar_types() {
  static const std::vector<std::string> types = {"a3-highgpu-8g", "a3-megagpu-8g", "a3-ultragpu-8g",
                                                 "a4-highgpu-8g"};
  return types;
}

std::string calendar_question(const std::string& type, Instant now) {
  Json spec = {
      {"targetResources", {{"specificSkuResources", {{"machineType", type}, {"instanceCount", "1"}}}}},
      {"timeRangeSpec",
       {{"startTimeNotEarlierThan", at_second(now + kEarliest)},
        {"startTimeNotLaterThan", at_second(now + kLatest)},
        {"minDuration", kWeek},
        {"maxDuration", kWeek}}}};
  // Those whose network is one fabric are placed close together.
  if (type == "a3-ultragpu-8g" || type == "a4-highgpu-8g") { spec["deploymentType"] = "DENSE"; }
  return dump_json({{"futureResourcesSpecs", {{kSpec, spec}}}});
}

Status parse_calendar_advice(std::string_view body, const std::string& type, const std::string& region,
                             Instant now, Harvest& harvest) {
  const MachineFact* const machine = find_machine(type);
  if (machine == nullptr) {
    return Error{.kind = ErrorKind::invalid, .message = "no machine type " + type, .source = kSource};
  }
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Status {
    const auto recommendations = root.find("recommendations");
    if (!recommendations) { return Ok{}; }
    for_each_row(*recommendations, "recommendations", harvest, [&](const AnswerValue& recommendation) {
      const auto per_spec = recommendation.find("recommendationsPerSpec");
      if (!per_spec) { return; }
      for (const auto& [spec, advice] : per_spec->members()) {
        read_advice(advice, *machine, region, now, harvest);
      }
    });
    return Ok{};
  });
}

}  // namespace gpubroker::gcp
