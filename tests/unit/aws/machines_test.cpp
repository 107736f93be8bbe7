// EC2's machines and what they lie in: how calls are written, how answers are read, what each error means.
#include "providers/aws/machines.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "providers/aws/codec.hpp"
#include "providers/aws/facts.hpp"
#include "providers/aws/network.hpp"
#include "providers/aws/notice.hpp"
#include "tests/fake_home.hpp"

namespace gpubroker::aws {
namespace {

using testing::fixture;

std::string value_of(const QueryPairs& form, const std::string& name) {
  const auto found =
      std::find_if(form.begin(), form.end(), [&](const auto& pair) { return pair.first == name; });
  return found == form.end() ? "(none)" : found->second;
}

GangRequest gang(Market market, const std::string& type = "p5.48xlarge", int nodes = 2) {
  return {.token = {"w-1-a1"},
          .offer = {.key = {"aws", "us-east-1", market == Market::spot ? "us-east-1a" : "", type, market}},
          .nodes = nodes,
          .tags = {.workload = {"w-1"}, .attempt = 1, .owner = "ann", .expires = {1'795'780'800'000}}};
}

std::string at(Instant when) {
  return format_utc(when);
}

TEST_CASE("aws machines: a spot gang as EC2 wants it written") {
  const QueryPairs form = launch_call(
      gang(Market::spot),
      {.user_data = "#cloud-config", .security_group = "sg-1", .zone = "us-east-1a", .placement_group = "p"});
  CHECK(value_of(form, "ClientToken") == "gb-w-1-a1");
  CHECK(value_of(form, "MinCount") == "2");
  CHECK(value_of(form, "MaxCount") == "2");
  CHECK(value_of(form, "UserData") == "I2Nsb3VkLWNvbmZpZw==");
  CHECK(value_of(form, "Placement.AvailabilityZone") == "us-east-1a");
  CHECK(value_of(form, "Placement.GroupName") == "p");
  CHECK(value_of(form, "SecurityGroupId.1") == "sg-1");
  CHECK(value_of(form, "InstanceMarketOptions.MarketType") == "spot");
  CHECK(value_of(form, "InstanceMarketOptions.SpotOptions.SpotInstanceType") == "one-time");
  CHECK(value_of(form, "InstanceInitiatedShutdownBehavior") == "terminate");
  CHECK(value_of(form, "BlockDeviceMapping.1.Ebs.DeleteOnTermination") == "true");
  CHECK(value_of(form, "TagSpecification.4.ResourceType") == "spot-instances-request");
  CHECK(value_of(form, "TagSpecification.1.Tag.1.Key") == "gpubroker:attempt");
}

TEST_CASE("aws machines: on demand and in a block") {
  const QueryPairs plain = launch_call(gang(Market::on_demand), {.security_group = "sg-1"});
  CHECK(value_of(plain, "InstanceMarketOptions.MarketType") == "(none)");
  CHECK(value_of(plain, "Placement.AvailabilityZone") == "(none)");
  CHECK(value_of(plain, "TagSpecification.4.ResourceType") == "(none)");
  const QueryPairs block = launch_call(gang(Market::block), {.capacity_reservation = "cr-1"});
  CHECK(value_of(block, "InstanceMarketOptions.MarketType") == "capacity-block");
  CHECK(value_of(block, "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId") ==
        "cr-1");
  CHECK(value_of(launch_call(gang(Market::block, "p6e-gb200.36xlarge"), {}), "ImageId").find("/arm64/") !=
        std::string::npos);
  CHECK(value_of(launch_call(gang(Market::block, "trn2.48xlarge"), {}), "ImageId").find("neuron") !=
        std::string::npos);
}

TEST_CASE("aws machines: interfaces of the fabric") {
  const QueryPairs one =
      launch_call(gang(Market::on_demand, "g5.12xlarge"),
                  {.security_group = "sg-1", .subnet = "s", .cards = fabric_layout("g5.12xlarge")});
  CHECK(value_of(one, "NetworkInterface.1.InterfaceType") == "efa");
  CHECK(value_of(one, "NetworkInterface.1.AssociatePublicIpAddress") == "true");
  CHECK(value_of(one, "SecurityGroupId.1") == "(none)");
  const QueryPairs many =
      launch_call(gang(Market::on_demand),
                  {.security_group = "sg-1", .subnet = "s", .cards = fabric_layout("p5.48xlarge")});
  CHECK(value_of(many, "NetworkInterface.1.AssociatePublicIpAddress") == "(none)");
  CHECK(value_of(many, "NetworkInterface.33.NetworkCardIndex") == "31");
  CHECK(value_of(many, "NetworkInterface.33.SubnetId") == "s");

  CHECK(fabric_layout("g5.xlarge").empty());
  CHECK(fabric_layout("huge").empty());
  CHECK(fabric_layout("p6-b300.48xlarge")[1] == CardPlace{.card = 1, .device = 0, .kind = "efa-only"});
  for (const TypeFacts& facts : known_types()) {
    const std::vector<CardPlace> places = fabric_layout(facts.type);
    const auto efa = std::count_if(places.begin(), places.end(),
                                   [](const CardPlace& place) { return place.kind != "interface"; });
    CHECK_MESSAGE((places.empty() || efa == facts.efa), facts.type);
    CHECK_MESSAGE(std::set<CardPlace>(places.begin(), places.end()).size() == places.size(), facts.type);
  }
}

TEST_CASE("aws machines: a page of them") {
  const Result<MachinePage> page = parse_machines(fixture("aws/instances.xml"), "us-east-1");
  REQUIRE_MESSAGE(page.ok(), page.error().message);
  CHECK(page.value().next == "next-1");
  const std::vector<Machine>& all = page.value().machines;
  REQUIRE(all.size() == 7);  // m5.large is not one of ours
  const NodeView& running = all[0].view;
  CHECK(running.id.value == "aws/us-east-1/i-0000000000000000b");
  CHECK(running.index == 1);
  CHECK(format_offer_key(running.offer) == "aws/us-east-1/us-east-1a/p5.48xlarge/spot");
  CHECK(running.state == NodeState::running);
  CHECK(running.address.host == "ec2-203-0-113-7.compute-1.amazonaws.com");
  CHECK(running.env.at("FI_PROVIDER") == "efa");
  CHECK(running.tags.owner == "ann");
  CHECK(at(running.tags.expires) == "2026-11-27T12:00:00Z");
  CHECK(at(running.billed_from.value()) == "2026-11-27T10:00:05Z");
  CHECK(all[0].interface == "eni-1");
  CHECK_FALSE(all[0].wants_address);
  CHECK(all[1].view.state == NodeState::starting);  // nobody reaches it yet
  CHECK(all[1].wants_address);
  CHECK(all[1].interface == "eni-3");

  CHECK(all[2].view.end_reason == "terminated");
  CHECK(at(all[2].view.ended_at.value()) == "2026-11-27T10:40:00Z");
  CHECK(all[2].view.offer.zone.empty());
  CHECK(all[3].view.state == NodeState::ended);  // shutting-down is not billed
  CHECK(all[3].view.end_reason == "preempted");
  CHECK(all[4].view.end_reason == "expired");
  CHECK_FALSE(all[4].view.ended_at.has_value());
  CHECK(all[5].view.end_reason == "host failure: Server.InternalError");
  CHECK_FALSE(all[5].view.billed_from.has_value());
  CHECK(all[6].view.state == NodeState::starting);
  CHECK_FALSE(all[6].view.billed_from.has_value());
}

TEST_CASE("aws machines: a row that cannot be read is no shorter list") {
  for (const char* const broken :
       {"<name>running</name>", "<launchTime>2026-11-27T10:00:05.000Z</launchTime>",
        "<amiLaunchIndex>1</amiLaunchIndex>", "<instanceType>p5.48xlarge</instanceType>"}) {
    std::string text = fixture("aws/instances.xml");
    const std::string what = broken;
    text.replace(text.find(what), what.size(),
                 what.substr(0, what.find('>') + 1) + "?" + what.substr(what.find("</")));
    const Result<MachinePage> page = parse_machines(text, "us-east-1");
    if (what.rfind("<instanceType", 0) == 0) {
      CHECK(page.ok());  // any type may be there
      continue;
    }
    REQUIRE_FALSE(page.ok());
    CHECK(page.error().kind == ErrorKind::internal);
  }
  for (const char* const text : {"", "<html>", "{}", "<RunInstancesResponse/>", "<!DOCTYPE x><a/>"}) {
    CHECK_FALSE(parse_launched(text, "us-east-1").ok());
  }
}

TEST_CASE("aws machines: ids name the region") {
  CHECK(place_of({"aws/us-east-1/i-0abc"}).region == "us-east-1");
  CHECK(place_of({"aws/us-east-1/i-0abc"}).instance == "i-0abc");
  for (const char* const id : {"", "aws/never-was", "gcp/us-east-1/i-1", "aws/us-east-1/x-1", "aws/../i-1"}) {
    CHECK(place_of({id}).instance.empty());
  }
}

TEST_CASE("aws machines: prices of a machine's life") {
  const OfferKey key{"aws", "us-east-1", "us-east-1a", "g5.xlarge", Market::spot};
  const QueryPairs form = price_history_call(key, {1'795'773'605'400}, {1'795'773'665'400});
  CHECK(value_of(form, "StartTime") == "2026-11-27T10:00:05Z");
  CHECK(value_of(form, "EndTime") == "2026-11-27T10:01:06Z");
  CHECK(value_of(form, "AvailabilityZone") == "us-east-1a");
  std::vector<PricePoint> points = {{{50}, {4}}, {{40}, {3}}, {{20}, {2}}, {{10}, {1}}};
  clip_prices(points, {25}, {45});
  CHECK(points == std::vector<PricePoint>{{{20}, {2}}, {{40}, {3}}});
  clip_prices(points, {40}, {45});
  CHECK(points == std::vector<PricePoint>{{{40}, {3}}});
}

TEST_CASE("aws machines: a quota says its name and numbers") {
  const Error told{
      .kind = ErrorKind::quota,
      .message = "You have requested more vCPU capacity than your current vCPU limit of 96 allows for"};
  const Error p5 = with_quota(told, gang(Market::on_demand));
  CHECK(
      p5.message ==
      R"(2 x p5.48xlarge need 384 vCPUs of the quota "Running On-Demand P instances" in us-east-1, which is 96)");
  CHECK(p5.hint.find("L-417A185B") != std::string::npos);
  CHECK(with_quota(told, gang(Market::spot)).hint.find("L-C4BD4855") != std::string::npos);
  CHECK(with_quota(told, gang(Market::spot, "p4d.24xlarge")).hint.find("L-7212CCBC") != std::string::npos);
  CHECK(with_quota(told, gang(Market::spot, "p6-b200.48xlarge")).hint.find("P6") != std::string::npos);
  CHECK(with_quota(told, gang(Market::spot, "huge")).message == told.message);
}

TEST_CASE("aws machines: what each refusal means") {
  struct Row {
    int status;
    const char* code;
    ErrorKind kind;
    ErrorScope scope;
  };
  for (const Row& row : {Row{500, "InsufficientInstanceCapacity", ErrorKind::capacity, ErrorScope::zone},
                         Row{400, "SpotMaxPriceTooLow", ErrorKind::capacity, ErrorScope::offer},
                         Row{400, "ReservationCapacityExceeded", ErrorKind::capacity, ErrorScope::offer},
                         Row{400, "Unsupported", ErrorKind::capacity, ErrorScope::zone},
                         Row{400, "VcpuLimitExceeded", ErrorKind::quota, ErrorScope::region},
                         Row{400, "MaxSpotInstanceCountExceeded", ErrorKind::quota, ErrorScope::region},
                         Row{400, "AddressLimitExceeded", ErrorKind::quota, ErrorScope::region},
                         Row{403, "UnauthorizedOperation", ErrorKind::auth, ErrorScope::account},
                         Row{503, "RequestLimitExceeded", ErrorKind::throttled, ErrorScope::region},
                         Row{400, "IdempotentParameterMismatch", ErrorKind::conflict, ErrorScope::request},
                         Row{400, "InvalidInstanceID.NotFound", ErrorKind::not_found, ErrorScope::request},
                         Row{400, "InvalidPlacementGroup.InUse", ErrorKind::conflict, ErrorScope::request},
                         Row{400, "InvalidParameterValue", ErrorKind::invalid, ErrorScope::request}}) {
    std::string body = "<Response><Errors><Error><Code>";
    body += row.code;
    body += "</Code><Message>m</Message></Error></Errors></Response>";
    const Error error = parse_error({.status = row.status, .body = body}, "us-east-1 RunInstances", {});
    CHECK_MESSAGE(error.kind == row.kind, row.code);
    CHECK_MESSAGE(error.scope == row.scope, row.code);
    CHECK(error.code == row.code);
  }
}

TEST_CASE("aws network: what machines lie in") {
  const std::string text = fixture("aws/network.xml");
  CHECK(parse_vpc(text).value() == "vpc-1");
  CHECK(parse_vpc("<a/>").value().empty());
  CHECK(parse_groups(text).value() ==
        std::vector<SecurityGroup>{{.id = "sg-1", .ssh = true, .inside = true, .out = false}});
  CHECK(parse_subnets(text).value() ==
        std::vector<Subnet>{{"subnet-a", "us-east-1a"}, {"subnet-b", "us-east-1b"}});
  CHECK(parse_placements(text).value() == std::vector<PlacementGroup>{{"gb-w-1-a1", {"w-1-a1"}}});
  const std::vector<Address> addresses = parse_addresses(text).value();
  REQUIRE(addresses.size() == 2);
  CHECK(addresses[0].association == "eipassoc-1");
  CHECK(addresses[1].association.empty());
  const std::vector<CapacityBlock> blocks = parse_capacity_blocks(text).value();
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0] == CapacityBlock{"cr-1", "us-east-1b", 2, true, parse_utc("2026-11-27T11:30:00Z").value(),
                                   parse_utc("2026-11-28T11:30:00Z").value()});
  CHECK_FALSE(blocks[1].has_begun);
  for (const char* const bad : {"", "<html>", "[]"}) {
    CHECK_FALSE(parse_groups(bad).ok());
    CHECK_FALSE(parse_created_group(bad).ok());
    CHECK_FALSE(parse_addresses(bad).ok());
  }
  CHECK_FALSE(parse_subnets("<a><subnetSet><item/></subnetSet></a>").ok());
  CHECK_FALSE(parse_created_group("<a/>").ok());
}

TEST_CASE("aws notice: the time of an interruption") {
  const auto told = parse_instance_action(R"({"action":"terminate","time":"2026-11-27T12:38:00Z"})");
  REQUIRE(told.ok());
  CHECK(at(told.value().value()) == "2026-11-27T12:38:00Z");
  for (const char* const bad : {"", "{}", R"({"time":1})", R"({"time":"soon"})", "[]"}) {
    CHECK_FALSE(parse_instance_action(bad).ok());
  }
}

}  // namespace
}  // namespace gpubroker::aws
