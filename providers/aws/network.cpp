#include "providers/aws/network.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "providers/aws/codec_xml.hpp"
#include "providers/aws/ec2_form.hpp"
#include "providers/aws/machines.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::string_view kSource = "aws ec2";
constexpr const char* kShared = "shared";  // the tag of what belongs to no gang

std::string tag_key(std::string_view name) {
  return std::string(kTagPrefix) + std::string(name);
}

Token token_of(const pugi::xml_node& row) {
  for (const pugi::xml_node& tag : row.child("tagSet").children("item")) {
    if (text_or_empty(tag, "key") == tag_key("token")) { return {text_or_empty(tag, "value")}; }
  }
  return {};
}

/// All rows of a set, or why one of them cannot be read.
template <class Row, class Read>
Result<std::vector<Row>> read_rows(std::string_view body, const char* set, Read read) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::vector<Row>> {
    std::vector<Row> rows;
    Harvest refused;
    for_each_item(root.child(set), refused, [&](const pugi::xml_node& row) { rows.push_back(read(row)); });
    if (refused.remarks.empty()) { return rows; }
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + refused.remarks.front().detail,
                 .source = std::string(kSource)};
  });
}

Result<std::string> read_id(std::string_view body, const char* name) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<std::string> {
    std::string id = text_or_empty(root, name);
    if (id.empty()) {
      return Error{.kind = ErrorKind::internal,
                   .message = "the answer has no " + std::string(name),
                   .source = std::string(kSource)};
    }
    return id;
  });
}

bool allows_all_inside(const pugi::xml_node& rules, const std::string& group) {
  for (const pugi::xml_node& rule : rules.children("item")) {
    if (text_or_empty(rule, "ipProtocol") != "-1") { continue; }
    for (const pugi::xml_node& peer : rule.child("groups").children("item")) {
      if (text_or_empty(peer, "groupId") == group) { return true; }
    }
  }
  return false;
}

bool allows_ssh(const pugi::xml_node& rules) {
  for (const pugi::xml_node& rule : rules.children("item")) {
    if (text_or_empty(rule, "ipProtocol") != "tcp" || text_or_empty(rule, "fromPort") != "22") { continue; }
    for (const pugi::xml_node& range : rule.child("ipRanges").children("item")) {
      if (text_or_empty(range, "cidrIp") == "0.0.0.0/0") { return true; }
    }
  }
  return false;
}

}  // namespace

QueryPairs default_vpc_call() {
  QueryPairs form = ec2_call("DescribeVpcs");
  add_filter(form, 1, "is-default", "true");
  return form;
}

Result<std::string> parse_vpc(std::string_view body) {
  TRY(const std::vector<std::string> ids,
      (read_rows<std::string>(body, "vpcSet",
                              [](const pugi::xml_node& row) { return text_at(row, "vpcId"); })));
  return ids.empty() ? std::string() : ids.front();
}

QueryPairs groups_call(const std::string& vpc) {
  QueryPairs form = ec2_call("DescribeSecurityGroups");
  if (vpc.empty()) {
    add_filter(form, 1, "tag-key", tag_key(kShared));
  } else {
    add_filter(form, 1, "group-name", std::string(kGroupName));
    add_filter(form, 2, "vpc-id", vpc);
  }
  return form;
}

Result<std::vector<SecurityGroup>> parse_groups(std::string_view body) {
  return read_rows<SecurityGroup>(body, "securityGroupInfo", [](const pugi::xml_node& row) {
    SecurityGroup group{.id = text_at(row, "groupId")};
    group.ssh = allows_ssh(row.child("ipPermissions"));
    group.inside = allows_all_inside(row.child("ipPermissions"), group.id);
    group.out = allows_all_inside(row.child("ipPermissionsEgress"), group.id);
    return group;
  });
}

QueryPairs create_group_call(const std::string& vpc) {
  QueryPairs form = ec2_call("CreateSecurityGroup");
  form.emplace_back("GroupName", kGroupName);
  form.emplace_back("GroupDescription", "ssh to machines of gpubroker, and all traffic between them");
  form.emplace_back("VpcId", vpc);
  add_tags(form, {"security-group"}, {{kShared, "true"}});
  return form;
}

Result<std::string> parse_created_group(std::string_view body) {
  return read_id(body, "groupId");
}

QueryPairs allow_ssh_call(const std::string& group) {
  QueryPairs form = ec2_call("AuthorizeSecurityGroupIngress");
  form.emplace_back("GroupId", group);
  form.emplace_back("IpPermissions.1.IpProtocol", "tcp");
  form.emplace_back("IpPermissions.1.FromPort", "22");
  form.emplace_back("IpPermissions.1.ToPort", "22");
  form.emplace_back("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0");
  return form;
}

QueryPairs allow_inside_call(const std::string& group, bool outwards) {
  QueryPairs form = ec2_call(outwards ? "AuthorizeSecurityGroupEgress" : "AuthorizeSecurityGroupIngress");
  form.emplace_back("GroupId", group);
  form.emplace_back("IpPermissions.1.IpProtocol", "-1");
  form.emplace_back("IpPermissions.1.Groups.1.GroupId", group);
  return form;
}

QueryPairs delete_group_call(const std::string& group) {
  QueryPairs form = ec2_call("DeleteSecurityGroup");
  form.emplace_back("GroupId", group);
  return form;
}

