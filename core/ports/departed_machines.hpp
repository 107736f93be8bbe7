#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "core/ports/provider.hpp"

namespace gpubroker {

/// For clouds whose list forgets a machine the moment it is deleted: those that this process deleted, told on
/// for two hours, so that a machine that was taken is not merely "no longer listed". May be used from many
/// threads.
class DepartedMachines {
 public:
  /// `view` as it was last listed; one that had not ended by itself is "terminated". `now` of
  /// Clock::monotonic.
  void remember(NodeView view, Millis now);
  /// Adds those that the list does not have.
  void add_to(std::vector<NodeView>& views, Millis now);

 private:
  struct Departed {
    Millis at{0};
    NodeView view = {};
  };
  std::mutex mutex_ = {};
  std::map<NodeId, Departed> departed_ = {};
};

}  // namespace gpubroker
