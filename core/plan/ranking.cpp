#include "core/plan/ranking.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>
#include <unordered_map>

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

/// The checks of an offer against a need, in their order: of several needs, the one that came furthest is
/// told.
enum class Check : std::uint8_t {
  provider,
  region,
  zone,
  type,
  market,
  gpu,
  vcpus,
  memory,
  price,
  cpu,
  passed
};

Rate per_gpu_rounded_up(const Offer& offer) {
  // A price that is over a limit by less than a micro-dollar per GPU is over it.
  const std::int64_t price = offer.price.micros_per_hour;
  const std::int64_t count = offer.gpu.count;
  return {price / count + (price % count > 0 ? 1 : 0)};
}

bool is_dear(const Offer& offer, const ResourceNeed& need) {
  if (need.max_price && offer.price > *need.max_price) { return true; }
  return need.max_price_per_gpu && offer.gpu.count > 0 && per_gpu_rounded_up(offer) > *need.max_price_per_gpu;
}

/// The first check that fails. Called for every offer there is: nothing is allocated.
Check compare(const Offer& offer, const ResourceNeed& need) {
  const OfferKey& key = offer.key;
  if (!need.provider.empty() && need.provider != key.provider) { return Check::provider; }
  if (!is_one_of(need.regions, key.region)) { return Check::region; }
  if (!need.zone.empty() && need.zone != key.zone) { return Check::zone; }
  if (!need.instance_type.empty() && need.instance_type != key.instance_type) { return Check::type; }
  if (market_place(need, key.market) < 0) { return Check::market; }
  if (!matches(need.gpu, offer.gpu)) { return Check::gpu; }
  if (!fits(need.cpus, offer.vcpus)) { return Check::vcpus; }
  if (!fits(need.memory_mib, offer.memory_mib)) { return Check::memory; }
  if (is_dear(offer, need)) { return Check::price; }
  return offer.cpu_without_agent.empty() ? Check::passed : Check::cpu;
}

std::string above(Rate price, const char* unit, Rate most) {
  return "price " + format_money({price.micros_per_hour}) + unit + " above " +
         format_money({most.micros_per_hour});
}

/// A failed check in words, and in one word.
std::pair<std::string, std::string> explain(Check failed, const Offer& offer, const ResourceNeed& need) {
  switch (failed) {
    case Check::provider:
      return {"other provider", "place"};
    case Check::region:
      return {"other region", "place"};
    case Check::zone:
      return {"other zone", "place"};
    case Check::type:
      return {"other instance type", "size"};
    case Check::market:
      return {"other market", "market"};
    case Check::gpu:
      return {"other GPU", "gpu"};
    case Check::vcpus:
      return {"vCPUs: " + std::to_string(offer.vcpus), "size"};
    case Check::memory:
      return {"memory: " + std::to_string(offer.memory_mib) + " MiB", "size"};
    case Check::price:
      if (need.max_price && offer.price > *need.max_price) {
        return {above(offer.price, "", *need.max_price), "price"};
      }
      return {above(per_gpu_rounded_up(offer), " per GPU", need.max_price_per_gpu.value_or(Rate{})), "price"};
    case Check::cpu:
      return {"CPU " + offer.cpu_without_agent + ": this gpubroker carries no agent for it", "cpu"};
    case Check::passed:
      break;
  }
  return {};
}

constexpr int kMarketPlaces = 8;  // more than there are markets
constexpr int kNoPreference = std::numeric_limits<int>::max();

/// How an offer stands to all needs together.
struct Standing {
  int preference = kNoPreference;  // of the best need that it serves; kNoPreference: it serves none
  Check failed = Check::provider;  // of the nearest need
  std::size_t nearest = 0;
};

Standing stand(const Offer& offer, const GangNeed& need) {
  Standing standing;
  for (std::size_t i = 0; i < need.any_of.size(); ++i) {
    const Check check = compare(offer, need.any_of[i]);
    if (check == Check::passed) {
      // The best of all needs that it serves, so that their order means nothing where none was asked for.
      const int order = need.ordered ? static_cast<int>(i) * kMarketPlaces : 0;
      standing.preference =
          std::min(standing.preference, order + market_place(need.any_of[i], offer.key.market));
    } else if (check > standing.failed || i == 0) {
      standing.failed = check;
      standing.nearest = i;
    }
  }
  return standing;
}

/// Whether the gang can be had of an offer that serves a need.
bool is_free(const Offer& offer, const GangNeed& need) {
  return !offer.available || *offer.available >= need.nodes;
}

