#include "providers/aws/fleet.hpp"

#include <algorithm>

#include "core/ports/machine_tags.hpp"
#include "providers/aws/codec.hpp"
#include "providers/aws/codec_xml.hpp"
#include "providers/aws/ec2_form.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::string_view kSource = "aws ec2";

bool begins(const std::string& text, std::string_view with) {
  return text.compare(0, with.size(), with) == 0;
}

bool ends(const std::string& text, std::string_view with) {
  return text.size() >= with.size() && text.compare(text.size() - with.size(), with.size(), with) == 0;
}

/// Whether a parameter of RunInstances is none of a template: the call's own, the place, the market, which
/// the fleet says.
bool is_of_the_call(const std::string& name) {
  return name == "Action" || name == "Version" || name == "ClientToken" || name == "MinCount" ||
         name == "MaxCount" || name == "Placement.AvailabilityZone" ||
         begins(name, "InstanceMarketOptions.") ||
         (begins(name, "NetworkInterface.") && ends(name, ".SubnetId"));
}

std::string token_tag(const pugi::xml_node& row) {
  for (const pugi::xml_node& tag : row.child("tagSet").children("item")) {
    if (text_or_empty(tag, "key") == std::string(kTagPrefix) + "token") {
      return text_or_empty(tag, "value");
    }
  }
  return {};
}

/// What another zone would not mend comes first.
int gravity(ErrorKind kind) {
  if (kind == ErrorKind::capacity) { return 0; }
  return kind == ErrorKind::quota ? 1 : 2;
}

}  // namespace

QueryPairs template_call(const GangRequest& request, const LaunchPlan& plan) {
  QueryPairs form = ec2_call("CreateLaunchTemplate");
  form.emplace_back("LaunchTemplateName", gang_name(request.token));
  add_tags(form, {"launch-template"}, {{"token", request.token.value}});
  for (const auto& [name, value] : launch_call(request, plan)) {
    // The request of a spot machine is made by the fleet, which takes no tags for it from a template.
    if (value == "spot-instances-request" && ends(name, ".ResourceType")) { break; }
    if (!is_of_the_call(name)) { form.emplace_back("LaunchTemplateData." + name, value); }
  }
  return form;
}

QueryPairs templates_call(const std::string& token) {
  QueryPairs form = ec2_call("DescribeLaunchTemplates");
  if (token.empty()) {
    add_filter(form, 1, "tag-key", std::string(kTagPrefix) + "token");
  } else {
    add_filter(form, 1, "tag:" + std::string(kTagPrefix) + "token", token);
  }
  return form;
}

Result<std::vector<LaunchTemplate>> parse_templates(std::string_view body) {
  return read_xml(body, kSource, [](const pugi::xml_node& root) -> Result<std::vector<LaunchTemplate>> {
    std::vector<LaunchTemplate> templates;
    for (const pugi::xml_node& row : root.child("launchTemplates").children("item")) {
      templates.push_back({.name = text_or_empty(row, "launchTemplateName"), .token = {token_tag(row)}});
    }
    return templates;
  });
}

QueryPairs delete_template_call(const std::string& name) {
  QueryPairs form = ec2_call("DeleteLaunchTemplate");
  form.emplace_back("LaunchTemplateName", name);
  return form;
}

QueryPairs fleet_call(const GangRequest& request, const std::vector<Subnet>& subnets) {
  const bool is_spot = request.offer.key.market == Market::spot;
  const std::string count = std::to_string(request.nodes);
  QueryPairs form = ec2_call("CreateFleet");
  form.emplace_back("Type", "instant");
  form.emplace_back("ClientToken", gang_name(request.token));
  form.emplace_back("TargetCapacitySpecification.TotalTargetCapacity", count);
  form.emplace_back("TargetCapacitySpecification.DefaultTargetCapacityType", is_spot ? "spot" : "on-demand");
  const std::string options = is_spot ? "SpotOptions." : "OnDemandOptions.";
  form.emplace_back(options + "AllocationStrategy", is_spot ? "price-capacity-optimized" : "lowest-price");
  form.emplace_back(options + "SingleInstanceType", "true");
  form.emplace_back(options + "SingleAvailabilityZone", "true");
  form.emplace_back(options + "MinTargetCapacity", count);
  if (is_spot) { form.emplace_back("SpotOptions.InstanceInterruptionBehavior", "terminate"); }
  const std::string config = "LaunchTemplateConfigs.1.";
  form.emplace_back(config + "LaunchTemplateSpecification.LaunchTemplateName", gang_name(request.token));
  form.emplace_back(config + "LaunchTemplateSpecification.Version", "$Latest");
  for (std::size_t i = 0; i < subnets.size(); ++i) {
    const std::string at = config + "Overrides." + std::to_string(i + 1);
    form.emplace_back(at + ".InstanceType", request.offer.key.instance_type);
    form.emplace_back(at + ".SubnetId", subnets[i].id);
  }
  return form;
}

