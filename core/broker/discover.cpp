#include <set>

#include "core/broker/broker.hpp"
#include "core/ports/machine_tags.hpp"

namespace gpubroker {

Result<std::vector<FoundNode>> discover(Journal& journal, const std::map<std::string, Provider*>& providers) {
  std::vector<FoundNode> found;
  for (const auto& [name, provider] : providers) {
    TRY(const std::vector<NodeView> nodes, provider->provisioner().list());
    for (const NodeView& view : nodes) {
      if (view.state == NodeState::ended) { continue; }
      FoundNode node{.provider = name, .view = view};
      TRY(const std::optional<WorkloadRow> row, journal.find_workload(view.tags.workload.value));
      if (row && row->id == view.tags.workload) {
        node.known = true;
        TRY(const WorkloadState state, load_state(journal, row->id.value));
        for (const Attempt& attempt : state.attempts) {
          node.wanted = node.wanted || (attempt.token == view.token && !attempt.is_over());
        }
      }
      found.push_back(std::move(node));
    }
  }
  return found;
}

Result<std::vector<FoundLeftover>> discover_leftovers(Journal& journal,
                                                      const std::map<std::string, Provider*>& providers,
                                                      const std::vector<FoundNode>& machines) {
  // By token or by the gang's name: a cloud may keep either.
  std::set<std::string> live;
  std::set<std::string> busy_providers;
  const auto keep = [&](const std::string& provider, const Token& token) {
    live.insert(token.value);
    live.insert(gang_name(token));
    busy_providers.insert(provider);
  };
  for (const FoundNode& machine : machines) { keep(machine.provider, machine.view.token); }
  TRY(const auto states, load_all(journal, /*only_live=*/true));
  for (const auto& [id, state] : states) {
    for (const Attempt& attempt : state.attempts) {
      if (needs_release(attempt)) { keep(attempt.offer.key.provider, attempt.token); }
    }
  }
  std::vector<FoundLeftover> found;
  for (const auto& [name, provider] : providers) {
    Attachments* const attachments = provider->attachments();
    if (attachments == nullptr) { continue; }
    TRY(const std::vector<Leftover> leftovers, attachments->leftovers());
    for (const Leftover& leftover : leftovers) {
      const bool is_shared = leftover.token.value.empty();
      found.push_back(
          {.provider = name,
           .leftover = leftover,
           .wanted = is_shared ? busy_providers.count(name) != 0 : live.count(leftover.token.value) != 0});
    }
  }
  return found;
}

}  // namespace gpubroker
