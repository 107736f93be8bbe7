#include "core/plan/ranking.hpp"

#include <algorithm>
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

/// A reason in words, and its kind.
struct Mismatch {
  std::string why = {};
  std::string kind = {};
};

/// Why `offer` does not serve `need`, or empty.
Mismatch mismatch(const Offer& offer, const ResourceNeed& need) {
  const OfferKey& key = offer.key;
  if (!need.provider.empty() && need.provider != key.provider) { return {"other provider", "place"}; }
  if (!is_one_of(need.regions, key.region)) { return {"other region", "place"}; }
  if (!need.zone.empty() && need.zone != key.zone) { return {"other zone", "place"}; }
  if (!need.instance_type.empty() && need.instance_type != key.instance_type) {
    return {"other instance type", "size"};
  }
  if (market_place(need, key.market) < 0) { return {"other market", "market"}; }
  if (!matches(need.gpu, offer.gpu)) { return {"other GPU", "gpu"}; }
  if (!fits(need.cpus, offer.vcpus)) { return {"vCPUs: " + std::to_string(offer.vcpus), "size"}; }
  if (!fits(need.memory_mib, offer.memory_mib)) {
    return {"memory: " + std::to_string(offer.memory_mib) + " MiB", "size"};
  }
  if (need.max_price && offer.price > *need.max_price) {
    return {"price " + format_money({offer.price.micros_per_hour}) + " above " +
                format_money({need.max_price->micros_per_hour}),
            "price"};
  }
  if (need.max_price_per_gpu && offer.gpu.count > 0) {
    const std::int64_t per_gpu = offer.price.micros_per_hour / offer.gpu.count;
    if (per_gpu > need.max_price_per_gpu->micros_per_hour) {
      return {"price " + format_money({per_gpu}) + " per GPU above " +
                  format_money({need.max_price_per_gpu->micros_per_hour}),
              "price"};
    }
  }
  return {};
}

constexpr int kMarketPlaces = 8;  // more than there are markets

Judged judge(const Offer& offer, const GangNeed& need, const std::vector<Refusal>& refusals, Instant now) {
  Judged judged{.offer = offer, .preference = 0, .why = "nothing was asked for"};
  for (std::size_t i = 0; i < need.any_of.size(); ++i) {
    Mismatch found = mismatch(offer, need.any_of[i]);
    judged.why = std::move(found.why);
    judged.kind = std::move(found.kind);
    if (judged.why.empty()) {
      const int order = need.ordered ? static_cast<int>(i) * kMarketPlaces : 0;
      judged.preference = order + market_place(need.any_of[i], offer.key.market);
      break;
    }
  }
  if (!judged.why.empty()) { return judged; }
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
      return std::make_tuple(!j.why.empty(), j.why.empty() ? j.preference : 0,
                             j.why.empty() ? j.offer.price.micros_per_hour : 0);
    };
    const auto left = rank(a);
    const auto right = rank(b);
    return left != right ? left < right : a.offer.key < b.offer.key;
  });
  return all;
}

}  // namespace gpubroker
