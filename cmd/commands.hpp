#pragma once
// One struct of options and one function per command; each returns the exit code.
#include <string>
#include <utility>
#include <vector>

#include "cmd/context.hpp"

namespace gpubroker {

struct LaunchOptionsCli {
  std::string file;
  std::vector<std::pair<std::string, std::string>> fields;  // overrides, by the task's field
  std::string key;
  std::string owner;
  std::string wait;
  bool yes = false;
  bool json = false;
  bool detach = false;
  bool dry_run = false;
  bool retry_until_up = false;
  bool no_supervise = false;
};
Result<int> run_launch(const LaunchOptionsCli& options, Context& context);

/// Shows what happens to a workload until it is over, or Ctrl-C. Returns the workload's exit code, or 130.
Result<int> follow(Context& context, const std::string& workload, bool json);

struct SuperviseOptions {
  bool until_idle = false;
};
Result<int> run_supervise(const SuperviseOptions& options, Context& context);

struct AgentOptions {
  std::string root;
  int attempt = 0;
};
Result<int> run_agent_command(const AgentOptions& options, Context& context);
Result<int> run_machine_command(const std::vector<std::string>& arguments, Context& context);

struct StatusOptions {
  std::string name;
  bool json = false;
};
Result<int> run_status(const StatusOptions& options, Context& context);

struct RequestOptions {
  std::vector<std::string> names;
  std::string to;  // migrate: provider/region
  bool yes = false;
  bool no_supervise = false;
};
Result<int> run_request(const std::string& verb, const RequestOptions& options, Context& context);
Result<int> run_gc(bool yes, Context& context);

struct LogOptions {
  std::string name;
  int rank = 0;
};
Result<int> run_logs(const LogOptions& options, Context& context);

struct PreemptOptions {
  std::string name;
  std::string notice;  // empty: none
  int nodes = 0;       // the last ones of the gang; 0: all
  bool yes = false;
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

struct ReportOptions {
  std::string by = "workload";
  std::string from;
  std::string to;
  std::string format = "table";
};
Result<int> run_report(const ReportOptions& options, Context& context);

Result<int> run_checkpoint(const std::string& verb, const std::string& workload, const std::string& id,
                           Context& context);

/// Asks on the terminal, unless `yes`. `invalid` when there is none to ask.
Result<bool> agree(const std::string& question, bool yes);

/// Starts `gpubroker supervise --until-idle` in the background unless a supervisor holds the lease.
Status ensure_supervisor(Context& context);

/// Set by SIGINT and SIGTERM.
bool was_interrupted();
void watch_interrupts();

}  // namespace gpubroker
