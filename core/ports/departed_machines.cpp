#include "core/ports/departed_machines.hpp"

#include <algorithm>

namespace gpubroker {

void DepartedMachines::remember(NodeView view, Millis now) {
  if (view.state != NodeState::ended) {
    view.state = NodeState::ended;
    view.end_reason = "terminated";
  }
  view.address = {};
  const std::lock_guard<std::mutex> hold(mutex_);
  departed_[view.id] = Departed{.at = now, .view = view};
}

void DepartedMachines::add_to(std::vector<NodeView>& views, Millis now) {
  constexpr Millis kRemembered = std::chrono::hours{2};
  const std::lock_guard<std::mutex> hold(mutex_);
  std::erase_if(departed_, [&](const auto& entry) { return now - entry.second.at > kRemembered; });
  for (const auto& [id, departed] : departed_) {
    const bool is_listed =
        std::any_of(views.begin(), views.end(), [&one = id](const NodeView& view) { return view.id == one; });
    if (!is_listed) { views.push_back(departed.view); }
  }
}

}  // namespace gpubroker
