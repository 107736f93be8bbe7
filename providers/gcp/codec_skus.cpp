#include "core/wire/answer_json.hpp"
#include "providers/gcp/codec.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kMostUnits = 1'000'000;

/// {"units":"9","nanos":796550000}; zero parts are left out.
std::int64_t read_nanos(const AnswerValue& price) {
  if (price.text_or("currencyCode", "USD") != "USD") {
    AnswerValue::refuse("the currency " + price.text_or("currencyCode") + " is not USD");
  }
  const auto units = price.whole_or<std::int64_t>("units", 0);
  const auto nanos = price.whole_or<std::int32_t>("nanos", 0);
  if (units < 0 || units > kMostUnits || nanos < 0) { AnswerValue::refuse("units and nanos are no price"); }
  return units * kNanos + nanos;
}

bool is_unit_of(const std::string& unit, Component component) {
  switch (component) {
    case Component::core:
    case Component::gpu:
      return unit == "h";
    case Component::ram:
      return unit == "GiBy.h" || unit == "GBy.h";
    case Component::local_ssd:
      return unit == "GiBy.mo";
  }
  return false;
}

/// The price that is in force: the last of pricingInfo, its first tier. Per GiB where GB are sold.
std::int64_t read_price(const AnswerValue& sku, Component component) {
  const std::vector<AnswerValue> infos = sku.at("pricingInfo").list();
  if (infos.empty()) { AnswerValue::refuse("there is no pricingInfo"); }
  const AnswerValue expression = infos.back().at("pricingExpression");
  const std::string unit = expression.at("usageUnit").text();
  if (!is_unit_of(unit, component)) { AnswerValue::refuse("the usageUnit is " + unit); }
  const std::vector<AnswerValue> tiers = expression.at("tieredRates").list();
  if (tiers.empty()) { AnswerValue::refuse("there are no tieredRates"); }
  const std::int64_t nanos = read_nanos(tiers.front().at("unitPrice"));
  if (unit != "GBy.h") { return nanos; }
  constexpr std::int64_t kBytesPerGib = 1'073'741'824;
  constexpr std::int64_t kMostPerGb = 8 * kNanos;  // the product fits; no memory costs a hundredth of it
  if (nanos > kMostPerGb) { AnswerValue::refuse("the price of a GB is out of range"); }
  return (nanos * kBytesPerGib + kNanos / 2) / kNanos;
}

/// Why a part of machines is no price of a machine. Empty: it is one.
std::string left_out(const SkuName& name, const AnswerValue& category) {
  if (!name.left_out.empty()) { return std::string(name.left_out); }
  const std::string usage = category.text_or("usageType");
  if (usage == "OnDemand") { return {}; }
  if (usage == "Preemptible") { return name.market == Market::spot ? "" : "preemptible by usageType alone"; }
  return usage.rfind("Commit", 0) == 0 ? "commitment" : "usageType " + usage;
}

void read_sku(const AnswerValue& sku, PartPrices& prices, Harvest& harvest) {
  const std::string description = sku.at("description").text();
  const std::optional<SkuName> name = read_sku_name(description);
  if (!name) { return; }
  if (const std::string reason = left_out(*name, sku.at("category")); !reason.empty()) {
    add_remark(harvest, "SKU left out: " + reason, description);
    return;
  }
  const PartPrice price{.nanos = read_price(sku, name->component), .sku = sku.at("skuId").text()};
  if (price.nanos == 0) {
    add_remark(harvest, "SKU left out: price 0", description);
    return;
  }
  for (const AnswerValue& region : sku.at("serviceRegions").list()) {
    if (region.text() != "global") { prices.add(*name, region.text(), price, harvest); }
  }
}

}  // namespace

Result<std::string> parse_skus(std::string_view body, PartPrices& prices, std::size_t& count,
                               Harvest& harvest) {
  return read_answer(body, "gcp", [&](const AnswerValue& root) -> Result<std::string> {
    if (const auto skus = root.find("skus")) {
      for_each_row(*skus, "skus", harvest, [&](const AnswerValue& sku) {
        ++count;
        read_sku(sku, prices, harvest);
      });
    }
    return root.text_or("nextPageToken");
  });
}

}  // namespace gpubroker::gcp
