#include "catalog/live_offers.hpp"

#include <algorithm>
#include <optional>

#include "core/base/log.hpp"

namespace gpubroker {

Result<std::vector<Offer>> LiveOffers::offers() {
  std::vector<Offer> out;
  std::optional<Error> first_error;
  bool any_answered = false;
  for (Provider* provider : providers_) {
    if (provider->prices() == nullptr) { continue; }  // the catalog knows its offers
    Result<std::vector<Offer>> offers = provider->prices()->offers();
    if (!offers.ok()) {
      log_event(LogLevel::warn, "catalog.provider_failed",
                {{"provider", provider->name()}, {"kind", std::string(to_string(offers.error().kind))}});
      if (!first_error) { first_error = offers.error(); }
      continue;
    }
    any_answered = true;
    for (Offer& offer : offers.value()) { out.push_back(std::move(offer)); }
  }
  if (!any_answered && first_error) { return *first_error; }
  std::sort(out.begin(), out.end(), [](const Offer& a, const Offer& b) { return a.key < b.key; });
  return out;
}

}  // namespace gpubroker
