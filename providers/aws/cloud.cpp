#include "providers/aws/cloud.hpp"

#include "core/wire/cloud_answer.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/feeds.hpp"
#include "providers/aws/fleet.hpp"
#include "providers/aws/session.hpp"

namespace gpubroker::aws {
namespace {

struct Needed {
  const char* permission;
  const char* what_for;
  QueryPairs call;
};

/// What the feeds call, each as it is asked; with DryRun, EC2 answers whether it would have.
std::vector<Needed> needed_permissions(Instant now) {
  return {
      {"ec2:DescribeRegions", "the regions of the account", regions_call()},
      {"ec2:DescribeSpotPriceHistory", "spot prices by zone", spot_history_call(now)},
      {"ec2:DescribeInstanceTypes", "the shapes of machines", instance_types_call()},
      {"ec2:DescribeInstanceTypeOfferings", "what is sold in which zone", offerings_call({"p5.48xlarge"})},
      {"ec2:GetSpotPlacementScores", "how likely spot machines are had", scores_call(score_groups().front())},
      {"ec2:DescribeCapacityBlockOfferings", "prices of Capacity Blocks", blocks_call("p5.48xlarge", 24)}};
}

/// What launching calls, as it would for a small gang with EFA. What names a thing that must be there is
/// asked of one that is not: EC2 may find that before it looks at what we may do, and then nothing is known.
std::vector<Needed> launching_permissions() {
  const GangRequest gang{.token = {"check"},
                         .offer = {.key = {"aws", "", "", "g5.12xlarge", Market::spot}},
                         .nodes = 1,
                         .tags = {.workload = {"check"}, .attempt = 1}};
  const std::string group = "sg-00000000000000000";
  const LaunchPlan plan{.user_data = "#cloud-config", .security_group = group};
  return {{"ec2:RunInstances", "launching", launch_call(gang, plan)},
          {"ec2:DescribeInstances", "launching", machines_call()},
          {"ec2:TerminateInstances", "cleaning up", terminate_call({"i-00000000000000000"})},
          {"ec2:DescribeVpcs", "launching", default_vpc_call()},
          {"ec2:DescribeSubnets", "launching", subnets_call({})},
          {"ec2:DescribeSecurityGroups", "launching", groups_call()},
          {"ec2:CreateSecurityGroup", "launching", create_group_call("vpc-00000000000000000")},
          {"ec2:AuthorizeSecurityGroupIngress", "launching", allow_ssh_call(group)},
          {"ec2:AuthorizeSecurityGroupEgress", "gangs with EFA", allow_inside_call(group, /*outwards=*/true)},
          {"ec2:CreatePlacementGroup", "gangs with EFA", create_placement_call(gang.token)},
          {"ec2:DescribePlacementGroups", "cleaning up", placements_call()},
          {"ec2:DeletePlacementGroup", "cleaning up", delete_placement_call("gpubroker-check")},
          {"ec2:AllocateAddress", "gangs with EFA", allocate_call(gang.token)},
          {"ec2:DescribeAddresses", "cleaning up", addresses_call()},
          {"ec2:AssociateAddress", "gangs with EFA",
           associate_call("eipalloc-00000000000000000", "eni-00000000000000000")},
          {"ec2:ReleaseAddress", "cleaning up", release_call("eipalloc-00000000000000000")},
          {"ec2:CreateLaunchTemplate", "gangs with EFA", template_call(gang, plan)},
          {"ec2:CreateFleet", "gangs with EFA", fleet_call(gang, {{.id = "subnet-00000000000000000"}})},
          {"ec2:DescribeLaunchTemplates", "cleaning up", templates_call()},
          {"ec2:DeleteLaunchTemplate", "cleaning up", delete_template_call("gpubroker-check")}};
}

Permission::State ask_dry(Session& session, const QueryPairs& call) {
  QueryPairs dry = call;
  dry.emplace_back("DryRun", "true");
  const Result<HttpResponse> answer = session.call("ec2", session.home_region(), dry);
  if (answer.ok() || answer.error().code == "DryRunOperation") { return Permission::State::granted; }
  return answer.error().code == "UnauthorizedOperation" ? Permission::State::missing
                                                        : Permission::State::unknown;
}

class Aws final : public Cloud {
 public:
  Aws(Files& files, Processes& processes)
      : files_(files),
        processes_(processes),
        public_feeds_(make_public_feeds()),
        account_feeds_(make_account_feeds(files, processes)) {}
  [[nodiscard]] std::string name() const override { return "aws"; }

  [[nodiscard]] std::vector<PriceFeed*> feeds() override {
    std::vector<PriceFeed*> feeds;
    for (const auto& feed : public_feeds_) { feeds.push_back(feed.get()); }
    for (const auto& feed : account_feeds_) { feeds.push_back(feed.get()); }
    return feeds;
  }

  AccessReport check(const FeedRequest& request) override {
    AccessReport report;
    Session session(request, files_, processes_);
    report.warnings = session.settings().warnings;
    const Status in = session.log_in();
    if (!in.ok()) {
      describe_failure(in.error(), report);
      return report;
    }
    report.found_in = session.found_in();
    const Result<HttpResponse> who = session.call("sts", session.home_region(), caller_identity_call());
    report.state = access_state(who);
    if (!who.ok()) {
      describe_failure(who.error(), report);
      return report;
    }
    const Result<CallerIdentity> identity = parse_caller_identity(who.value().body);
    if (identity.ok()) { report.identity = identity.value().arn; }
    check_permissions(session, request.clock.now(), report);
    return report;
  }

 private:
  static void describe_failure(const Error& error, AccessReport& report) {
    const bool missing = error.code == "no_credentials";
    report.state = AccessReport::State::unreachable;
    if (error.kind == ErrorKind::auth) { report.state = AccessReport::State::refused; }
    if (missing) { report.state = AccessReport::State::missing; }
    report.problem = missing ? "" : error.message;
    report.next = error.hint;
    if (missing) {
      report.next = "`aws configure` or `aws configure sso`; list prices and average spot prices need none";
    }
    if (report.next.empty() && error.kind == ErrorKind::auth) {
      report.next = "make a new access key in the IAM console, or log in again";
    }
  }

  static void check_permissions(Session& session, Instant now, AccessReport& report) {
    std::string missing;
    std::vector<Needed> all = needed_permissions(now);
    for (Needed& needed : launching_permissions()) { all.push_back(std::move(needed)); }
    for (const Needed& needed : all) {
      const Permission::State state = ask_dry(session, needed.call);
      report.permissions.push_back({.name = needed.permission, .state = state, .what_for = needed.what_for});
      if (state != Permission::State::missing) { continue; }
      missing += missing.empty() ? "allow " : ", ";
      missing += needed.permission;
    }
    if (!missing.empty()) { report.next = missing + " to " + report.identity; }
  }

  Files& files_;
  Processes& processes_;
  std::vector<std::unique_ptr<PriceFeed>> public_feeds_;
  std::vector<std::unique_ptr<PriceFeed>> account_feeds_;
};

}  // namespace

std::unique_ptr<Cloud> make_cloud(Files& files, Processes& processes) {
  return std::make_unique<Aws>(files, processes);
}

}  // namespace gpubroker::aws
