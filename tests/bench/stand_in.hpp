#pragma once
// One gang of many nodes whose channel takes as long as an ssh session: how soon all of them run the command.
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker::bench {

struct StandInOptions {
  int nodes = 256;
  Millis call{150};  // how long each call of the channel takes
  int threads = 16;  // of the supervisor's pool, as `supervise` has it
};

struct StandInFigures {
  double up_to_running_s = 0;  // from the list that shows all nodes up to the recorded phase "running"
  double up_to_started_s = 0;  // to the last agent's start
  int calls = 0;               // of the channel until then
  int most_at_once = 0;        // of them
};

/// Books one gang, lets its machines be up at once, and takes the time. Real threads, the real clock, a
/// journal in memory; nothing else is in the way.
Result<StandInFigures> run_stand_in(const StandInOptions& options);

}  // namespace gpubroker::bench
