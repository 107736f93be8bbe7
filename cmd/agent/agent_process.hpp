#pragma once
// What an agent is made of, whichever main() it has: `gpubroker agent` on this machine, gpubroker-agent on
// nodes.
#include <functional>
#include <string>

#include "cmd/agent/network.hpp"
#include "core/ports/files.hpp"

namespace gpubroker {

struct AgentOptions {
  std::string root;
  int attempt = 0;
};

/// Runs the attempt to its end (core/agent/agent.hpp). `stopping`: SIGTERM has come.
Status run_agent_process(const AgentOptions& options, Clock& clock, Files& files, Processes& processes,
                         Network& network, const std::function<bool()>& stopping);

}  // namespace gpubroker
