#include "providers/hyperstack/codec.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"

namespace gpubroker::hyperstack {
namespace {

constexpr std::string_view kSpot = "-spot";
constexpr std::string_view kBridged = "-nvlink";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Refusals that come with status 200.
void require_success(const AnswerValue& root) {
  if (!root.boolean_or("status", true)) {
    AnswerValue::refuse("it is refused: " + root.text_or("message", "no reason given"));
  }
}

/// Whether a moment's text, if it is there and can be read, is past.
bool is_past(const AnswerValue& row, std::string_view name, Instant now, bool otherwise) {
  const std::string text = row.text_or(name);
  const Result<Instant> at = parse_utc(text);
  return at.ok() ? at.value() <= now : otherwise;
}

Listing read_flavor(const AnswerValue& row, const std::string& region, Instant now) {
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "hyperstack", .region = region, .instance_type = row.at("name").text()};
  listing.gpu_text = row.at("gpu").text();
  if (ends_with(lower(listing.gpu_text), kSpot) || ends_with(lower(offer.key.instance_type), kSpot)) {
    offer.key.market = Market::spot;
  }
  offer.gpu = {.model = "",
               .form = form_in(listing.gpu_text),
               .memory_gib = memory_gib_in(listing.gpu_text),
               .count = row.at("gpu_count").whole<int>()};
  offer.vcpus = row.at("cpu").whole<int>();
  const std::int64_t memory_gib = row.at("ram").rounded();
  constexpr std::int64_t kMostGib = 1'000'000;
  if (memory_gib < 0 || memory_gib > kMostGib) { AnswerValue::refuse("ram cannot be"); }
  offer.memory_mib = memory_gib * 1'024;
  listing.disk_gib =
      std::int64_t{row.whole_or("disk", std::int32_t{0})} + row.whole_or("ephemeral", std::int32_t{0});
  offer.learnt_at = now;
  offer.source = "hyperstack/flavors";
  fill_host(listing);
  return listing;
}

/// The price of the flavor's GPUs; nothing when the book has none.
std::optional<Rate> find_price(const Listing& listing, const PriceBook& prices) {
  std::string name = listing.gpu_text;
  if (listing.offer.key.market == Market::spot && !ends_with(lower(name), kSpot)) { name += kSpot; }
  const auto found = prices.find(name);
  if (found == prices.end()) { return std::nullopt; }
  return times(Rate{found->second.micros}, listing.offer.gpu.count);
}

Availability find_stock(const AnswerValue& row, const Listing& listing, const Stocks& stocks) {
  const auto found = stocks.find({listing.offer.key.region, listing.gpu_text, listing.offer.gpu.count});
  if (found != stocks.end()) {
    return {.kind = AvailabilityKind::count, .value = found->second, .basis = "hyperstack stocks"};
  }
  const std::optional<AnswerValue> is_there = row.find("stock_available");
  if (!is_there) { return {}; }
  return {.kind = AvailabilityKind::level,
          .value = is_there->boolean() ? 1 : 0,
          .basis = "hyperstack stock_available"};
}

void read_row_of(const AnswerValue& row, const std::string& region, const PriceBook& prices,
                 const Stocks& stocks, Instant now, Harvest& harvest) {
  if (row.whole_or("gpu_count", 0) <= 0) { return; }  // CPU machines
  Listing listing = read_flavor(row, region, now);
  const std::optional<Rate> price = find_price(listing, prices);
  if (!price || price->micros_per_hour <= 0) {
    return add_remark(harvest, "no price", listing.offer.key.instance_type + ": " + listing.gpu_text);
  }
  listing.offer.price = *price;
  listing.availability = find_stock(row, listing, stocks);
  // The card's name goes on without what tells how it is sold or bridged: "H100-80G-PCIe-NVLink".
  for (const std::string_view end : {kSpot, kBridged}) {
    if (ends_with(lower(listing.gpu_text), end)) {
      listing.gpu_text.resize(listing.gpu_text.size() - end.size());
    }
  }
  harvest.listings.push_back(std::move(listing));
}

}  // namespace

HttpRequest encode_get(const std::string& path, const Secret& key) {
  HttpRequest request;
  request.url = std::string(kBase) + path;
  request.headers = {{"api_key", key.reveal()}, {"Accept", "application/json"}};
  return request;
}

Result<PriceBook> parse_pricebook(std::string_view body, Instant now) {
  return read_answer(body, "hyperstack GET /pricebook", [&](const AnswerValue& root) -> Result<PriceBook> {
    PriceBook prices;
    for (const AnswerValue& row : root.list()) {
      const bool is_in_force = is_past(row, "start_time", now, /*otherwise=*/true) &&
                               !is_past(row, "end_time", now, /*otherwise=*/false);
      if (is_in_force) { prices.emplace(row.at("name").text(), row.at("value").money()); }
    }
    return prices;
  });
}

Result<Stocks> parse_stocks(std::string_view body) {
  return read_answer(body, "hyperstack GET /core/stocks", [](const AnswerValue& root) -> Result<Stocks> {
    require_success(root);
    Stocks stocks;
    for (const AnswerValue& region : root.at("stocks").list()) {
      for (const AnswerValue& model : region.at("models").list()) {
        const std::optional<AnswerValue> sizes = model.find("configurations");
        if (!sizes) { continue; }
        for (const auto& [size, machines] : sizes->members()) {
          // "8x": machines of eight.
          const std::optional<std::int64_t> gpus =
              ends_with(size, "x") ? parse_int(size.substr(0, size.size() - 1)) : std::nullopt;
          constexpr std::int64_t kMostGpus = 1'024;
          if (!gpus || *gpus <= 0 || *gpus > kMostGpus) { continue; }
          stocks[{region.at("region").text(), model.at("model").text(), static_cast<int>(*gpus)}] =
              std::max(machines.whole<int>(), 0);
        }
      }
    }
    return stocks;
  });
}

Result<Harvest> parse_flavors(std::string_view body, const PriceBook& prices, const Stocks& stocks,
                              Instant now) {
  return read_answer(body, "hyperstack GET /core/flavors", [&](const AnswerValue& root) -> Result<Harvest> {
    require_success(root);
    Harvest harvest;
    for_each_row(root.at("data"), "data", harvest, [&](const AnswerValue& group) {
      const std::string region = group.at("region_name").text();
      for_each_row(group.at("flavors"), region, harvest,
                   [&](const AnswerValue& row) { read_row_of(row, region, prices, stocks, now, harvest); });
    });
    drop_repeated(harvest);
    return harvest;
  });
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string code;
  std::string message;
  static_cast<void>(visit_answer(answer.body, "hyperstack", [&](const AnswerValue& root) {
    code = root.text_or("error_reason");
    message = root.text_or("message");
  }));
  Error error = error_from_answer(answer, "hyperstack GET " + path, code, message, now);
  const std::string words = lower(message);
  const auto says = [&](std::string_view word) { return words.find(word) != std::string::npos; };
  if (answer.status < 500 && says("quota")) { error.kind = ErrorKind::quota; }
  if (says("insufficient credit")) { error.kind = ErrorKind::quota; }
  if (says("insufficient") && says("stock")) { error.kind = ErrorKind::capacity; }
  return error;
}

}  // namespace gpubroker::hyperstack
