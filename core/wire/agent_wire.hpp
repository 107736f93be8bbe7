#pragma once
// What the broker and an agent say to each other: files in the attempt's folder on the node, each replaced
// whole.
//
//   <root>/attempts/<n>/spec.json         broker -> agent, once        AgentSpec
//   <root>/attempts/<n>/secrets.json      broker -> agent, mode 0600   {"NAME": "value"}
//   <root>/attempts/<n>/files.tar         broker -> agent              workdir/… and mounts/<i>, if any
//   <root>/attempts/<n>/requests/<name>   broker -> agent              AgentRequest; done once per name
//   <root>/attempts/<n>/report.json       agent -> broker              AgentReport; its heartbeat
//   <root>/attempts/<n>/output-<b>.log    agent -> broker              "2026-11-24T12:00:00.123Z out text\n"
//   <root>/attempts/<n>/checkpoint.request  agent -> job               "save": save and go on; "stop": save
//   and
//                                                                      leave with 75
//   <root>/attempts/<n>/progress          job -> agent                 12, or {"step": 12}
//
// Files, because they outlive both sides and need nothing of the network but what ssh has.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

inline constexpr int kAgentWireVersion = 1;

/// How a job saves its work (the workload file's `checkpoint:`).
struct CheckpointSpec {
  std::string path = {};   // on the node, relative to the workdir or absolute; empty: the job has none
  std::string store = {};  // file:///abs/dir or s3://bucket/prefix; objects lie below <store>/<workload>/
  Millis every{0};         // the agent asks for a checkpoint so often; zero: the job decides
  int keep = 3;            // committed checkpoints kept
  std::string signal =
      {};                // "SIGUSR1": sent to the job's processes to ask for checkpoint-and-stop; empty: none
  Millis grace{25'000};  // from asking to SIGKILL
  bool operator==(const CheckpointSpec&) const = default;
};

/// A file or folder of files.tar that has its place outside of the workdir's own content: member "mounts/<its
/// index>".
struct MountSpec {
  std::string target = {};  // "x": below the workdir; "~/x": below the home folder; "/x": there
  std::string name = {};    // of a file whose target is a folder ("x/")
  bool operator==(const MountSpec&) const = default;
};

/// Everything an agent needs to run one node of one attempt.
struct AgentSpec {
  int wire = kAgentWireVersion;
  WorkloadId workload = {};
  std::string name = {};
  int attempt = 0;
  NodeId node = {};
  int rank = 0;
  std::vector<std::string> node_ips = {};  // by rank; its length is the number of nodes
  int gpus_per_node = 0;
  int master_port = 29500;
  std::map<std::string, std::string> env = {};  // the user's and the fabric's
  std::vector<std::string> secret_names = {};   // values in secrets.json
  std::vector<MountSpec> mounts = {};
  bool shares_machine = false;  // the node has no disk of its own: nothing may be written outside of its root
  std::string setup = {};       // shell text, may be empty
  std::string run = {};         // shell text
  CheckpointSpec checkpoint = {};
  std::optional<CheckpointId> resume = {};  // restore this one before the run
  std::string notice_path = {};  // file whose appearance is a preemption notice; relative to the root
  std::string provider = {};     // whose machine it is: how it is told of its end
  Instant expires = {};          // end everything then
  std::int64_t output_bytes_max = 64 << 20;  // kept on disk, over two files
  bool operator==(const AgentSpec&) const = default;
};

/// Where a node's output is: whole lines, counted in bytes since the attempt began, in at most two files. The
/// file output_name(start) holds what lies before `base` (none when both are equal), output_name(base) the
/// rest. A file never changes but at its end, so a reader that counts bytes needs no lock.
struct OutputSpan {
  std::int64_t start = 0;
  std::int64_t base = 0;
  std::int64_t end = 0;
  bool operator==(const OutputSpan&) const = default;
};

enum class AgentPhase { setup, restoring, running, draining, exited };

/// What the agent knows. Written at each change and at least every 2 s.
struct AgentReport {
  int wire = kAgentWireVersion;
  std::string version = {};  // of the agent's binary
  int attempt = 0;
  int rank = 0;
  std::int64_t pid = 0;
  AgentPhase phase = AgentPhase::setup;
  Instant heartbeat_at = {};
  Instant started_at = {};
  std::optional<Instant> run_started_at = {};
  std::optional<Instant> ended_at = {};
  std::optional<int> exit_code = {};  // of setup or run, whichever ended it
  std::optional<int> exit_signal = {};
  std::string reason = {};  // one sentence for a person: "run exited with code 1", "killed: out of memory"
  bool setup_failed = false;
  bool out_of_memory = false;
  bool expired = false;
  std::int64_t step = -1;  // last step the job said; -1: none
  std::optional<Instant> step_at = {};
  std::int64_t first_step = -1;  // first step the job said in this attempt
  std::optional<Instant> first_step_at = {};
  std::int64_t steps_seen = 0;  // how often the step grew
  Millis longest_gap{0};        // between two of them, by a clock that never jumps
  Millis since_progress{0};     // from the last step or commit to this report, by the same clock
  std::string committed = {};   // newest checkpoint committed by this agent: its id
  std::int64_t committed_step = -1;
  std::optional<Instant> committed_at = {};
  Millis commit_took{0};
  std::string checkpoint_error = {};         // of the last commit, if it failed
  std::optional<Instant> notice_at = {};     // when a notice was seen
  std::optional<Instant> notice_until = {};  // and when the machine goes
  std::vector<std::string> done_requests = {};
  OutputSpan output = {};
  bool operator==(const AgentReport&) const = default;
};

enum class AgentVerb {
  checkpoint,  // save, commit, and go on when the job can (a job that can only save by stopping is left
               // alone)
  drain,       // ask for checkpoint-and-stop; after `grace` end the tree; commit what was saved
  kill,        // end the tree at once; commit a whole checkpoint that is already on disk
};

struct AgentRequest {
  AgentVerb verb = AgentVerb::checkpoint;
  Millis grace{25'000};
  bool operator==(const AgentRequest&) const = default;
};

std::string_view to_string(AgentPhase phase);
std::string_view to_string(AgentVerb verb);

/// JSON text. Encoding never fails; parsing fails with `internal` for what is not ours, and with `invalid`
/// and a hint when `wire` is another version.
std::string encode_agent_spec(const AgentSpec& spec);
Result<AgentSpec> parse_agent_spec(std::string_view text);
std::string encode_agent_report(const AgentReport& report);
Result<AgentReport> parse_agent_report(std::string_view text);
std::string encode_agent_request(const AgentRequest& request);
Result<AgentRequest> parse_agent_request(std::string_view text);

/// The file of an attempt's folder that holds its output from byte `base` on.
std::string output_name(std::int64_t base);

/// A preemption notice as the node sees it: {"until":"<RFC 3339>"}.
std::string encode_notice(Instant until);
Result<Instant> parse_notice(std::string_view text);

}  // namespace gpubroker
