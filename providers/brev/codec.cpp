#include "providers/brev/codec.hpp"

#include <array>
#include <limits>
#include <set>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::brev {
namespace {

/// A unit is `times` / `by` MiB.
struct Unit {
  std::string_view name;
  std::int64_t times;
  std::int64_t by;
};
constexpr std::array kUnits = {
    Unit{"mib", 1, 1},          Unit{"gib", 1'024, 1},          Unit{"tib", 1'048'576, 1},
    Unit{"mb", 15'625, 16'384}, Unit{"gb", 15'625'000, 16'384}, Unit{"tb", 15'625'000'000, 16'384},
};

/// The size of a member, 0 when it is missing; a unit nobody taught us is told.
std::int64_t read_size(const AnswerValue& row, Harvest& harvest) {
  const std::string text = row.text_or("memory");
  if (text.empty()) { return 0; }
  const std::optional<std::int64_t> size = parse_size_mib(text);
  if (!size) { add_remark(harvest, "unknown size", text); }
  return size.value_or(0);
}

void read_type(const AnswerValue& row, Instant now, Harvest& harvest) {
  const std::string type = row.at("type").text();
  const std::optional<AnswerValue> gpus = row.find("supported_gpus");
  const std::vector<AnswerValue> kinds = gpus ? gpus->list() : std::vector<AnswerValue>{};
  if (kinds.empty()) { return; }  // a CPU machine
  if (kinds.size() > 1) { return add_remark(harvest, "several kinds of GPU", type); }
  const AnswerValue price = row.at("base_price");
  if (const std::string currency = price.at("currency").text(); currency != "USD") {
    return add_remark(harvest, "unknown currency", currency);
  }
  Listing listing;
  Offer& offer = listing.offer;
  listing.gpu_text = kinds.front().at("name").text();
  std::string words = listing.gpu_text + " ";
  words += type;
  offer.gpu = {.model = "",
               .form = form_in(words),
               .memory_gib = static_cast<int>((read_size(kinds.front(), harvest) + 512) / 1'024),
               .count = kinds.front().at("count").whole<int>()};
  if (offer.gpu.count <= 0) { return; }
  offer.key = {.provider = "brev", .instance_type = type};
  offer.vcpus = row.at("vcpu").whole<int>();
  offer.memory_mib = read_size(row, harvest);
  offer.price = {price.at("amount").money().micros};
  if (offer.price.micros_per_hour <= 0) { AnswerValue::refuse("the price cannot be"); }
  offer.learnt_at = now;
  offer.source = "brev/instance-types";
  listing.seller = row.at("provider").text();
  fill_host(listing);
  std::set<std::string> places;
  if (const std::string place = row.text_or("location"); !place.empty()) { places.insert(place); }
  if (const std::optional<AnswerValue> others = row.find("available_locations")) {
    for (const AnswerValue& place : others->list()) { places.insert(place.text()); }
  }
  if (places.empty()) { places.insert("any"); }
  for (const std::string& place : places) {
    offer.key.region = place;
    offer.key.zone = place == row.text_or("location") ? row.text_or("sub_location") : "";
    if (offer.key.zone == place) { offer.key.zone.clear(); }
    harvest.listings.push_back(listing);
  }
}

}  // namespace

HttpRequest encode_types() {
  HttpRequest request;
  request.url = "https://api.brev.dev/v1/instance/types";
  request.headers = {{"Accept", "application/json"}};
  return request;
}

Result<Harvest> parse_types(std::string_view body, Instant now) {
  return read_answer(body, "brev GET /v1/instance/types", [&](const AnswerValue& root) -> Result<Harvest> {
    Harvest harvest;
    for_each_row(root.at("items"), "items", harvest,
                 [&](const AnswerValue& row) { read_type(row, now, harvest); });
    drop_repeated(harvest);
    return harvest;
  });
}

std::optional<std::int64_t> parse_size_mib(std::string_view text) {
  const std::string_view whole = trim(text);
  const std::size_t end = whole.find_first_not_of("0123456789.");
  if (end == std::string_view::npos || end == 0) { return std::nullopt; }
  const std::optional<Money> number = round_money(whole.substr(0, end));
  const std::string name = lower(trim(whole.substr(end)));
  if (!number) { return std::nullopt; }
  constexpr std::int64_t kMostMib = std::int64_t{1} << 30U;  // a pebibyte
  const std::int64_t thousandths = number->micros / 1'000;
  for (const Unit& unit : kUnits) {
    if (unit.name != name) { continue; }
    if (thousandths > std::numeric_limits<std::int64_t>::max() / unit.times / 2) { return std::nullopt; }
    const std::int64_t by = unit.by * 1'000;
    const std::int64_t mib = (thousandths * unit.times + by / 2) / by;
    return mib > kMostMib ? std::nullopt : std::optional(mib);
  }
  return std::nullopt;
}

}  // namespace gpubroker::brev
