#pragma once
// What must be there before a machine is asked for, and goes when it has ended.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/ports/provider.hpp"
#include "providers/aws/machines.hpp"
#include "providers/aws/network.hpp"
#include "providers/aws/session.hpp"

namespace gpubroker::aws {

/// The security group of each region, shared by all gangs; placement groups and addresses, of one gang each.
/// Every call may be repeated: what is there already is found. May be used from many threads.
class Ground {
 public:
  /// Our group in the region's default VPC, with its rules. `invalid` where there is no default VPC.
  Result<std::string> ensure_group(Session& session, const std::string& region);
  /// EC2 does not know a group that was there: it is looked for anew next time.
  void forget_group(const std::string& region);

  static Status ensure_placement(Session& session, const std::string& region, const Token& token);
  /// As many as `count` for the gang: machines with several interfaces get no public address by themselves.
  static Status ensure_addresses(Session& session, const std::string& region, const Token& token, int count);
  /// Gives those that run and can be reached by nobody an address of their gang's. EC2 takes it only once
  /// they run. `capacity` cannot happen: a machine for which none is left stays without.
  static Status give_addresses(Session& session, const std::string& region,
                               const std::vector<Machine>& machines);

  /// Everything of ours in the region; with `token`, only that gang's.
  static Result<std::vector<Leftover>> leftovers(Session& session, const std::string& region,
                                                 const Token& token = {});
  /// The gone succeeds; what is in use is `conflict`, and the others are removed.
  Status remove(Session& session, const std::vector<Leftover>& leftovers);

 private:
  static Status ensure_rules(Session& session, const std::string& region, const SecurityGroup& group);

  std::mutex mutex_ = {};
  std::map<std::string, std::string> groups_ = {};  // by region; under the mutex
};

}  // namespace gpubroker::aws
