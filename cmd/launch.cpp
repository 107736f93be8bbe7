#include <algorithm>
#include <filesystem>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/errors.hpp"
#include "cmd/events.hpp"
#include "cmd/launch_plan.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/workload/check.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostShown = 12;
constexpr int kExitDeclined = 130;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  std::string text = std::filesystem::absolute(path, failed).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') { text.pop_back(); }
  return text;
}

Result<std::string> read_file(const std::string& path, Context& context) {
  Result<std::string> text = context.files.read(path);
  if (text.ok() || text.error().kind != ErrorKind::not_found) { return text; }
  Error error = text.error();
  error.hint = path.find(' ') == std::string::npos
                   ? "`gpubroker init plain` writes one to start from"
                   : "for a command without a task file: gpubroker launch --run '" + path + "'";
  return error;
}

/// The file's task, or one made of --run alone.
Result<Task> read_base(const LaunchOptionsCli& options, Context& context) {
  if (options.file.empty()) {
    if (options.run.empty()) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "`gpubroker launch` needs a task file, or --run COMMAND",
                   .hint = "`gpubroker launch --help` has examples",
                   .code = "usage"};
    }
    Task task;
    task.name = "run";
    task.run = options.run;
    return task;
  }
  TRY(const std::string text, read_file(options.file, context));
  TRY(TaskFile file, parse_task(text, options.file, absolute(folder_of(options.file))));
  for (const TaskWarning& warning : file.warnings) {
    std::cerr << "warning: " << options.file << ":" << warning.line << ":" << warning.column << ": "
              << warning.message << '\n';
  }
  if (!options.run.empty()) { file.task.run = options.run; }
  return file.task;
}

/// --secret NAME. A value there would stand in the shell's history and in the process table.
Status add_secrets(Task& task, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::size_t equals = name.find('=');
    if (equals != std::string::npos) {
      const std::string bare = name.substr(0, equals);
      return Error{.kind = ErrorKind::invalid,
                   .message = "a secret's value does not belong on the command line",
                   .hint = "export " + bare + " and say --secret " + bare,
                   .source = "--secret"};
    }
    const bool known = std::any_of(task.secrets.begin(), task.secrets.end(),
                                   [&](const SecretNeed& need) { return need.name == name; });
    if (!known) { task.secrets.push_back({.name = name, .file = {}}); }
  }
  return Ok{};
}

Result<Task> read_task(const LaunchOptionsCli& options, Context& context) {
  TRY(Task task, read_base(options, context));
  for (const auto& [field, value] : options.fields) {
    TRY([[maybe_unused]] const Ok set, set_field(task, field, field == "workdir" ? absolute(value) : value));
  }
  TRY([[maybe_unused]] const Ok added, add_secrets(task, options.secrets));
  if (!options.idle_minutes.empty()) {
    std::cerr << "warning: --idle-minutes-to-autostop is not needed: machines are given back when the job is "
                 "over\n";
  }
  if (!task.checkpoint.path.empty() && task.checkpoint.store.empty()) {
    task.checkpoint.store = "file://" + context.home + "/checkpoints";
  }
  return task;
}

/// Where the plan goes: data of --dry-run to standard output, talk before a question to standard error.
void show_plan(const LaunchOptionsCli& options, const Task& task, const std::vector<Judged>& judged,
               const Context& context) {
  if (options.json) {
    std::cout << plan_json(task, judged) << std::endl;
    return;
  }
  const bool as_table = options.dry_run ? context.terminal.table : true;
  const std::size_t most = as_table ? kMostShown : judged.size();
  const Table table = plan_table(judged, task.num_nodes, most);
  std::ostream& out = options.dry_run ? std::cout : std::cerr;
  out << (as_table ? table.aligned() : table.tabbed());
  if (judged.size() > most) { out << "  … and " << judged.size() - most << " more\n"; }
}

/// The workdir as it is now: what later attempts run must not depend on what is edited meanwhile.
Result<std::string> pack(const Task& task, Context& context) {
  if (task.workdir.empty()) { return std::string{}; }
  const std::string archive =
      context.home + "/archives/" + task.name + "-" + std::to_string(context.random.next()) + ".tar";
  TRY([[maybe_unused]] const Ok made, context.files.make_dirs(folder_of(archive), 0700));
  TRY(const CommandResult packed,
      context.processes.run({.argv = {"tar", "-C", task.workdir, "--exclude=.git", "-cf", archive, "."}},
                            std::chrono::minutes{30}));
  if (packed.exit.code != 0) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "cannot pack the workdir: " + packed.err,
                 .source = task.workdir};
  }
  return archive;
}

