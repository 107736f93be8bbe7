#pragma once
#include <string>
#include <vector>

#include "core/ports/cloud_machine.hpp"
#include "providers/aws/ground.hpp"

namespace gpubroker::aws {

/// Adds a region's machines of ours; with `token`, only that gang's.
Status read_machines(Session& session, const std::string& region, const std::string& token,
                     std::vector<Machine>& machines);

/// Provisioner::ensure_gang without the clean-up after a refusal: what must be there first, then one
/// RunInstances, or, for a gang with a fabric whose zone is open, one CreateFleet.
Result<std::vector<Machine>> book_gang(Session& session, Ground& ground, const CloudParts& parts,
                                       const GangRequest& request);

}  // namespace gpubroker::aws
