#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/notice_source.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

/// What an agent is built from.
struct AgentParts {
  Clock& clock;
  Files& files;
  Processes& processes;
  /// How a machine of this provider is told of its end besides by file; may be empty, may give null.
  std::function<std::unique_ptr<NoticeSource>(const std::string& provider)> notices = {};
  /// What a checkpoint store in the network is reached with, asked only when the job has one; from any
  /// thread. Empty: stores are folders.
  std::function<Result<StoreNetwork>()> network = {};
};

/// Runs one node of one attempt to its end: `<root>/attempts/<attempt>` holds spec.json (see
/// core/wire/agent_wire.hpp). A second agent on the same folder leaves at once (`conflict`): the first one
/// goes on. After a crash of the agent itself a new one on the same folder ends what the old one left running
/// and reports the attempt as exited, never runs it twice. `stopping` is looked at often; true means: end the
/// tree, report, return (SIGTERM to the agent).
Status run_agent(AgentParts parts, const std::string& root, int attempt,
                 const std::function<bool()>& stopping);

}  // namespace gpubroker
