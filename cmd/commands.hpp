#pragma once
// One struct of options and one function per command; each returns the exit code.
#include <string>
#include <utility>
#include <vector>

#include "cmd/agent/agent_process.hpp"
#include "cmd/agent/interrupts.hpp"
#include "cmd/context.hpp"

namespace gpubroker {

struct LaunchOptionsCli {
  std::string file;
  std::string run;                                          // shell text instead of the file's `run`
  std::vector<std::pair<std::string, std::string>> fields;  // overrides, by the task's field
  std::vector<std::string> secrets;                         // names
  std::string key;
  std::string owner;
  std::string wait;
  std::string idle_minutes;  // SkyPilot's; told that it is not honoured yet
  bool yes = false;
  bool json = false;
  bool detach = false;
  bool dry_run = false;
  bool retry_until_up = false;
  bool down = false;  // SkyPilot's; always so here
  bool no_supervise = false;
};
Result<int> run_launch(const LaunchOptionsCli& options, Context& context);

struct FollowOptions {
  std::string name;
  bool json = false;
  bool supervise = true;  // start a supervisor when none works
  bool from_end = false;  // of the output; else from the beginning
};
/// Shows what happens to a workload until it is over, or Ctrl-C. Returns the workload's exit code, or 130.
Result<int> run_follow(const FollowOptions& options, Context& context);

struct SuperviseOptions {
  bool until_idle = false;
};
Result<int> run_supervise(const SuperviseOptions& options, Context& context);

Result<int> run_agent_command(const AgentOptions& options, Context& context);
Result<int> run_machine_command(const std::vector<std::string>& arguments, Context& context);

struct StatusOptions {
  std::string name;
  bool json = false;
  bool attempts = false;
  bool discover = false;
};
Result<int> run_status(const StatusOptions& options, Context& context);

struct RequestOptions {
  std::string verb;  // stop, down, start, migrate
  std::vector<std::string> names;
  std::string to;  // migrate: provider/region
  bool yes = false;
  bool json = false;
  bool dry_run = false;
  bool no_wait = false;
  bool no_supervise = false;
};
Result<int> run_request(const RequestOptions& options, Context& context);

struct GcOptions {
  bool yes = false;
  bool json = false;
  bool dry_run = false;
};
Result<int> run_gc(const GcOptions& options, Context& context);

struct LogOptions {
  std::string name;
  bool follow = false;
  bool timestamps = false;
  bool json = false;
  int node = -1;    // -1: all
  int attempt = 0;  // 0: all
  int tail = -1;    // -1: everything
};
Result<int> run_logs(const LogOptions& options, Context& context);

struct SshOptionsCli {
  std::string name;
  int node = 0;
  std::vector<std::string> command;  // empty: a shell
};
/// Becomes the system's ssh; returns only when that cannot be started.
Result<int> run_ssh(const SshOptionsCli& options, Context& context);

struct PreemptOptions {
  std::string name;
  std::string notice;  // empty: none
  int nodes = 0;       // the last ones of the gang; 0: all
  bool yes = false;
  bool json = false;
};
Result<int> run_preempt(const PreemptOptions& options, Context& context);
/// Has the cloud take machines of the running gang. Returns how many; `invalid` when the cloud cannot, or
/// there are none.
Result<int> preempt_workload(Context& context, const std::string& name, Millis notice, int nodes);

struct RehearseOptions {
  std::string file;
  std::vector<std::pair<std::string, std::string>> fields;  // overrides, by the task's field
  std::string preempt_every = "30s";
  std::string notice;  // empty: 30s and none by turns
  bool no_notice = false;
  int interruptions = 2;
  int nodes = 0;  // 0: as the task says, at most 4
  std::string limit = "30m";
  bool json = false;
};
Result<int> run_rehearse(const RehearseOptions& options, Context& context);

/// Where the output of a node is kept on this machine.
std::string kept_log_path(const std::string& home, const WorkloadId& id, int attempt, int rank);

struct ReportOptions {
  std::string by = "workload";
  std::string from;
  std::string to;
  std::string format = "table";
  bool json = false;
};
Result<int> run_report(const ReportOptions& options, Context& context);

struct CheckpointOptions {
  std::string verb;  // ls, show, verify, now, rm
  std::string workload;
  std::string id;
  std::string timeout = "10m";  // of now
  bool yes = false;
  bool json = false;
  bool dry_run = false;
  bool no_supervise = false;
};
Result<int> run_checkpoint(const CheckpointOptions& options, Context& context);

struct InitOptions {
  std::string kind;
  std::string folder = ".";
  bool force = false;
  bool json = false;
};
Result<int> run_init(const InitOptions& options, Context& context);

struct RefreshCli {
  std::vector<std::string> sources;  // clouds ("aws") or sources of theirs ("aws/price-list"); empty: all
  std::string timeout = "15m";
  bool accept_loss = false;
  bool json = false;
};
Result<int> run_refresh(const RefreshCli& options, Context& context);

/// What `offers`, `history` look for; texts as they were typed.
struct WantedCli {
  std::string gpus;
  std::vector<std::string> clouds;
  std::vector<std::string> regions;
  std::vector<std::string> markets;
  bool spot = false;
};
struct OffersCli {
  WantedCli wanted;
  int nodes = 1;
  std::string fabric;
  std::string max_price;
  std::string seller;
  std::string max_age;
  std::string sort = "price-per-gpu";
  int limit = 20;  // 0: all
  bool exact = false;
  bool available = false;
  bool explain = false;
  bool quarantined = false;
  bool wide = false;
  bool csv = false;
  bool json = false;
};
Result<int> run_offers(const OffersCli& options, Context& context);

struct HistoryCli {
  WantedCli wanted;
  std::string since = "30d";
  std::string html;  // a file to write
  bool plot = false;
  bool json = false;
};
Result<int> run_history(const HistoryCli& options, Context& context);

struct GpusCli {
  std::string name;
  bool wide = false;
  bool json = false;
};
Result<int> run_gpus(const GpusCli& options, Context& context);

struct CheckCli {
  std::vector<std::string> clouds;
  std::string timeout = "30s";
  bool json = false;
};
Result<int> run_check(const CheckCli& options, Context& context);

struct VersionOptions {
  bool json = false;
};
Result<int> run_version(const VersionOptions& options, Context& context);

/// Names for completion, one a line; never fails: a shell that completes has no use for a message.
Result<int> run_complete_names(Context& context);

/// Starts `gpubroker supervise --until-idle` in the background unless a supervisor holds the lease.
Status ensure_supervisor(Context& context);
/// Until the supervisor of this home has left it (`supervise --until-idle` does within two seconds).
Status wait_for_supervisor(Context& context, Millis patience);

}  // namespace gpubroker
