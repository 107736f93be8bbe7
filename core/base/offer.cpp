#include "core/base/offer.hpp"

#include <array>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::array<std::string_view, 5> kMarkets = {"on_demand", "spot", "flex", "block", "contract"};

}  // namespace

std::string_view to_string(Market market) {
  return kMarkets.at(static_cast<std::size_t>(market));
}

std::optional<Market> market_from(std::string_view name) {
  if (name == "on-demand" || name == "ondemand") { return Market::on_demand; }
  for (std::size_t i = 0; i < kMarkets.size(); ++i) {
    if (kMarkets.at(i) == name) { return static_cast<Market>(i); }
  }
  return std::nullopt;
}

std::string format_offer_key(const OfferKey& key) {
  std::vector<std::string> parts = {key.provider, key.region};
  if (!key.zone.empty()) { parts.push_back(key.zone); }
  parts.push_back(key.instance_type);
  parts.emplace_back(to_string(key.market));
  return join(parts, "/");
}

}  // namespace gpubroker
