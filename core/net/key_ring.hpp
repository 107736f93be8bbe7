#pragma once
#include <mutex>
#include <string>

#include "core/ports/clock.hpp"
#include "core/ports/files.hpp"
#include "core/ports/key_ring.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

/// Keys as files below a folder of ours, made by the system's ssh-keygen:
/// <folder>/<workload>/{id,host}[.pub]. Borrows all. May be used from many threads and processes.
class FileKeyRing final : public KeyRing {
 public:
  FileKeyRing(Files& files, Processes& processes, Random& random, std::string folder)
      : files_(files), processes_(processes), random_(random), folder_(std::move(folder)) {}

  Result<NodeKeys> ensure(const WorkloadId& workload) override;
  Result<std::optional<NodeKeys>> find(const WorkloadId& workload) override;
  Status forget(const WorkloadId& workload) override;

 private:
  Status make(const std::string& folder);

  Files& files_;
  Processes& processes_;
  Random& random_;
  std::string folder_;
  std::mutex mutex_ = {};
};

}  // namespace gpubroker
