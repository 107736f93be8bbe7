#include "core/ports/provider.hpp"

namespace gpubroker {

std::string_view to_string(NodeState state) {
  switch (state) {
    case NodeState::starting:
      return "starting";
    case NodeState::running:
      return "running";
    case NodeState::stopped:
      return "stopped";
    case NodeState::ended:
      return "ended";
  }
  return "unknown";
}

}  // namespace gpubroker
