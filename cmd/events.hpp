#pragma once
// What `launch --json` and `attach --json` print: one object a line, each with "schema", "event", "at" and
// "workload"; documented in README.md. Pure.
#include <string>

#include "core/broker/state.hpp"

namespace gpubroker {

struct OutputLine;

std::string launched_event(const WorkloadId& id, bool already, Instant at);
std::string phase_event(const WorkloadState& state, Instant at);
std::string waiting_event(const WorkloadState& state, Instant at);
std::string attempt_over_event(const WorkloadState& state, const Attempt& attempt, Instant at);
std::string progress_event(const WorkloadState& state, Instant at);
/// While agents are brought to the nodes of an attempt.
std::string starting_event(const WorkloadState& state, const Attempt& attempt, Instant at);
std::string output_event(const WorkloadId& id, const OutputLine& line, Instant at);
std::string detached_event(const WorkloadId& id, Instant at);
/// The last line: the object of `status NAME --json` with "event":"over".
std::string over_event(const WorkloadState& state, Instant at);

/// The highest step of any attempt; -1: none.
std::int64_t last_step(const WorkloadState& state);

/// How many nodes of an attempt have been given their agent.
std::size_t count_started(const Attempt& attempt);

}  // namespace gpubroker
