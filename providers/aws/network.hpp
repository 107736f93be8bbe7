#pragma once
// What EC2's machines lie in: groups, subnets, placement groups, addresses, Capacity Blocks. Bytes to values.
// Source: the EC2 service model (botocore 1.43), read 2026-11.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/provider.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::aws {

/// Our security group's name in each region's default VPC.
inline constexpr std::string_view kGroupName = "gpubroker";

QueryPairs default_vpc_call();
/// Empty: the region has none.
Result<std::string> parse_vpc(std::string_view body);

struct SecurityGroup {
  std::string id = {};
  bool ssh = false;     // from anywhere
  bool inside = false;  // everything between its machines, inwards
  bool out = false;     // and outwards, which EFA asks for by name
  bool operator==(const SecurityGroup&) const = default;
};
/// Ours, in one VPC or, with an empty one, in all.
QueryPairs groups_call(const std::string& vpc = {});
Result<std::vector<SecurityGroup>> parse_groups(std::string_view body);
QueryPairs create_group_call(const std::string& vpc);
Result<std::string> parse_created_group(std::string_view body);
QueryPairs allow_ssh_call(const std::string& group);
QueryPairs allow_inside_call(const std::string& group, bool outwards);
QueryPairs delete_group_call(const std::string& group);

struct Subnet {
  std::string id = {};
  std::string zone = {};
  bool operator==(const Subnet&) const = default;
};
/// The default VPC's own, one per zone; with `zone`, that one's.
QueryPairs subnets_call(const std::string& zone);
/// By zone.
Result<std::vector<Subnet>> parse_subnets(std::string_view body);

struct PlacementGroup {
  std::string name = {};
  Token token = {};
  bool operator==(const PlacementGroup&) const = default;
};
QueryPairs create_placement_call(const Token& token);
QueryPairs placements_call();
Result<std::vector<PlacementGroup>> parse_placements(std::string_view body);
QueryPairs delete_placement_call(const std::string& name);

struct Address {
  std::string id = {};
  std::string association = {};  // empty: on no machine
  std::string instance = {};
  Token token = {};
  bool operator==(const Address&) const = default;
};
QueryPairs allocate_call(const Token& token);
Result<Address> parse_allocated(std::string_view body, const Token& token);
/// With `token`, only that gang's.
QueryPairs addresses_call(const std::string& token = {});
Result<std::vector<Address>> parse_addresses(std::string_view body);
QueryPairs associate_call(const std::string& address, const std::string& interface);
QueryPairs disassociate_call(const std::string& association);
QueryPairs release_call(const std::string& address);

struct CapacityBlock {
  std::string id = {};
  std::string zone = {};
  int available = 0;
  bool has_begun = false;
  Instant begins = {};
  std::optional<Instant> ends = {};
  bool operator==(const CapacityBlock&) const = default;
};
/// Those that have begun or will, of the offer's type and, if it has one, zone.
QueryPairs capacity_blocks_call(const OfferKey& key);
/// All of a region's that have begun.
QueryPairs active_blocks_call();
/// EC2 ends a block's machines from half an hour before its end on. So long before that their gang is told,
/// as of a preemption, that it may save. Source: shared API notes, section 5.1 (EC2's own warning comes 10
/// min before).
inline constexpr Millis kBlockEndsEarly = std::chrono::minutes{30};
inline constexpr Millis kBlockNotice = std::chrono::minutes{10};
Result<std::vector<CapacityBlock>> parse_capacity_blocks(std::string_view body);

}  // namespace gpubroker::aws