Result<FleetAnswer> parse_fleet(std::string_view body, const std::string& region) {
  return read_xml(body, kSource, [&](const pugi::xml_node& root) -> Result<FleetAnswer> {
    FleetAnswer answer;
    if (text_or_empty(root, "fleetId").empty()) {
      return Error{.kind = ErrorKind::internal,
                   .message = "the answer has no fleetId",
                   .source = std::string(kSource)};
    }
    for (const pugi::xml_node& row : root.child("fleetInstanceSet").children("item")) {
      for (const pugi::xml_node& id : row.child("instanceIds").children("item")) {
        answer.instances.emplace_back(id.text().get());
      }
    }
    for (const pugi::xml_node& row : root.child("errorSet").children("item")) {
      Error error{.kind = ErrorKind::internal,
                  .message = text_or_empty(row, "errorMessage"),
                  .source = "aws " + region + " CreateFleet"};
      judge_ec2_code(error, text_or_empty(row, "errorCode"));
      answer.refusals.push_back(std::move(error));
    }
    return answer;
  });
}

Error gravest(const std::vector<Error>& refusals, const std::string& region) {
  const auto worst = std::max_element(refusals.begin(), refusals.end(), [](const Error& a, const Error& b) {
    return gravity(a.kind) < gravity(b.kind);
  });
  Error error = worst != refusals.end()
                    ? *worst
                    : Error{.kind = ErrorKind::capacity,
                            .message = "no zone had room for the gang, and EC2 says no more",
                            .source = "aws " + region + " CreateFleet"};
  if (error.kind == ErrorKind::capacity) { error.scope = ErrorScope::region; }
  return error;
}

Status end_part(Session& session, const std::string& region, const std::vector<std::string>& ids) {
  const Result<HttpResponse> ended = session.act(region, terminate_call(ids));
  if (ended.ok()) { return Ok{}; }
  Error error = ended.error();
  error.kind = ErrorKind::network;
  error.maybe_applied = true;
  error.message = "a part of the gang was launched and could not be ended: " + error.message;
  return error;
}

Result<std::vector<std::string>> launch_fleet(Session& session, const GangRequest& request,
                                              const LaunchPlan& plan, const std::vector<Subnet>& subnets) {
  const std::string& region = request.offer.key.region;
  // One that is there is of this gang: its user data says an earlier minute for the power-off, and the same
  // call again is the same fleet.
  if (const Result<HttpResponse> made = session.call("ec2", region, template_call(request, plan));
      !made.ok() && made.error().code != "InvalidLaunchTemplateName.AlreadyExistsException") {
    return made.error();
  }
  TRY(const HttpResponse told, session.act(region, fleet_call(request, subnets)));
  Result<FleetAnswer> answer = parse_fleet(told.body, region);
  if (!answer.ok()) {
    // They may run, whatever the answer says: the same call again tells it properly.
    Error unread = answer.error();
    unread.kind = ErrorKind::network;
    unread.maybe_applied = true;
    return unread;
  }
  std::vector<std::string>& ids = answer.value().instances;
  const bool is_whole = ids.size() == static_cast<std::size_t>(request.nodes);
  if (!is_whole && !ids.empty()) { TRY([[maybe_unused]] const Ok ended, end_part(session, region, ids)); }
  // What stays here is swept with the gang.
  static_cast<void>(session.call("ec2", region, delete_template_call(gang_name(request.token))));
  if (!is_whole) { return gravest(answer.value().refusals, region); }
  return std::move(ids);
}

}  // namespace gpubroker::aws
