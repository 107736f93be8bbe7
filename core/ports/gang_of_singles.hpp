#pragma once
#include <vector>

#include "core/ports/fan_out.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker {

/// What a cloud that makes one machine per call and knows no idempotency token can do. A Provisioner is made
/// of it with ensure_singles.
class SingleMachines {
 public:
  virtual ~SingleMachines() = default;
  /// As Provisioner::list.
  virtual Result<std::vector<NodeView>> list_machines() = 0;
  /// Books the machine of this rank, with machine_name and machine_tags on it. `network` with maybe_applied
  /// when the answer is missing.
  virtual Result<NodeView> create_machine(const GangRequest& request, int rank) = 0;
  /// As Provisioner::terminate.
  virtual Status terminate_machines(const std::vector<NodeId>& nodes) = 0;
};

/// Provider::list_lag of a cloud that tells nothing of late lists (?): as long as the broker waits for a
/// machine that nobody wants any more to show up.
inline constexpr Millis kUntoldLag{20'000};

/// Whether a booking that failed so is to be tried again with the same token: what was made for it stays.
bool may_go_on(const Error& error);

/// Provisioner::ensure_gang on such a cloud: looks for the token's machines first, books those that are
/// missing, at most `at_once` side by side, and ends all of them when one is refused. An error has
/// maybe_applied when a machine was, or may have been, made: it is found again, ended and paid for. A token
/// some of whose machines have ended was given up before: `capacity`, and nothing is booked.
Result<std::vector<NodeView>> ensure_singles(SingleMachines& cloud, FanOut& fan_out,
                                             const GangRequest& request, std::size_t at_once);

}  // namespace gpubroker
