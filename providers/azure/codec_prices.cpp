// The Retail Prices API, api-version 2023-01-01-preview. What the rows are, and what becomes of them, in this
// order (dated live observations of others, 2026-07 to 2026-09):
//   type Reservation          a remark: "1 Hour" stands there, and retailPrice is the whole term
//   type DevTestConsumption   left out: for subscriptions that nobody trains on
//   Windows, Low Priority (a retired market), Dedicated and Cloud Services, _Promo: left out
//   meter or sku with " Spot" spot, else on demand; savingsPlan inside a row is left out
//   price 0                   left out: it means "no price", not "free"
#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/url.hpp"
#include "providers/azure/codec.hpp"
#include "providers/azure/facts.hpp"

namespace gpubroker::azure {

/// A row's texts, read once.
class PriceRow {
 public:
  explicit PriceRow(const AnswerValue& row)
      : value(row),
        type(row.at("type").text()),
        size(row.text_or("armSkuName")),
        region(lower(row.text_or("armRegionName"))),
        product(row.text_or("productName")),
        sku(row.text_or("skuName")),
        meter(row.text_or("meterName")),
        term(row.text_or("reservationTerm")) {}

  /// What makes two rows the same: offset paging over data that changes tells some twice.
  [[nodiscard]] std::string identity() const {
    return join({value.text_or("meterId"), size, region, type, term, product}, "\n");
  }
  [[nodiscard]] bool has_mark(std::string_view word) const {
    return meter.find(word) != std::string::npos || sku.find(word) != std::string::npos;
  }

  AnswerValue value;
  std::string type;
  std::string size;
  std::string region;
  std::string product;
  std::string sku;
  std::string meter;
  std::string term;
};

namespace {

constexpr std::string_view kSource = "azure prices";
constexpr std::string_view kFeed = "azure/retail-prices";
constexpr std::string_view kService = "Virtual Machines";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// A whole machine with Linux, for everybody.
bool is_plain_machine(const PriceRow& row) {
  constexpr std::array<std::string_view, 4> kOthers = {" Windows", "Dedicated", "CloudServices",
                                                       "Cloud Services"};
  const auto in_product = [&](std::string_view word) { return row.product.find(word) != std::string::npos; };
  if (row.value.text_or("serviceName", kService) != kService) { return false; }
  if (std::any_of(kOthers.begin(), kOthers.end(), in_product)) { return false; }
  // "Virtual Machines NCCadsv5 Srs Win"
  if (ends_with(row.product, " Win") || ends_with(row.size, "_Promo")) { return false; }
  return !row.has_mark(" Low Priority");
}

}  // namespace

HttpRequest encode_prices(std::string_view region) {
  std::string filter =
      "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '";
  filter += region;
  filter += "' and startswith(armSkuName,'Standard_N')";
  std::string url = "https://";
  url += kPrices;
  url += "/api/retail/prices?api-version=2023-01-01-preview&currencyCode=%27USD%27&$filter=";
  url += url_encode(filter);
  return encode_get(url);
}

Result<std::string> RegionPrices::take_page(std::string_view body) {
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<std::string> {
    const AnswerValue items = root.at("Items");
    for_each_row(items, region_ + " Items", harvest_,
                 [&](const AnswerValue& row) { take_row(PriceRow(row)); });
    const std::string next = root.text_or("NextPageLink");
    if (next.empty() || items.list().empty()) { return std::string(); }
    return parse_link(next, kPrices);
  });
}

void RegionPrices::take_row(const PriceRow& row) {
  if (!seen_.insert(row.identity()).second || row.type == "DevTestConsumption") { return; }
  const std::string where = row.size + " in " + region_;
  const auto leave_out = [&](const std::string& what, const std::string& detail) {
    add_remark(harvest_, what, detail);
  };
  if (row.type == "Reservation") {
    return leave_out("reservation, priced for its whole term",
                     where + ": " + row.value.at("retailPrice").text() + " for " + row.term);
  }
  if (row.type != "Consumption") { return leave_out("unknown kind of price", where + ": " + row.type); }
  if (!is_plain_machine(row)) { return; }
  switch (kind_of_size(row.size)) {
    case SizeKind::other:
      return;
    case SizeKind::part:
      return leave_out("a part of a GPU", where);
    case SizeKind::unknown:
      return leave_out("unknown GPU size", where);
    case SizeKind::known:
      break;
  }
  if (row.region != region_) { return leave_out("row of another region", row.size + " in " + row.region); }
  const std::string currency = row.value.at("currencyCode").text();
  if (currency != "USD") { return leave_out("unknown currency", where + ": " + currency); }
  const std::string unit = row.value.at("unitOfMeasure").text();
  if (unit != "1 Hour") { return leave_out("unknown unit", where + ": " + unit); }
  const std::optional<AnswerValue> tier = row.value.find("tierMinimumUnits");
  if (tier && tier->money() != Money{}) {
    return leave_out("price from some quantity on", where + ": from " + tier->text());
  }
  const Rate rate{row.value.at("retailPrice").money().micros};
  if (rate < Rate{}) { AnswerValue::refuse(where + ": a price below zero"); }
  if (rate == Rate{}) { return; }
  const Result<Instant> since = parse_utc(row.value.text_or("effectiveStartDate", "1970-01-01"));
  if (!since.ok()) { AnswerValue::refuse(where + ": effectiveStartDate: " + since.error().message); }
  if (since.value() > now_) { return leave_out("price of a later day", where); }
  take_price(row.size, row.has_mark(" Spot") ? Market::spot : Market::on_demand,
             {.rate = rate, .since = since.value()});
}

void RegionPrices::take_price(const std::string& size, Market market, Price price) {
  const auto [entry, is_new] = prices_.emplace(std::pair{std::string(find_size(size)->size), market}, price);
  Price& kept = entry->second;
  if (is_new || kept.rate == price.rate) { return; }
  add_remark(harvest_, "two prices of one offer",
             size + " in " + region_ + ": " + format_money({kept.rate.micros_per_hour}) + " and " +
                 format_money({price.rate.micros_per_hour}));
  // The later one holds; of one day the higher one, so that nobody pays more than was shown.
  if (std::pair(price.since, price.rate) > std::pair(kept.since, kept.rate)) { kept = price; }
}

Harvest RegionPrices::finish() && {
  for (const auto& [key, price] : prices_) {
    Listing listing = listing_of(*find_size(key.first), region_, key.second);
    listing.offer.price = price.rate;
    listing.offer.learnt_at = now_;
    listing.offer.source = kFeed;
    listing.basis = key.second == Market::spot ? PriceBasis::market : PriceBasis::list;
    harvest_.listings.push_back(std::move(listing));
  }
  return std::move(harvest_);
}

}  // namespace gpubroker::azure
