#pragma once
#include <string>

#include "core/broker/decide.hpp"
#include "core/broker/state.hpp"

namespace gpubroker {

/// What is to be thought of a gang whose machines were all up. At most one of `end` and `drain` is set.
struct GangVerdict {
  AttemptEnd end = AttemptEnd::none;    // it is over
  AttemptEnd drain = AttemptEnd::none;  // it must save and leave
  std::string reason = {};
};

/// Looks at machines first, then at agents, then at progress: a node lost at once leaves the other ranks
/// hanging in all_reduce without a word, and their exit codes do not tell what happened.
GangVerdict judge_gang(const WorkloadState& state, const Attempt& attempt, const World& world,
                       const Limits& limits, Instant now);

/// How an attempt ends whose machine ended like this.
AttemptEnd end_of(const NodeView& node);

}  // namespace gpubroker
