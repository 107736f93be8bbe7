#include <iostream>
#include <unistd.h>

#include "cmd/commands.hpp"
#include "cmd/pack.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/workload/check.hpp"

namespace gpubroker {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

Result<Task> read_task(const LaunchOptionsCli& options, Context& context) {
  TRY(const std::string text, context.files.read(options.file));
  TRY(const CommandResult here, context.processes.run({.argv = {"pwd"}}, std::chrono::seconds{10}));
  std::string base = folder_of(options.file);
  if (base.front() != '/') { base = std::string(trim(here.out)) + (base == "." ? "" : "/" + base); }
  TRY(TaskFile file, parse_task(text, options.file, base));
  for (const TaskWarning& warning : file.warnings) {
    std::cerr << "warning: " << options.file << ":" << warning.line << ":" << warning.column << ": "
              << warning.message << '\n';
  }
  for (const auto& [field, value] : options.fields) {
    TRY([[maybe_unused]] const Ok set, set_field(file.task, field, value));
  }
  if (!file.task.checkpoint.path.empty() && file.task.checkpoint.store.empty()) {
    file.task.checkpoint.store = "file://" + context.home + "/checkpoints";
  }
  return file.task;
}

void show_plan(const Task& task, const std::vector<Judged>& judged) {
  constexpr std::size_t kMostShown = 12;
  for (std::size_t i = 0; i < judged.size() && i < kMostShown; ++i) {
    const Judged& one = judged[i];
    std::cerr << (i == 0 && one.why.empty() ? "* " : "  ") << format_offer_key(one.offer.key) << "  "
              << format_money(hourly_cost(one.offer, task.num_nodes)) << " USD/h"
              << (one.why.empty() ? "" : "  not taken: " + one.why) << '\n';
  }
}

/// Mounts must be possible on the provider that is likely to be taken.
Status check_mounts_at(const Task& task, const std::vector<Judged>& judged, Context& context) {
  TRY(const auto providers, context.providers());
  const std::string name = judged.empty() ? std::string{} : judged.front().offer.key.provider;
  const auto at = providers.find(name);
  return check_mounts(task.file_mounts, name, at != providers.end() && at->second->shares_machine());
}

Result<bool> confirm(const LaunchOptionsCli& options, const Task& task, const Judged& best) {
  if (options.yes) { return true; }
  if (isatty(STDIN_FILENO) == 0) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "launching spends money and there is no terminal to ask",
                 .hint = "add --yes"};
  }
  std::cerr << "Launch " << task.num_nodes << " x " << format_offer_key(best.offer.key) << " for "
            << format_money(hourly_cost(best.offer, task.num_nodes)) << " USD/h? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return lower(trim(answer)) == "y" || lower(trim(answer)) == "yes";
}

}  // namespace

Result<int> run_launch(const LaunchOptionsCli& options, Context& context) {
  TRY(const Task task, read_task(options, context));
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY(const std::string secrets, read_secrets_json(task, context.files, context.processes));
  TRY(OfferSource* const source, context.offers());
  TRY(const std::vector<Offer> offers, source->offers());
  const std::vector<Judged> judged = plan_launch(task, offers, context.clock.now());
  show_plan(task, judged);
  TRY([[maybe_unused]] const Ok mounts, check_mounts_at(task, judged, context));
  if (options.dry_run) { return 0; }
  LaunchOptions launch{.key = options.key, .owner = options.owner, .retry_until_up = options.retry_until_up};
  if (!options.wait.empty()) { TRY(launch.wait, parse_duration(options.wait)); }
  const bool can_start = !judged.empty() && judged.front().why.empty();
  if (!can_start && !launch.retry_until_up && !launch.wait) {
    return Error{.kind = ErrorKind::capacity,
                 .message = "no offer fits: " + std::to_string(judged.size()) + " looked at",
                 .hint = "the reasons are above; --retry-until-up or --wait 30m keeps looking"};
  }
  if (can_start) {
    TRY(const bool agreed, confirm(options, task, judged.front()));
    if (!agreed) { return 130; }
  }
  TRY(launch.archive, pack_files(task, context));
  TRY(Journal* const journal, context.journal());
  TRY(const Accepted accepted, accept(*journal, context.clock, context.random, task, launch));
  if (accepted.already && !launch.archive.empty()) { (void)context.files.remove_all(launch.archive); }
  if (!secrets.empty()) {
    TRY([[maybe_unused]] const Ok kept,
        context.files.write_atomic(context.home + "/secrets/" + accepted.id.value + ".json", secrets, 0600,
                                   /*durable=*/true));
  }
  std::cerr << (accepted.already ? "already launched: " : "launched: ") << accepted.id.value << '\n';
  // The supervisor is another process: this command is only a viewer, so Ctrl-C, kill -9 and a closed lid
  // lose nothing.
  if (!options.no_supervise) { TRY([[maybe_unused]] const Ok supervised, ensure_supervisor(context)); }
  if (options.detach) {
    std::cout << accepted.id.value << '\n';
    return 0;
  }
  return follow(context, accepted.id.value, options.json);
}

}  // namespace gpubroker
