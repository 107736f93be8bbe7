#include "providers/aws/ground.hpp"

#include <algorithm>

#include "providers/aws/fleet.hpp"

namespace gpubroker::aws {
namespace {

constexpr const char* kSecurityGroup = "security group";
constexpr const char* kPlacementGroup = "placement group";
constexpr const char* kAddress = "address";
constexpr const char* kTemplate = "launch template";

/// A call that makes what may be there already.
Status make(Session& session, const std::string& region, const QueryPairs& form, std::string_view duplicate) {
  const Result<HttpResponse> answer = session.call("ec2", region, form);
  if (answer.ok() || answer.error().code == duplicate) { return Ok{}; }
  return answer.error();
}

/// A call that removes what may be gone already.
Status end(Session& session, const std::string& region, const QueryPairs& form) {
  const Result<HttpResponse> answer = session.call("ec2", region, form);
  if (answer.ok() || answer.error().kind == ErrorKind::not_found) { return Ok{}; }
  return answer.error();
}

Result<std::vector<Address>> addresses_of(Session& session, const std::string& region, const Token& token) {
  TRY(const HttpResponse answer, session.call("ec2", region, addresses_call(token.value)));
  return parse_addresses(answer.body);
}

/// A machine that is shutting down holds its address a while longer unless it is taken from it.
Status release(Session& session, const std::string& region, const std::string& id) {
  TRY(const std::vector<Address> all, addresses_of(session, region, {}));
  for (const Address& address : all) {
    if (address.id != id || address.association.empty()) { continue; }
    TRY([[maybe_unused]] const Ok apart, end(session, region, disassociate_call(address.association)));
  }
  return end(session, region, release_call(id));
}

}  // namespace

Status Ground::ensure_rules(Session& session, const std::string& region, const SecurityGroup& group) {
  constexpr std::string_view kDuplicate = "InvalidPermission.Duplicate";
  if (!group.ssh) {
    TRY([[maybe_unused]] const Ok ssh, make(session, region, allow_ssh_call(group.id), kDuplicate));
  }
  if (!group.inside) {
    TRY([[maybe_unused]] const Ok inside,
        make(session, region, allow_inside_call(group.id, /*outwards=*/false), kDuplicate));
  }
  if (!group.out) {
    TRY([[maybe_unused]] const Ok out,
        make(session, region, allow_inside_call(group.id, /*outwards=*/true), kDuplicate));
  }
  return Ok{};
}

Result<std::string> Ground::ensure_group(Session& session, const std::string& region) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    const auto known = groups_.find(region);
    if (known != groups_.end()) { return known->second; }
  }
  TRY(const HttpResponse networks, session.call("ec2", region, default_vpc_call()));
  TRY(const std::string vpc, parse_vpc(networks.body));
  if (vpc.empty()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = region + " has no default VPC to put machines into",
                 .hint = "`aws ec2 create-default-vpc --region " + region + "`",
                 .source = "aws " + region + " DescribeVpcs",
                 .scope = ErrorScope::region};
  }
  TRY(const HttpResponse there, session.call("ec2", region, groups_call(vpc)));
  TRY(std::vector<SecurityGroup> groups, parse_groups(there.body));
  if (groups.empty()) {
    const Result<HttpResponse> made = session.call("ec2", region, create_group_call(vpc));
    if (made.ok()) {
      TRY(std::string id, parse_created_group(made.value().body));
      groups.push_back({.id = std::move(id)});
    } else if (made.error().code == "InvalidGroup.Duplicate") {  // made by somebody else just now
      TRY(const HttpResponse again, session.call("ec2", region, groups_call(vpc)));
      TRY(groups, parse_groups(again.body));
    } else {
      return made.error();
    }
  }
  if (groups.empty()) {
    return Error{.kind = ErrorKind::network,
                 .message = "the security group was made a moment ago and is not to be seen yet",
                 .source = "aws " + region + " DescribeSecurityGroups"};
  }
  TRY([[maybe_unused]] const Ok rules, ensure_rules(session, region, groups.front()));
  const std::lock_guard<std::mutex> hold(mutex_);
  groups_[region] = groups.front().id;
  return groups.front().id;
}

