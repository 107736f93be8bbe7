#include "providers/local/bill.hpp"

namespace gpubroker::local {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

std::int64_t billed_end_ms(const NodeRecord& node) {
  const std::int64_t life = node.ended_at->ms - node.ready_at.ms;
  const std::int64_t unit = node.billing.unit.count();
  std::int64_t billed = (life / unit) * unit;
  if (billed < life) { billed += unit; }
  if (billed < node.billing.minimum.count()) { billed = node.billing.minimum.count(); }
  return node.ready_at.ms + billed;
}

/// Whole hours first, so that nothing leaves 64 bits: only the part of an hour is multiplied by the full
/// rate, and that again by hours' worth of the rate and its remainder apart.
std::int64_t amount_micros(std::int64_t micros_per_hour, std::int64_t length_ms) {
  const std::int64_t hours = length_ms / kHourMs;
  const std::int64_t rest_ms = length_ms % kHourMs;
  const std::int64_t per_ms = micros_per_hour / kHourMs;
  const std::int64_t rest_rate = micros_per_hour % kHourMs;
  const std::int64_t parts = rest_rate * rest_ms;  // below 1.3e13: in units of 1/3,600,000 micro-dollar
  std::int64_t micros = hours * micros_per_hour + per_ms * rest_ms + parts / kHourMs;
  if (2 * (parts % kHourMs) >= kHourMs) { ++micros; }
  return micros;
}

std::int64_t price_at(const std::vector<PricePoint>& prices, std::int64_t at_ms) {
  std::int64_t price = 0;
  for (const PricePoint& point : prices) {
    if (point.at.ms <= at_ms || &point == prices.data()) { price = point.price.micros_per_hour; }
  }
  return price;
}

void bill_node(const NodeRecord& node, const std::vector<PricePoint>& prices, std::vector<BillLine>& out) {
  const std::int64_t end = billed_end_ms(node);
  std::int64_t from = node.ready_at.ms;
  while (from < end) {
    std::int64_t to = end;
    for (const PricePoint& point : prices) {
      if (point.at.ms > from && point.at.ms < to) { to = point.at.ms; }
    }
    const std::int64_t price = price_at(prices, from);
    out.push_back({node.id, node.tags.workload, {from}, {to}, {price}, {amount_micros(price, to - from)}});
    from = to;
  }
}

}  // namespace

std::vector<BillLine> make_bill(const CloudRecord& record) {
  std::vector<BillLine> out;
  for (const NodeRecord& node : record.nodes) {
    const bool was_running = node.ended_at && *node.ended_at >= node.ready_at;
    const auto prices = record.prices.find(format_offer_key(node.offer));
    if (was_running && prices != record.prices.end()) { bill_node(node, prices->second, out); }
  }
  return out;
}

Result<std::vector<BillLine>> local_bill(Files& files, const std::string& folder) {
  const std::string path = folder + "/cloud.json";
  const Result<std::string> text = files.read(path);
  if (!text.ok() && text.error().kind == ErrorKind::not_found) { return std::vector<BillLine>{}; }
  if (!text.ok()) { return text.error(); }
  TRY(const CloudRecord record, parse_cloud(text.value(), path));
  return make_bill(record);
}

}  // namespace gpubroker::local
