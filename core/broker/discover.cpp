#include "core/broker/broker.hpp"

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

}  // namespace gpubroker
