#pragma once
// Every change at Nebius is an operation: a creation fails in its own, and of a machine that was deleted its
// operations are all that is left. Source: nebius/api, nebius.common.v1.Operation, read 2026-11.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/provider.hpp"
#include "providers/nebius/codec.hpp"
#include "providers/nebius/machines.hpp"

namespace gpubroker::nebius {

inline constexpr Method kGetOperation{"compute", "nebius.common.v1.OperationService/Get"};
inline constexpr Method kListOperations{"compute",
                                        "nebius.compute.v1.InstanceService/ListOperationsByParent"};

struct Operation {
  std::string id = {};
  std::string resource = {};
  std::string request = {};  // "CreateInstanceRequest"
  Instant created = {};
  bool is_done = false;
  std::optional<Instant> finished = {};
  std::optional<Error> failure = {};
  std::optional<Instance> wanted = {};  // of a creation of ours: what was asked for
};
/// The answer to every change.
Result<Operation> parse_operation(std::string_view message);
/// Pages of 1000 of what was done to the instances of a project in `region`.
std::string encode_list_operations(const std::string& project, const std::string& page);
Result<Page<Operation>> parse_operations(std::string_view message, const std::string& region);

/// Why a booking failed whose operation did. It is over, and its idempotency key gives the same failure
/// again: what is no matter of quota, capacity or credentials is one of this offer.
Error booking_failure(const Operation& operation);

/// The machines of a project as they are and were: the living, and those that ended within the last day, with
/// when their bills began and ended. Billed is a machine that runs ("from the moment it is started to a
/// complete stop", terms of Compute); a preemption is no operation, and when it happened is not told. A spot
/// machine that is being stopped has its notice run from `now`: when the cloud began is not told either.
std::vector<NodeView> tell_machines(std::vector<Instance> instances, const std::vector<Operation>& operations,
                                    Instant now);

}  // namespace gpubroker::nebius
