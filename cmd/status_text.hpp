#pragma once
// `status` in words and columns. Pure.
#include <string>
#include <vector>

#include "cmd/table.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {

/// How it is written: for a terminal with relative times, else UTC.
struct Look {
  bool relative = false;
  bool color = false;
};

Table workload_table(const std::vector<WorkloadRow>& rows, Instant now, Look look);

/// All about one workload. With `every_try` also what the cloud said to each call and what was ruled out.
std::string workload_text(const WorkloadState& state, Instant now, bool every_try, Look look);

Table machine_table(const std::vector<FoundNode>& found, Instant now, Look look);
std::string machines_json(const std::vector<FoundNode>& found, const std::vector<FoundLeftover>& leftovers);
Table leftover_table(const std::vector<FoundLeftover>& found);

}  // namespace gpubroker
