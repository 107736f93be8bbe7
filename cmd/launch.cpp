#include <algorithm>
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/errors.hpp"
#include "cmd/events.hpp"
#include "cmd/launch_plan.hpp"
#include "cmd/submit.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostShown = 12;
constexpr int kExitDeclined = 130;

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
  TRY([[maybe_unused]] const Ok ready, check_task(task, context));
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
  TRY([[maybe_unused]] const Ok mounts, check_mounts_at(task, judged, context));
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
  TRY(const Accepted accepted, submit(task, launch, context));
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
