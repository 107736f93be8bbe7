#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/money.hpp"
#include "core/base/resources.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker {

class FlatValue;

/// A secret's name and where its value comes from when an agent starts.
struct SecretNeed {
  std::string name = {};  // the environment variable the job sees
  std::string file = {};  // read from this file; empty: from the environment variable of the same name
  bool operator==(const SecretNeed&) const = default;
};

/// A local path to be put on every node: `target` is the path there.
struct FileMount {
  std::string target = {};
  std::string source = {};
  bool operator==(const FileMount&) const = default;
};

/// What the user wants to run, read and checked. A value: two equal files give equal tasks.
struct Task {
  std::string name = {};
  std::vector<ResourceNeed> needs = {ResourceNeed{}};  // any of these …
  bool ordered = false;                                // … in this order of preference, not by price
  int num_nodes = 1;
  std::string workdir = {};  // absolute; empty: none
  std::map<std::string, std::string> envs = {};
  std::vector<SecretNeed> secrets = {};
  std::vector<FileMount> file_mounts = {};
  std::map<std::string, std::string> labels = {};
  std::string setup = {};
  std::string run = {};
  CheckpointSpec checkpoint = {};
  /// No step for so long after the first one: hung, restart from the checkpoint. Zero: never. Nothing: judged
  /// by the job's own pace.
  std::optional<Millis> stall = {};
  std::optional<Millis> deadline = {};  // from launch
  std::optional<Money> budget = {};
  std::optional<Millis> ttl = {};  // machines end so long after launch, come what may
  int max_restarts = 3;            // after the job's own failures; losses of machines do not count
  bool operator==(const Task&) const = default;
};

/// A remark that does not stop the launch: "train.yaml:7:3: `ports` is not honoured yet".
struct TaskWarning {
  int line = 0;
  int column = 0;
  std::string field = {};
  std::string message = {};
};

struct TaskFile {
  Task task = {};
  std::vector<TaskWarning> warnings = {};
};

/// What a task file may refer to and does not hold itself.
struct TaskSurroundings {
  std::string home = {};                         // for "~"; empty: paths with it are refused
  std::map<std::string, std::string> envs = {};  // of --env: they beat the file's, also in paths
};

/// Reads a task file, ours or SkyPilot's. `file_name` is for messages ("train.yaml"); relative paths are
/// resolved against `base_dir`. Fails with `invalid`: source "train.yaml:3:5", the field and the nearest
/// valid name in message and hint. Does not look at the disk: see check_paths.
Result<TaskFile> parse_task(std::string_view yaml, const std::string& file_name, const std::string& base_dir,
                            const TaskSurroundings& surroundings = {});

/// The value a command-line override gives to a field, read by the rules of the file: set_field(task,
/// "budget", "40 USD"). Known: name, gpus, infra, cpus, memory, instance_type, use_spot, region, max_price,
/// deadline, budget, ttl, num_nodes, env ("A=B"), workdir (absolute). Fails with `invalid`, source
/// "--budget".
Status set_field(Task& task, const std::string& field, const std::string& value);

/// JSON text with a version, and back: what the journal and the wire keep. Secrets' values are not part of a
/// task.
std::string encode_task(const Task& task);
Result<Task> decode_task(std::string_view json);
/// The same of a value of a text that holds more: called inside read_flat only.
Result<Task> read_task(const FlatValue& from);

}  // namespace gpubroker
