#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/agent/agent.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/wire/agent_wire.hpp"

namespace gpubroker {

/// Watches the job's checkpoint folder and commits what is whole, on a thread of its own: heartbeats and
/// signals never wait for a copy. A checkpoint is whole when the job has written LATEST.json, last; a folder
/// that never has one is taken when it has been quiet for two seconds.
class Checkpointer {
 public:
  /// `env`: what the job is given; a store in the network finds its settings and keys there, and nowhere
  /// else on the node.
  Checkpointer(AgentParts parts, AgentSpec spec, std::string folder,
               std::map<std::string, std::string> env = {});
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// Looks at the folder and begins a commit when there is something new and none is under way. `step`: the
  /// last one the job told.
  void look(std::int64_t step);
  /// Waits for a commit under way, then commits what is there now if it is new; of a job that was `killed`
  /// only what its LATEST.json vouches for. For the end of an attempt.
  void finish(std::int64_t step, bool killed);
  /// Takes over what an agent before this one has told.
  void go_on_from(const AgentReport& report);
  /// Puts what was done into the report.
  void tell(AgentReport& report);

  /// Makes the folder the checkpoint that the spec says; nothing to do without one.
  Status restore();

 private:
  struct Candidate {
    std::string mark =
        {};  // what makes it another one than the last: LATEST.json's text, or names, sizes and times
    std::vector<std::string> paths = {};
    std::int64_t step = 0;
    int world_size = 1;
    bool is_marked = false;  // LATEST.json names it
    std::string stamp = {};  // names, sizes and times of the marked files
  };
  Result<Candidate> find(std::int64_t step);
  Result<Candidate> find_marked(const std::string& latest);
  Result<Candidate> find_quiet(std::int64_t step);
  Result<Candidate> read_folder();
  Result<std::string> stamp_of(const std::vector<std::string>& paths);
  Status check_one_moment(const Candidate& candidate, const Manifest& manifest);
  Result<std::unique_ptr<ObjectStore>> open_objects();
  Status restore_from_store();
  Result<CommitResult> copy(const Candidate& candidate);
  /// `is_last`: nobody writes any more.
  void commit(const Candidate& candidate, bool is_last);

  AgentParts parts_;
  AgentSpec spec_;
  std::string folder_;
  std::map<std::string, std::string> env_;
  std::string tried_ = {};       // mark of the last candidate
  std::string fresh_mark_ = {};  // of the LATEST.json that is waited for to settle
  Millis fresh_since_{0};
  std::string quiet_mark_ = {};
  Millis quiet_since_{0};
  std::thread thread_;
  std::atomic<bool> busy_{false};
  bool is_over_ = false;  // the job has ended: what is there is what there will be
  bool again_ =
      false;  // the last commit failed and may be tried again; as again_at_, only read when not busy
  Millis again_at_{0};
  int overtaken_ = 0;  // tries in a row; touched by the commit under way only
  std::mutex mutex_;
  AgentReport told_ = {};  // the fields about checkpoints
};

}  // namespace gpubroker
