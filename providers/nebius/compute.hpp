#pragma once
// What is done with machines in one visit.
#include <vector>

#include "core/ports/cloud_machine.hpp"
#include "providers/nebius/operations.hpp"
#include "providers/nebius/session.hpp"

namespace gpubroker::nebius {

/// The machines of these projects (tell_machines), asked side by side. Fails whole.
Result<std::vector<NodeView>> find_machines(const Session& session, const CloudParts& parts,
                                            const std::vector<Project>& projects);
/// Those of one region; all of them where `region` is empty.
Result<std::vector<Project>> find_projects(const Session& session, const std::string& region = "");

/// Deletes them with their disks, several at once; the gone and the going succeed. One that fails does not
/// keep the others alive: its error comes when all have been tried.
Status end_machines(const Session& session, FanOut& fan_out, const std::vector<NodeId>& nodes);

/// Waits until the operation is over, or until `patience` is. Asks whether `is_enough` at each look, if
/// given. An operation that is not over is returned as it is.
Result<Operation> await_operation(const Session& session, Clock& clock, Operation operation, Millis patience,
                                  const std::function<bool()>& is_enough = {});

/// Disks and GPU clusters of ours in these projects, and machines that stand still: their disks cost.
Result<std::vector<Leftover>> find_leftovers(const Session& session, const CloudParts& parts,
                                             const std::vector<Project>& projects);
/// Waits until it is gone (a machine: until it is going). The gone succeeds; `conflict` while it is in use.
Status remove_leftover(const Session& session, Clock& clock, const Leftover& leftover);
/// What is left of a gang none of whose machines lives. A cluster can go when its machines are gone, which
/// takes them a while: it is waited for.
Status sweep_gang(const Session& session, const CloudParts& parts, const Token& token,
                  const std::string& region);

}  // namespace gpubroker::nebius
