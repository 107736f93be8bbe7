#pragma once
#include <string>

#include "core/agent/agent.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker {

/// Unpacks `<folder>/files.tar` (workdir/… and mounts/<i>) below `root` and puts each mount at its target. On
/// a node that shares a machine with others nothing is written outside of `root`: "~" is `<root>/home` there,
/// and an absolute target is refused, as is one that a link leads outside.
Status unpack_files(AgentParts parts, const AgentSpec& spec, const std::string& root,
                    const std::string& folder);

/// The home folder of the job's processes when it is not the node's own; empty: the node's own.
std::string home_of_job(const AgentSpec& spec, const std::string& root);

}  // namespace gpubroker
