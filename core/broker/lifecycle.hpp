#pragma once
// The states of a workload and the ways between them: the one table.
#include <cstdint>
#include <optional>
#include <string_view>

namespace gpubroker {

enum class Phase : std::uint8_t {
  queued,        // wants a gang and holds none
  provisioning,  // a gang is asked for, or boots
  starting,      // all nodes are up; agents are being started, setup runs
  running,       // the job runs on all nodes
  migrating,     // the job runs; the gang it will move to is asked for, boots, or waits for the job to save
  recovering,    // the gang was lost; what is left of it is being given back
  stopping,      // the user, the budget or the clock ended it; the job saves and the gang is given back
  stopped,       // saved, holds nothing; `start` goes on
  succeeded,
  failed,
  cancelled,  // by `down`
  expired,    // by --ttl
};

std::string_view to_string(Phase phase);
std::optional<Phase> phase_from(std::string_view name);

/// Whether the table allows this step. A phase never steps to itself.
bool may_step(Phase from, Phase to);

/// succeeded, failed, cancelled, expired: nothing follows.
bool is_final(Phase phase);

}  // namespace gpubroker
