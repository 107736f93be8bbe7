#include <algorithm>
#include <iostream>

#include "cmd/commands.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

/// The last `wanted` live machines of the gang that runs; all of them for 0.
std::vector<NodeId> choose_nodes(const Attempt& attempt, int wanted) {
  std::vector<NodeId> nodes;
  for (const auto& [rank, node] : attempt.nodes) {
    if (node.view.state != NodeState::ended) { nodes.push_back(node.view.id); }
  }
  const auto count = static_cast<std::ptrdiff_t>(nodes.size());
  if (wanted > 0 && wanted < count) { nodes.erase(nodes.begin(), nodes.end() - wanted); }
  return nodes;
}

}  // namespace

Result<int> preempt_workload(Context& context, const std::string& name, Millis notice, int nodes) {
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const WorkloadState state, load_state(*journal, name));
  const Attempt* const attempt = state.current();
  if (attempt == nullptr || attempt->nodes.empty()) {
    return Error{
        .kind = ErrorKind::invalid,
        .message = state.id.value + " is " + std::string(to_string(state.phase)) + " and has no machines"};
  }
  const std::string& cloud = attempt->offer.key.provider;
  TRY(const auto providers, context.providers());
  const auto at = providers.find(cloud);
  Preemptible* const preemptible = at == providers.end() ? nullptr : at->second->preemptible();
  if (preemptible == nullptr) {
    return Error{.kind = ErrorKind::invalid,
                 .message = cloud + " takes machines back only when it likes",
                 .hint = "`gpubroker rehearse` tries it on this machine"};
  }
  const std::vector<NodeId> taken = choose_nodes(*attempt, nodes);
  TRY([[maybe_unused]] const Ok done, preemptible->preempt(taken, notice));
  return static_cast<int>(taken.size());
}

Result<int> run_preempt(const PreemptOptions& options, Context& context) {
  Millis notice{0};
  if (!options.notice.empty()) { TRY(notice, parse_duration(options.notice)); }
  TRY(const bool agreed, agree(context.terminal, options.yes, "taking machines away interrupts the job",
                               "Take machines of " + options.name + " away?"));
  if (!agreed) { return 130; }
  TRY(const int taken, preempt_workload(context, options.name, notice, options.nodes));
  if (options.json) {
    std::cout << Json({{"schema", 1},
                       {"workload", options.name},
                       {"machines", taken},
                       {"notice_ms", notice.count()}})
                     .dump()
              << '\n';
    return 0;
  }
  std::cerr << taken << (taken == 1 ? " machine of " : " machines of ") << options.name
            << (notice > Millis{0} ? " will be taken in " + format_duration(notice)
                                   : " are taken, without notice")
            << '\n';
  return 0;
}

}  // namespace gpubroker