QueryPairs subnets_call(const std::string& zone) {
  QueryPairs form = ec2_call("DescribeSubnets");
  add_filter(form, 1, "default-for-az", "true");
  if (!zone.empty()) { add_filter(form, 2, "availability-zone", zone); }
  return form;
}

Result<std::vector<Subnet>> parse_subnets(std::string_view body) {
  TRY(std::vector<Subnet> subnets, (read_rows<Subnet>(body, "subnetSet", [](const pugi::xml_node& row) {
        return Subnet{.id = text_at(row, "subnetId"), .zone = text_at(row, "availabilityZone")};
      })));
  std::sort(subnets.begin(), subnets.end(), [](const Subnet& a, const Subnet& b) { return a.zone < b.zone; });
  return subnets;
}

QueryPairs create_placement_call(const Token& token) {
  QueryPairs form = ec2_call("CreatePlacementGroup");
  form.emplace_back("GroupName", gang_name(token));
  form.emplace_back("Strategy", "cluster");
  add_tags(form, {"placement-group"}, {{"token", token.value}});
  return form;
}

QueryPairs placements_call() {
  QueryPairs form = ec2_call("DescribePlacementGroups");
  add_filter(form, 1, "tag-key", tag_key("token"));
  return form;
}

Result<std::vector<PlacementGroup>> parse_placements(std::string_view body) {
  return read_rows<PlacementGroup>(body, "placementGroupSet", [](const pugi::xml_node& row) {
    return PlacementGroup{.name = text_at(row, "groupName"), .token = token_of(row)};
  });
}

QueryPairs delete_placement_call(const std::string& name) {
  QueryPairs form = ec2_call("DeletePlacementGroup");
  form.emplace_back("GroupName", name);
  return form;
}

QueryPairs allocate_call(const Token& token) {
  QueryPairs form = ec2_call("AllocateAddress");
  form.emplace_back("Domain", "vpc");
  add_tags(form, {"elastic-ip"}, {{"token", token.value}});
  return form;
}

Result<Address> parse_allocated(std::string_view body, const Token& token) {
  TRY(std::string id, read_id(body, "allocationId"));
  return Address{.id = std::move(id), .token = token};
}

QueryPairs addresses_call(const std::string& token) {
  QueryPairs form = ec2_call("DescribeAddresses");
  if (token.empty()) {
    add_filter(form, 1, "tag-key", tag_key("token"));
  } else {
    add_filter(form, 1, "tag:" + tag_key("token"), token);
  }
  return form;
}

Result<std::vector<Address>> parse_addresses(std::string_view body) {
  return read_rows<Address>(body, "addressesSet", [](const pugi::xml_node& row) {
    return Address{.id = text_at(row, "allocationId"),
                   .association = text_or_empty(row, "associationId"),
                   .instance = text_or_empty(row, "instanceId"),
                   .token = token_of(row)};
  });
}

QueryPairs associate_call(const std::string& address, const std::string& interface) {
  QueryPairs form = ec2_call("AssociateAddress");
  form.emplace_back("AllocationId", address);
  form.emplace_back("NetworkInterfaceId", interface);
  form.emplace_back("AllowReassociation", "false");
  return form;
}

QueryPairs disassociate_call(const std::string& association) {
  QueryPairs form = ec2_call("DisassociateAddress");
  form.emplace_back("AssociationId", association);
  return form;
}

QueryPairs release_call(const std::string& address) {
  QueryPairs form = ec2_call("ReleaseAddress");
  form.emplace_back("AllocationId", address);
  return form;
}

QueryPairs capacity_blocks_call(const OfferKey& key) {
  QueryPairs form = ec2_call("DescribeCapacityReservations");
  add_filter(form, 1, "instance-type", key.instance_type);
  add_filter(form, 2, "state", "active");
  form.emplace_back("Filter.2.Value.2", "scheduled");
  if (!key.zone.empty()) { add_filter(form, 3, "availability-zone", key.zone); }
  return form;
}

QueryPairs active_blocks_call() {
  QueryPairs form = ec2_call("DescribeCapacityReservations");
  add_filter(form, 1, "state", "active");
  return form;
}

Result<std::vector<CapacityBlock>> parse_capacity_blocks(std::string_view body) {
  constexpr std::int64_t kMost = 100'000;
  TRY(std::vector<CapacityBlock> blocks,
      (read_rows<CapacityBlock>(body, "capacityReservationSet", [](const pugi::xml_node& row) {
        // Others are open to any launch of the account, and are not asked for by name.
        if (text_or_empty(row, "reservationType") != "capacity-block") { return CapacityBlock{}; }
        CapacityBlock block{.id = text_at(row, "capacityReservationId"),
                            .zone = text_at(row, "availabilityZone"),
                            .available = static_cast<int>(whole_at(row, "availableInstanceCount", kMost)),
                            .has_begun = text_or_empty(row, "state") == "active"};
        if (row.child("startDate")) { block.begins = time_at(row, "startDate"); }
        if (row.child("endDate")) { block.ends = time_at(row, "endDate"); }
        return block;
      })));
  std::erase_if(blocks, [](const CapacityBlock& block) { return block.id.empty(); });
  return blocks;
}

}  // namespace gpubroker::aws