void Ground::forget_group(const std::string& region) {
  const std::lock_guard<std::mutex> hold(mutex_);
  groups_.erase(region);
}

Status Ground::ensure_placement(Session& session, const std::string& region, const Token& token) {
  return make(session, region, create_placement_call(token), "InvalidPlacementGroup.Duplicate");
}

Status Ground::ensure_addresses(Session& session, const std::string& region, const Token& token, int count) {
  TRY(const std::vector<Address> there, addresses_of(session, region, token));
  for (int i = static_cast<int>(there.size()); i < count; ++i) {
    // One whose answer is lost carries the token as well: it is found, used or released.
    TRY([[maybe_unused]] const HttpResponse made, session.act(region, allocate_call(token)));
  }
  return Ok{};
}

Result<int> Ground::give_addresses(Session& session, const std::string& region,
                                   const std::vector<Machine>& machines) {
  int given_now = 0;
  std::map<Token, std::vector<Address>> free;
  for (const Machine& machine : machines) {
    if (!machine.wants_address || machine.interface.empty()) { continue; }
    const Token& token = machine.view.token;
    if (!free.contains(token)) {
      TRY(free[token], addresses_of(session, region, token));
      std::erase_if(free[token], [](const Address& one) { return !one.association.empty(); });
    }
    if (free[token].empty()) { continue; }
    const Result<HttpResponse> given =
        session.call("ec2", region, associate_call(free[token].back().id, machine.interface));
    free[token].pop_back();
    // Not yet, or somebody else was faster: the next look sees.
    const bool passes =
        given.ok() || given.error().kind == ErrorKind::conflict || given.error().kind == ErrorKind::not_found;
    if (!passes) { return given.error(); }
    given_now += given.ok() ? 1 : 0;
  }
  return given_now;
}

Result<std::vector<Leftover>> Ground::leftovers(Session& session, const std::string& region,
                                                const Token& token) {
  std::vector<Leftover> found;
  const auto is_meant = [&](const Token& one) { return token.value.empty() || one == token; };
  TRY(const std::vector<Address> addresses, addresses_of(session, region, token));
  for (const Address& one : addresses) {
    found.push_back({.kind = kAddress, .id = one.id, .region = region, .token = one.token, .costs = true});
  }
  TRY(const HttpResponse placements, session.call("ec2", region, placements_call()));
  TRY(const std::vector<PlacementGroup> groups, parse_placements(placements.body));
  for (const PlacementGroup& one : groups) {
    if (!is_meant(one.token)) { continue; }
    found.push_back({.kind = kPlacementGroup, .id = one.name, .region = region, .token = one.token});
  }
  TRY(const HttpResponse told, session.call("ec2", region, templates_call(token.value)));
  TRY(const std::vector<LaunchTemplate> templates, parse_templates(told.body));
  for (const LaunchTemplate& one : templates) {
    found.push_back({.kind = kTemplate, .id = one.name, .region = region, .token = one.token});
  }
  if (!token.value.empty()) { return found; }
  TRY(const HttpResponse shared, session.call("ec2", region, groups_call()));
  TRY(const std::vector<SecurityGroup> all, parse_groups(shared.body));
  for (const SecurityGroup& one : all) {
    found.push_back({.kind = kSecurityGroup, .id = one.id, .region = region});
  }
  return found;
}

Status Ground::remove(Session& session, const std::vector<Leftover>& leftovers) {
  std::optional<Error> first;
  for (const Leftover& one : leftovers) {
    Status gone = Ok{};
    if (one.kind == kAddress) { gone = release(session, one.region, one.id); }
    if (one.kind == kPlacementGroup) { gone = end(session, one.region, delete_placement_call(one.id)); }
    if (one.kind == kTemplate) { gone = end(session, one.region, delete_template_call(one.id)); }
    if (one.kind == kSecurityGroup) {
      forget_group(one.region);
      gone = end(session, one.region, delete_group_call(one.id));
    }
    if (!gone.ok() && !first) { first = gone.error(); }
  }
  if (first) { return *first; }
  return Ok{};
}

}  // namespace gpubroker::aws
