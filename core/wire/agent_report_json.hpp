#pragma once
#include "core/wire/agent_wire.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker {

/// The report that is one value of a larger document (a journal row), so that its text is read once. To be
/// called inside read_flat only. Fails as parse_agent_report does.
Result<AgentReport> read_agent_report(const FlatValue& from);

}  // namespace gpubroker
