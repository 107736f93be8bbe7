#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "core/ports/files.hpp"
#include "providers/ssh/claims.hpp"

namespace gpubroker::ssh {

/// What this laptop knows of machines that do not answer: the claim that each had when it last did. Kept as
/// files, so that a new process knows it too. May be used from many threads.
class Memory {
 public:
  /// `folder`: ours alone, made when needed. Borrows `files`.
  Memory(Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}

  /// What a machine has just told. Fails as Files::write_atomic.
  Status remember(const std::string& machine, const std::optional<Claim>& claim);
  /// The claim that it had when it last answered.
  std::optional<Claim> recall(const std::string& machine);
  /// Whether it has not answered for the first time since it did: to be told once.
  bool is_news(const std::string& machine);

 private:
  std::string path_of(const std::string& machine) const { return folder_ + "/" + machine + ".json"; }

  Files& files_;
  std::string folder_;
  std::mutex mutex_ = {};
  std::map<std::string, std::string> written_ = {};  // by this process; empty: no claim
  std::set<std::string> silent_ = {};
};

}  // namespace gpubroker::ssh
