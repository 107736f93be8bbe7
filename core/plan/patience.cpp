#include "core/plan/patience.hpp"

#include <algorithm>

namespace gpubroker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kMostRepeats = 12;

Millis doubling(Millis first, Millis most, int tries) {
  Millis delay = first;
  for (int i = 1; i < tries && delay < most; ++i) { delay *= 2; }
  return std::min(delay, most);
}

bool covers(const Refusal& refusal, const OfferKey& key) {
  const bool same_type = refusal.key.instance_type == key.instance_type && refusal.key.market == key.market;
  const bool same_region = refusal.key.provider == key.provider && refusal.key.region == key.region;
  switch (refusal.scope) {
    case ErrorScope::request:
    case ErrorScope::offer:
      return refusal.key == key;
    case ErrorScope::zone:
      return same_region && refusal.key.zone == key.zone && same_type;
    case ErrorScope::region:
      return same_region && (refusal.kind == ErrorKind::quota || same_type);
    case ErrorScope::account:
      return refusal.key.provider == key.provider;
  }
  return false;
}

}  // namespace

Patience react(const Error& error, int tries) {
  const Millis backoff = doubling(Millis{500}, seconds{60}, tries);
  switch (error.kind) {
    case ErrorKind::capacity:
      return {Reaction::elsewhere, doubling(seconds{30}, minutes{10}, tries)};
    case ErrorKind::quota:
      return {Reaction::elsewhere, minutes{10}};
    case ErrorKind::throttled:
      return {tries < kMostRepeats ? Reaction::repeat : Reaction::elsewhere,
              error.retry_after.value_or(backoff)};
    case ErrorKind::network:
    case ErrorKind::conflict:
      return {tries < kMostRepeats ? Reaction::repeat : Reaction::elsewhere, backoff};
    case ErrorKind::not_found:
      return {Reaction::elsewhere, minutes{10}};  // the offer is no longer sold
    case ErrorKind::auth:
    case ErrorKind::invalid:
    case ErrorKind::internal:
      return {Reaction::give_up, Millis{0}};
  }
  return {};
}

Millis pause_after_fruitless(int fruitless) {
  return fruitless < 2 ? Millis{0} : doubling(seconds{5}, minutes{10}, fruitless - 1);
}

const Refusal* find_refusal(const std::vector<Refusal>& refusals, const OfferKey& key, Instant now) {
  const Refusal* found = nullptr;
  for (const Refusal& refusal : refusals) {
    if (refusal.until > now && covers(refusal, key) && (found == nullptr || refusal.until > found->until)) {
      found = &refusal;
    }
  }
  return found;
}

int count_refusals(const std::vector<Refusal>& refusals, const OfferKey& key) {
  return static_cast<int>(std::count_if(refusals.begin(), refusals.end(), [&](const Refusal& refusal) {
    return refusal.kind == ErrorKind::capacity && refusal.key == key;
  }));
}

}  // namespace gpubroker
