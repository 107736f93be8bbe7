#pragma once
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/offer.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// What to do after a call failed. Decided from the error's kind alone.
enum class Reaction {
  repeat,     // the same call with the same token, after the delay
  elsewhere,  // this offer (or more, see the scope) is ruled out for the delay: the next one
  give_up,    // stop and tell the user
};

struct Patience {
  Reaction reaction = Reaction::give_up;
  Millis delay{0};
};

/// `tries` counts failures of this call so far, this one included (1 and up). Delays double from 0.5 s to 60
/// s for repeats; capacity is remembered for 30 s doubling to 10 min, quota for 10 min. Repeats end after 12
/// tries and become `elsewhere`.
Patience react(const Error& error, int tries);

/// How long to wait before the next gang when the last `fruitless` ones were lost or failed without bringing
/// the job further: nothing after the first, then 5 s doubling to 10 min. A machine that cannot even start
/// the job must not be bought in a loop.
Millis pause_after_fruitless(int fruitless);
/// So many in a row end the workload.
inline constexpr int kMostFruitless = 8;

/// Something that was refused, and until when it is not worth asking again: negative memory.
struct Refusal {
  OfferKey key = {};
  ErrorScope scope = ErrorScope::offer;
  ErrorKind kind = ErrorKind::capacity;
  std::string code = {};
  std::string message = {};
  Instant at = {};
  Instant until = {};
  bool operator==(const Refusal&) const = default;
};

/// The refusal that rules `key` out at `now`, or null. Scope zone covers the zone of that type and market …
/// account the whole provider. Quota refusals of scope region hold for all types of the region; capacity ones
/// for that type and market.
const Refusal* find_refusal(const std::vector<Refusal>& refusals, const OfferKey& key, Instant now);

/// How often this very offer was refused for want of capacity, as far as it is remembered: the failures
/// before this one, for the `tries` of react.
int count_refusals(const std::vector<Refusal>& refusals, const OfferKey& key);

}  // namespace gpubroker
