#pragma once
// CreateFleet of type instant: one call that tries several zones and gives a gang in one of them, or nothing.
// Sources: the EC2 service model (botocore 1.43), shared API notes, section 6.3, read 2026-11. (?) From
// memory: that a fleet of type instant takes an image named by a public parameter in its template, and that
// amiLaunchIndex counts through all machines of one zone and type.
#include <string>
#include <string_view>
#include <vector>

#include "providers/aws/machines.hpp"
#include "providers/aws/network.hpp"
#include "providers/aws/session.hpp"

namespace gpubroker::aws {

/// CreateLaunchTemplate: what RunInstances would be told, without place, number and token. Named by the gang.
QueryPairs template_call(const GangRequest& request, const LaunchPlan& plan);
/// Ours; with `token`, only that gang's.
QueryPairs templates_call(const std::string& token = {});
struct LaunchTemplate {
  std::string name = {};
  Token token = {};
  bool operator==(const LaunchTemplate&) const = default;
};
Result<std::vector<LaunchTemplate>> parse_templates(std::string_view body);
QueryPairs delete_template_call(const std::string& name);

/// All machines of the gang in one of the subnets' zones, or none; idempotent by the gang's name.
QueryPairs fleet_call(const GangRequest& request, const std::vector<Subnet>& subnets);
struct FleetAnswer {
  std::vector<std::string> instances = {};
  std::vector<Error> refusals = {};  // of the zones that were tried
};
/// The answer, which is 200 also where nothing was launched.
Result<FleetAnswer> parse_fleet(std::string_view body, const std::string& region);
/// Of several zones' refusals the one that says most: what no other zone would mend goes before capacity,
/// which then rules out the region: all of its zones were tried.
Error gravest(const std::vector<Error>& refusals, const std::string& region);

/// Makes the template, launches, removes the template. What was launched in part is ended again. Errors: as
/// ensure_gang's; on `network` and `throttled` the template stays for the next try.
Result<std::vector<std::string>> launch_fleet(Session& session, const GangRequest& request,
                                              const LaunchPlan& plan, const std::vector<Subnet>& subnets);

/// Ends machines that were launched and are not to be used. `network` with maybe_applied when that fails.
Status end_part(Session& session, const std::string& region, const std::vector<std::string>& ids);

}  // namespace gpubroker::aws