Result<LaunchOptions> read_launch_options(const LaunchOptionsCli& options) {
  LaunchOptions launch{.key = options.key, .owner = options.owner, .retry_until_up = options.retry_until_up};
  if (!options.wait.empty()) {
    Result<Millis> wait = parse_duration(options.wait);
    if (!wait.ok()) {
      Error error = wait.error();
      error.source = "--wait";
      return error;
    }
    launch.wait = wait.value();
  }
  return launch;
}

/// The workload that was launched with this key before, if any.
Result<std::optional<WorkloadId>> find_launched(const std::string& key, Context& context) {
  if (key.empty()) { return std::optional<WorkloadId>{}; }
  const Result<Journal*> journal = context.journal_to_read();
  if (!journal.ok()) {
    if (journal.error().kind == ErrorKind::not_found) { return std::optional<WorkloadId>{}; }
    return journal.error();
  }
  TRY(const std::optional<WorkloadRow> row, journal.value()->find_workload(key));
  if (!row || row->key != key) { return std::optional<WorkloadId>{}; }
  return std::optional(row->id);
}

struct Launched {
  std::optional<Accepted> accepted = {};  // nothing: not launched, leave with `exit`
  int exit = 0;
};

/// Plans, asks and records. The one place of this command that spends.
Result<Launched> book(const LaunchOptionsCli& options, Context& context) {
  TRY(const Task task, read_task(options, context));
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY(const std::string secrets, read_secrets_json(task, context.files, context.processes));
  TRY(LaunchOptions launch, read_launch_options(options));
  if (!options.dry_run) {
    TRY(const std::optional<WorkloadId> known, find_launched(options.key, context));
    if (known) { return Launched{.accepted = Accepted{.id = *known, .already = true}}; }
  }
  if (context.terminal.talk) { std::cerr << task.name << ": asking for offers\n"; }
  TRY(OfferSource* const source, context.offers());
  TRY(const std::vector<Offer> offers, source->offers());
  const std::vector<Judged> judged = plan_launch(task, offers, context.clock.now());
  const bool can_start = !judged.empty() && judged.front().why.empty();
  const bool will_wait = launch.retry_until_up || launch.wait.has_value();
  if (can_start || will_wait) { show_plan(options, task, judged, context); }
  if (!can_start && !will_wait) {
    const Error error = no_capacity(task, judged, "--retry-until-up or --wait 30m keeps looking");
    return Launched{.exit = show_error(error, options.json, worth_naming(judged))};
  }
  if (options.dry_run) { return Launched{}; }
  const std::string question =
      can_start ? "Launch " + price_tag(judged.front().offer, task.num_nodes) + "?"
                : "Nothing fits now. Wait, and launch at any price that fits the task's limits?";
  TRY(const bool agreed, agree(context.terminal, options.yes, "launching spends money", question));
  if (!agreed) {
    std::cerr << "nothing was launched\n";
    return Launched{.exit = kExitDeclined};
  }
  // From here on the first Ctrl-C no longer ends this process: what is recorded gets its supervisor.
  watch_interrupts(SecondSignal::leaves_at_once);
  TRY(launch.archive, pack(task, context));
  TRY(Journal* const journal, context.journal());
  TRY(const Accepted accepted, accept(*journal, context.clock, context.random, task, launch));
  if (!secrets.empty()) {
    TRY([[maybe_unused]] const Ok kept,
        context.files.write_atomic(context.home + "/secrets/" + accepted.id.value + ".json", secrets, 0600,
                                   /*durable=*/true));
  }
  return Launched{.accepted = accepted};
}

}  // namespace

Result<int> run_launch(const LaunchOptionsCli& options, Context& context) {
  TRY(const Launched launched, book(options, context));
  if (!launched.accepted) { return launched.exit; }
  const auto& [id, already] = *launched.accepted;
  // The supervisor is another process: this command is only a viewer, so Ctrl-C, kill -9 and a closed lid
  // lose nothing.
  if (!options.no_supervise) { TRY([[maybe_unused]] const Ok supervised, ensure_supervisor(context)); }
  std::cerr << (already ? "already launched: " : "launched: ") << id.value << '\n';
  if (options.json) { std::cout << launched_event(id, already, context.clock.now()) << std::endl; }
  if (options.detach) {
    if (!options.json) { std::cout << id.value << '\n'; }
    return 0;
  }
  return run_follow({.name = id.value, .json = options.json, .supervise = !options.no_supervise}, context);
}

}  // namespace gpubroker
