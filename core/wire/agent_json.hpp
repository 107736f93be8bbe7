#pragma once
#include "core/wire/agent_wire.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker {

/// The report that is one value of a larger document (a journal row), so that its text is read once. To be
/// called inside read_flat only. Fails as parse_agent_report does.
Result<AgentReport> read_agent_report(const FlatValue& from);
/// Writes it as a value of a text that holds more, in the form of encode_agent_report.
void write_agent_report(FlatWriter& json, const AgentReport& report);

/// The same of a part that tasks and the agent's specs share.
CheckpointSpec read_checkpoint_spec(const FlatValue& from);
void write_checkpoint_spec(FlatWriter& json, const CheckpointSpec& spec);

}  // namespace gpubroker
