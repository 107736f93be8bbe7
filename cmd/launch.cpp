#include <iostream>
#include <unistd.h>

#include "cmd/submit.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

void show_plan(const Task& task, const std::vector<Judged>& judged) {
  constexpr std::size_t kMostShown = 12;
  for (std::size_t i = 0; i < judged.size() && i < kMostShown; ++i) {
    const Judged& one = judged[i];
    std::cerr << (i == 0 && one.why.empty() ? "* " : "  ") << format_offer_key(one.offer.key) << "  "
              << format_money(hourly_cost(one.offer, task.num_nodes)) << " USD/h"
              << (one.why.empty() ? "" : "  not taken: " + one.why) << '\n';
  }
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
  TRY([[maybe_unused]] const Ok ready, check_task(task, context));
  TRY(OfferSource* const source, context.offers());
  TRY(const std::vector<Offer> offers, source->offers());
  const std::vector<Judged> judged = plan_launch(task, offers, context.clock.now());
  show_plan(task, judged);
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
  // The supervisor is another process: this command is only a viewer, so Ctrl-C, kill -9 and a closed lid
  // lose nothing.
  TRY(const Accepted accepted, submit(task, launch, !options.no_supervise, context));
  std::cerr << (accepted.already ? "already launched: " : "launched: ") << accepted.id.value << '\n';
  if (options.detach) {
    std::cout << accepted.id.value << '\n';
    return 0;
  }
  return follow(context, accepted.id.value, options.json);
}

}  // namespace gpubroker
