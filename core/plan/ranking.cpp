#include "core/plan/ranking.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace gpubroker {
namespace {

bool fits(const std::optional<SizeNeed>& need, std::int64_t have) {
  return !need || (need->exact ? have == need->amount : have >= need->amount);
}

bool is_one_of(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

/// The market's place in the list of the wanted, or -1.
int market_place(const ResourceNeed& need, Market market) {
  const auto at = std::find(need.markets.begin(), need.markets.end(), market);
  return at == need.markets.end() ? -1 : static_cast<int>(at - need.markets.begin());
}

/// Why an offer does not serve a need. `passed` counts the checks that held before it failed: of several
/// needs, the one that came nearest is told.
struct Mismatch {
  int passed = 0;
  std::string why = {};  // empty: it serves
  std::string kind = {};
};

std::string above(std::int64_t price_micros, const char* unit, Rate most) {
  return "price " + format_money({price_micros}) + unit + " above " + format_money({most.micros_per_hour});
}

std::string price_mismatch(const Offer& offer, const ResourceNeed& need) {
  const std::int64_t price = offer.price.micros_per_hour;
  if (need.max_price && offer.price > *need.max_price) { return above(price, "", *need.max_price); }
  if (need.max_price_per_gpu && offer.gpu.count > 0) {
    // Rounded up: a price that is over the limit by less than a micro-dollar per GPU is over it.
    const std::int64_t count = offer.gpu.count;
    const std::int64_t per_gpu = price / count + (price % count > 0 ? 1 : 0);
    if (per_gpu > need.max_price_per_gpu->micros_per_hour) {
      return above(per_gpu, " per GPU", *need.max_price_per_gpu);
    }
  }
  return {};
}

Mismatch compare(const Offer& offer, const ResourceNeed& need) {
  const OfferKey& key = offer.key;
  if (!need.provider.empty() && need.provider != key.provider) { return {0, "other provider", "place"}; }
  if (!is_one_of(need.regions, key.region)) { return {1, "other region", "place"}; }
  if (!need.zone.empty() && need.zone != key.zone) { return {2, "other zone", "place"}; }
  if (!need.instance_type.empty() && need.instance_type != key.instance_type) {
    return {3, "other instance type", "size"};
  }
  if (market_place(need, key.market) < 0) { return {4, "other market", "market"}; }
  if (!matches(need.gpu, offer.gpu)) { return {5, "other GPU", "gpu"}; }
  if (!fits(need.cpus, offer.vcpus)) { return {6, "vCPUs: " + std::to_string(offer.vcpus), "size"}; }
  if (!fits(need.memory_mib, offer.memory_mib)) {
    return {7, "memory: " + std::to_string(offer.memory_mib) + " MiB", "size"};
  }
  return {8, price_mismatch(offer, need), "price"};
}

constexpr int kMarketPlaces = 8;  // more than there are markets
constexpr int kNoPreference = std::numeric_limits<int>::max();

Judged judge(const Offer& offer, const GangNeed& need, const std::vector<Refusal>& refusals, Instant now) {
  Judged judged{.offer = offer, .preference = kNoPreference, .why = "nothing was asked for"};
  int nearest = -1;
  for (std::size_t i = 0; i < need.any_of.size(); ++i) {
    const Mismatch mismatch = compare(offer, need.any_of[i]);
    if (mismatch.why.empty()) {
      // The best of all needs that it serves, so that their order means nothing where none was asked for.
      const int order = need.ordered ? static_cast<int>(i) * kMarketPlaces : 0;
      judged.preference = std::min(judged.preference, order + market_place(need.any_of[i], offer.key.market));
    } else if (mismatch.passed > nearest) {
      nearest = mismatch.passed;
      judged.why = mismatch.why;
      judged.kind = mismatch.kind;
    }
  }
  if (judged.preference == kNoPreference) { return judged; }
  judged.why.clear();
  judged.kind.clear();
  if (const Refusal* refusal = find_refusal(refusals, offer.key, now)) {
    judged.why = "refused " + format_duration(now - refusal->at) +
                 " ago: " + std::string(to_string(refusal->kind)) +
                 (refusal->message.empty() ? "" : ": " + refusal->message);
    judged.kind = std::string(to_string(refusal->kind));
  } else if (offer.available && *offer.available < need.nodes) {
    judged.why = std::to_string(*offer.available) + " of " + std::to_string(need.nodes) + " free";
    judged.kind = std::string(to_string(ErrorKind::capacity));
  }
  return judged;
}

}  // namespace

std::vector<Judged> rank_offers(const std::vector<Offer>& offers, const GangNeed& need,
                                const std::vector<Refusal>& refusals, Instant now) {
  std::vector<Judged> all;
  all.reserve(offers.size());
  for (const Offer& offer : offers) { all.push_back(judge(offer, need, refusals, now)); }
  std::sort(all.begin(), all.end(), [](const Judged& a, const Judged& b) {
    const auto rank = [](const Judged& j) {
      const bool candidate = j.why.empty();
      return std::make_tuple(!candidate, candidate ? j.preference : 0, candidate ? j.offer.price : Rate{});
    };
    const auto left = rank(a);
    const auto right = rank(b);
    if (left != right) { return left < right; }
    return std::tie(a.offer.key, a.offer.price, a.why) < std::tie(b.offer.key, b.offer.price, b.why);
  });
  return all;
}

}  // namespace gpubroker
