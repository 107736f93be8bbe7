#pragma once
// The plan of a launch as it is shown: where, what, for how much, and why not elsewhere. Pure.
#include <string>
#include <vector>

#include "cmd/table.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {

/// Rows of the plan, best first, at most `most`.
Table plan_table(const std::vector<Judged>& judged, int nodes, std::size_t most);

/// {"schema":1,"event":"plan",…} with every offer, on one line.
std::string plan_json(const Task& task, const std::vector<Judged>& judged);

/// That nothing fits: what was looked for, at what price, how far. `what_next` is the hint unless a higher
/// price would do.
Error no_capacity(const Task& task, const std::vector<Judged>& judged, const std::string& what_next);

/// The offers worth naming in such an error: those that were refused for what they cost or lack, not for
/// being something else; all of them when there is no other.
std::vector<Judged> worth_naming(const std::vector<Judged>& judged);

/// "2 x local/us-east/c2/spot for 1.60 USD/h".
std::string price_tag(const Offer& offer, int nodes);

}  // namespace gpubroker
