#include "catalog/price_context.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

constexpr std::size_t kRegionsForMedian = 4;
constexpr std::size_t kOffersForMedian = 3;

std::optional<Rate> median(std::vector<std::int64_t>& values, std::size_t least) {
  if (values.size() < least) { return std::nullopt; }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return Rate{*middle};
}

/// Asks of a market and machines of several sellers differ by whose they are; they say nothing of each
/// other.
bool is_comparable(const Incoming& row) {
  return row.key.market == static_cast<std::int64_t>(Market::on_demand) && row.listing->variant.empty() &&
         row.listing->seller.empty();
}

SeriesKey group_of(const Incoming& row) {
  return {.type = row.key.type, .model = row.key.model, .count = row.key.count};
}

SeriesKey key_of(const SeriesKey& key, std::int64_t region) {
  return {.place = region, .type = key.type, .model = key.model, .count = key.count};
}

}  // namespace

void Medians::add(const Incoming& row) {
  const std::int64_t price = row.listing->offer.price.micros_per_hour;
  if (price <= 0 || !is_comparable(row)) { return; }
  if (const GpuModel* model = row.gpu->model(); model != nullptr && row.key.count > 0) {
    models_[row.key.model].push_back(price / row.key.count);
  }
  types_[group_of(row)].emplace_back(row.region, price);
}

void Medians::finish() {
  for (auto& group : types_) {
    std::vector<std::pair<std::int64_t, std::int64_t>>& prices = group.second;
    std::sort(prices.begin(), prices.end());  // of a region the cheapest first
    std::vector<std::int64_t> regions;
    for (std::size_t i = 0; i < prices.size(); ++i) {
      if (i == 0 || prices[i].first != prices[i - 1].first) { regions.push_back(prices[i].second); }
    }
    type_medians_[group.first] = median(regions, kRegionsForMedian);
  }
  for (auto& group : models_) { model_medians_[group.first] = median(group.second, kOffersForMedian); }
}

void Medians::tell(const Incoming& row, GateFacts& facts) const {
  if (is_comparable(row)) {
    const auto type = type_medians_.find(group_of(row));
    if (type != type_medians_.end()) { facts.neighbours = type->second; }
  }
  const auto model = model_medians_.find(row.key.model);
  if (model != model_medians_.end()) { facts.model_per_gpu = model->second; }
}

void OnDemand::add(const SeriesKey& key, std::int64_t region, const std::string& variant, Rate price) {
  if (variant.empty()) {
    const auto [at, fresh] = prices_.try_emplace(key_of(key, region), price);
    if (!fresh) { at->second = std::min(at->second, price); }
  } else {
    asks_[key_of(key, region)].insert_or_assign(variant, price);
  }
}

std::optional<Rate> OnDemand::find(const Incoming& row) const {
  const SeriesKey key = key_of(row.key, row.region);
  if (row.listing->variant.empty()) {
    const auto at = prices_.find(key);
    return at == prices_.end() ? std::nullopt : std::optional(at->second);
  }
  const auto place = asks_.find(key);
  if (place == asks_.end()) { return std::nullopt; }
  const auto at = place->second.find(row.listing->variant);
  return at == place->second.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace gpubroker
