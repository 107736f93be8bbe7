#include "core/plan/probing.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

/// Candidates that are looked through for clouds: one cloud may have all of the best.
constexpr std::size_t kMostCandidates = 64;

}  // namespace

std::vector<std::string> clouds_to_ask(const std::vector<Offer>& offers, const GangNeed& need,
                                       const std::vector<Refusal>& refusals, Instant now) {
  const bool was_wrong = std::any_of(refusals.begin(), refusals.end(), [&](const Refusal& refusal) {
    return refusal.kind == ErrorKind::capacity && now - refusal.at < kFreshStock;
  });
  if (!was_wrong) { return {}; }
  std::vector<std::string> clouds;
  for (const Offer* const offer : find_candidates(offers, need, refusals, now, kMostCandidates).best) {
    const std::string& cloud = offer->key.provider;
    const bool is_fresh = now - offer->learnt_at < kFreshStock && offer->learnt_at <= now;
    const bool is_known = std::find(clouds.begin(), clouds.end(), cloud) != clouds.end();
    if (!is_fresh && !is_known) { clouds.push_back(cloud); }
    if (clouds.size() == kMostProbed) { break; }
  }
  return clouds;
}

}  // namespace gpubroker
