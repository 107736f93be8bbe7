#pragma once
#include <optional>
#include <string>

#include "core/broker/broker.hpp"

namespace gpubroker {

/// What a deed brought, when it succeeded; the fields of OutcomeRecord.
struct DeedResult {
  std::vector<NodeView> nodes = {};
  std::optional<CheckpointId> checkpoint = {};
  std::int64_t step = -1;
  std::vector<ChargeRow> charges = {};
};

/// What a deed needs to know of its workload, copied so that it can run on any thread.
struct DeedContext {
  WorkloadId workload = {};
  std::string owner = {};
  std::string store = {};    // of checkpoints; empty: none
  std::string archive = {};  // packed workdir and mounts; empty: none
  std::string secrets = {};  // text of secrets.json; empty: none
  int attempt = 0;
};

/// Does it: plain blocking calls through the ports.
Result<DeedResult> perform(const Action& action, const DeedContext& context, const SupervisorParts& parts);

/// One look at an agent: its report, and its new output kept on this machine. The report is read first, so
/// that the output of an agent that says it has exited is whole.
Result<AgentReport> look_at_agent(const NodeAddress& node, const DeedContext& context, int rank,
                                  NodeChannel& channel, const SupervisorParts& parts);

}  // namespace gpubroker
