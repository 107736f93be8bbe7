#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::local {

/// What a machine is told when it is started; it knows nothing else of its cloud.
struct MachineOptions {
  NodeId node = {};
  std::string root = {};
  std::optional<Instant> preempt_at = {};
  Millis notice{0};  // before preempt_at; zero: none
  std::optional<Instant> expires = {};
  bool operator==(const MachineOptions&) const = default;
};

struct MachineParts {
  Clock& clock;
  Files& files;
  Processes& processes;
};

/// `--root … --node …` and back. parse_machine_arguments fails with `invalid`.
std::vector<std::string> machine_arguments(const MachineOptions& options);
Result<MachineOptions> parse_machine_arguments(const std::vector<std::string>& arguments);

/// <root>/preempt.json: the cloud has decided on this machine's end after it was started
/// (LocalProvider::preempt).
inline constexpr std::string_view kPreemptFile = "preempt.json";
struct PreemptOrder {
  Instant at = {};
  Millis notice{0};
};
std::string encode_preempt(const PreemptOrder& order);
Result<PreemptOrder> parse_preempt(std::string_view text);

/// The process that is a local node: `gpubroker local-machine <arguments>`. It gives the notice, takes the
/// machine at preempt_at or at its death date with everything that runs on it, wipes its disk and returns. It
/// also returns when its root is gone: then the cloud has ended it. The cloud may be away all the while.
Status run_local_machine(MachineParts parts, const MachineOptions& started);

/// SIGKILL to every process of the node, until none is left. `internal` when some stay for 5 s.
Status end_processes(Clock& clock, Processes& processes, const NodeId& node);

}  // namespace gpubroker::local