Judged judge(const Offer& offer, const GangNeed& need, const std::vector<Refusal>& refusals, Instant now) {
  if (need.any_of.empty()) {
    return {.offer = offer, .preference = kNoPreference, .why = "nothing was asked for"};
  }
  const Standing standing = stand(offer, need);
  Judged judged{.offer = offer, .preference = standing.preference};
  if (standing.preference == kNoPreference) {
    std::tie(judged.why, judged.kind) = explain(standing.failed, offer, need.any_of[standing.nearest]);
  } else if (const Refusal* refusal = find_refusal(refusals, offer.key, now)) {
    judged.why = "refused " + format_duration(now - refusal->at) +
                 " ago: " + std::string(to_string(refusal->kind)) +
                 (refusal->message.empty() ? "" : ": " + refusal->message);
    judged.kind = std::string(to_string(refusal->kind));
  } else if (!is_free(offer, need)) {
    judged.why = std::to_string(*offer.available) + " of " + std::to_string(need.nodes) + " free";
    judged.kind = std::string(to_string(ErrorKind::capacity));
  }
  return judged;
}

/// What a machine-hour comes to when the tries that fail are counted in: an offer that was refused a moment
/// ago has half a chance, and is asked first only where the next one costs more than twice as much.
Rate expected_price(const Offer& offer) {
  constexpr std::int64_t kCertain = 100;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / kCertain;
  return {std::min(offer.price.micros_per_hour, kMost) * kCertain / std::clamp(offer.chance_percent, 1, 100)};
}

/// A candidate in the order of preference, expected price, name.
struct Placed {
  int preference = 0;
  Rate expected = {};
  const Offer* offer = nullptr;
};

bool is_better(const Placed& a, const Placed& b) {
  if (a.preference != b.preference) { return a.preference < b.preference; }
  if (a.expected != b.expected) { return a.expected < b.expected; }
  return std::tie(a.offer->key, a.offer->price) < std::tie(b.offer->key, b.offer->price);
}

/// What is refused at one moment, by provider: most offers are of others.
class Refused {
 public:
  Refused(const std::vector<Refusal>& refusals, Instant now) : now_(now) {
    for (const Refusal& refusal : refusals) {
      if (refusal.until > now) { by_provider_[refusal.key.provider].push_back(refusal); }
    }
  }
  [[nodiscard]] bool contains(const OfferKey& key) const {
    if (by_provider_.empty()) { return false; }
    const auto found = by_provider_.find(key.provider);
    return found != by_provider_.end() && find_refusal(found->second, key, now_) != nullptr;
  }

 private:
  Instant now_;
  std::unordered_map<std::string, std::vector<Refusal>> by_provider_ = {};
};

}  // namespace

Candidates find_candidates(const std::vector<Offer>& offers, const GangNeed& need,
                           const std::vector<Refusal>& refusals, Instant now, std::size_t most) {
  const Refused refused(refusals, now);
  std::vector<Placed> found;
  for (const Offer& offer : offers) {
    const int preference = stand(offer, need).preference;
    if (preference == kNoPreference || !is_free(offer, need) || refused.contains(offer.key)) { continue; }
    found.push_back({preference, expected_price(offer), &offer});
  }
  const std::size_t shown = std::min(most, found.size());
  if (shown < found.size()) {
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(shown), found.end(),
                     is_better);
  }
  std::sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(shown), is_better);
  Candidates candidates{.count = found.size(), .of = offers.size()};
  candidates.best.reserve(shown);
  for (std::size_t i = 0; i < shown; ++i) { candidates.best.push_back(found[i].offer); }
  return candidates;
}

std::vector<Judged> rank_offers(const std::vector<Offer>& offers, const GangNeed& need,
                                const std::vector<Refusal>& refusals, Instant now) {
  std::vector<Judged> all;
  all.reserve(offers.size());
  for (const Offer& offer : offers) { all.push_back(judge(offer, need, refusals, now)); }
  std::sort(all.begin(), all.end(), [](const Judged& a, const Judged& b) {
    if (a.why.empty() != b.why.empty()) { return a.why.empty(); }
    if (a.why.empty()) {
      return is_better({a.preference, expected_price(a.offer), &a.offer},
                       {b.preference, expected_price(b.offer), &b.offer});
    }
    return std::tie(a.offer.key, a.offer.price, a.why) < std::tie(b.offer.key, b.offer.price, b.why);
  });
  return all;
}

}  // namespace gpubroker
