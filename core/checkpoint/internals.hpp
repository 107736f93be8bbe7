#pragma once
// Names and judgements that the .cpp files of this room share.
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/checkpoint/checkpoint.hpp"

namespace gpubroker::checkpoint {

inline Error fail(ErrorKind kind, const std::string& code, const std::string& message,
                  const std::string& source) {
  return {.kind = kind, .message = message, .source = source, .code = code};
}

/// Whether the checkpoint itself is bad. Everything else says only that the store did not answer.
inline bool is_damage(const Error& error) {
  return error.code == "torn" || error.code == "corrupt" || error.code == "missing";
}

inline std::string manifest_key(const WorkloadId& workload, const CheckpointId& id) {
  return workload.value + "/manifests/" + id.value;
}

inline std::string piece_key(const WorkloadId& workload, const std::string& hash) {
  return workload.value + "/pieces/" + hash;
}

/// Says that a commit is in the making: nobody sweeps meanwhile.
inline std::string commit_key(const WorkloadId& workload, const CheckpointId& id) {
  return workload.value + "/commits/" + id.value;
}

/// Says that pieces are being removed: a commit waits before it relies on one of `sweep`.
inline std::string sweeping_key(const WorkloadId& workload) {
  return workload.value + "/sweeping";
}

/// A mark's text is the moment it was made. One older than `lasts` is of somebody who died.
Result<bool> is_mark_fresh(ObjectStore& objects, const std::string& key, Instant now, Millis lasts);

/// Objects are files below a folder, replaced whole and synced.
std::unique_ptr<ObjectStore> make_directory_store(const std::string& root, Files& files);

/// Pieces that no manifest named, and since when: candidates for removal.
using Sweep = std::map<std::string, std::int64_t>;
Result<Sweep> read_sweep(ObjectStore& objects, const WorkloadId& workload);

inline constexpr Millis kSweepLasts = std::chrono::minutes{10};  // a sweeper stops itself at half of it
inline constexpr Millis kCommitLasts = std::chrono::hours{24};

}  // namespace gpubroker::checkpoint
