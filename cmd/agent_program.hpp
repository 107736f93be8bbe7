#pragma once
#include <string>
#include <vector>

#include "core/net/ssh_channel.hpp"

namespace gpubroker {

/// The programs that nodes are given (cmd/agent/main.cpp, for Linux) by CPU, the likeliest first.
/// Compressed by gzip: every node can unpack that.
std::vector<NodeProgram> agent_programs();

/// Their CPUs.
std::vector<std::string> agent_cpus();

}  // namespace gpubroker
