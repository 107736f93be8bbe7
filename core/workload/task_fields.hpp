#pragma once
// The values that fields of a task file and flags of a command share.
#include <string>
#include <vector>

#include "core/base/resources.hpp"
#include "core/base/result.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// "8", "8+", and for memory "32", "32+", "64GB+": numbers are GB there. Fails with `invalid`.
Result<SizeNeed> parse_size(const std::string& text, bool is_memory);

/// "2.80/gpu-hour", "12/hour", "12", "$12": per machine unless it says gpu.
Status set_max_price(ResourceNeed& need, const std::string& text);

/// "aws", "aws/us-east-1", "aws/us-east-1/us-east-1a", "*".
Status set_infra(ResourceNeed& need, const std::string& text);

Result<Market> parse_market(const std::string& text);
Result<Money> parse_budget(const std::string& text);

/// Lower-case letters, digits and dashes, at most 40, beginning and ending with a letter or digit. The hint
/// of its error is the nearest good one.
Status check_name(const std::string& name);

/// The nearest name that check_name likes; empty when nothing is left of it.
std::string nearest_name(const std::string& name);

/// A name that a shell can use: letters, digits and '_', not beginning with a digit.
Status check_env_name(const std::string& name);

}  // namespace gpubroker
