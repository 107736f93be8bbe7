#pragma once
// SIGINT and SIGTERM, as a wish to leave.

namespace gpubroker {

enum class SecondSignal { is_ignored, leaves_at_once };

/// From here on the first signal only sets what was_interrupted() tells. A second one may end the process at
/// once, with 130: for commands that a person looks at.
void watch_interrupts(SecondSignal second);

bool was_interrupted();

}  // namespace gpubroker
