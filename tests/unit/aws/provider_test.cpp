// The provider's rarer paths over a network of answers; the usual ones are the contract suite's over the
// emulator.
#include "providers/aws/provider.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include <doctest/doctest.h>

#include "providers/aws/fleet.hpp"
#include "providers/aws/notice.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::aws {
namespace {

using testing::FakeHome;
using testing::FakeHttp;
using testing::fixture;

/// EC2 by the action that is called, and by how often: the last answer of an action is for ever.
class FakeEc2 final : public Http {
 public:
  std::map<std::string, std::deque<Result<HttpResponse>>> answers = {};
  std::vector<std::string> asked = {};

  void answer(const std::string& action, std::string body) {
    answers[action].push_back(HttpResponse{.status = 200, .body = std::move(body)});
  }
  void refuse(const std::string& action, int status, const std::string& code) {
    answers[action].push_back(
        HttpResponse{.status = status,
                     .body = "<Response><Errors><Error><Code>" + code +
                             "</Code><Message>m</Message></Error></Errors></Response>"});
  }
  Result<HttpResponse> send(const HttpRequest& request) override {
    const std::string action = request.body.substr(7, request.body.find('&') - 7);
    asked.push_back(action);
    std::deque<Result<HttpResponse>>& queue = answers[action];
    if (queue.empty()) { return HttpResponse{.status = 200, .body = "<Nothing/>"}; }
    Result<HttpResponse> first = queue.front();
    if (queue.size() > 1) { queue.pop_front(); }
    return first;
  }
  [[nodiscard]] int count(const std::string& action) const {
    return static_cast<int>(std::count(asked.begin(), asked.end(), action));
  }
};

class OneKey final : public KeyRing {
 public:
  Result<NodeKeys> ensure(const WorkloadId& /*workload*/) override { return keys_; }
  Result<std::optional<NodeKeys>> find(const WorkloadId& /*workload*/) override {
    return std::optional(keys_);
  }
  Status forget(const WorkloadId& /*workload*/) override { return Ok{}; }

 private:
  NodeKeys keys_{.identity = "/k/id",
                 .public_key = "ssh-ed25519 AAAA gpubroker",
                 .host_private = Secret("s"),
                 .host_public = "ssh-ed25519 BBBB"};
};

class NoChannel final : public NodeChannel {
 public:
  Status put(const NodeAddress&, const std::string&, std::string_view, int) override { return Ok{}; }
  Status put_file(const NodeAddress&, const std::string&, const std::string&) override { return Ok{}; }
  Result<std::string> get(const NodeAddress&, const std::string&, std::int64_t, std::int64_t) override {
    return std::string{};
  }
  Result<CommandResult> run(const NodeAddress&, const Command&, Millis) override { return CommandResult{}; }
  Status start(const NodeAddress&, const Command&, const std::string&) override { return Ok{}; }
};

class Dice final : public Random {
 public:
  std::uint64_t next() override { return 4; }
};

std::string launched(int machines, const std::string& when = "2026-11-27T10:00:05.000Z") {
  std::string body = "<R><instancesSet>";
  for (int i = 0; i < machines; ++i) {
    body += "<item><instanceId>i-" + std::to_string(i) +
            "</instanceId><instanceState><name>pending</name></instanceState><amiLaunchIndex>" +
            std::to_string(i) + "</amiLaunchIndex><instanceType>g5.xlarge</instanceType><launchTime>" + when +
            "</launchTime><tagSet><item><key>gpubroker:token</key><value>t1</value></item><item><key>"
            "gpubroker:workload</key><value>w</value></item><item><key>gpubroker:attempt</key><value>1</"
            "value></item>"
            "</tagSet></item>";
  }
  return body + "</instancesSet></R>";
}

struct World {
  FakeHome home = {};
  FakeEc2 ec2 = {};
  testing::ManualClock clock = {};
  InTurn fan_out = {};
  OneKey keys = {};
  NoChannel channel = {};
  Dice random = {};
  std::unique_ptr<Provider> provider = {};

  World() {
    home.processes.variables["AWS_ACCESS_KEY_ID"] = "AKIATEST";
    home.processes.variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    ec2.answer("DescribeVpcs", fixture("aws/network.xml"));
    ec2.answer("DescribeSecurityGroups", fixture("aws/network.xml"));
    ec2.answer("DescribeRegions",
               "<R><regionInfo><item><regionName>us-east-1</regionName></item></regionInfo></R>");
    provider = make_provider({.clock = clock,
                              .random = random,
                              .files = home.files,
                              .processes = home.processes,
                              .http = ec2,
                              .fan_out = fan_out,
                              .keys = keys,
                              .channel = channel});
  }
  [[nodiscard]] std::string now() { return format_utc(clock.now()); }
  [[nodiscard]] GangRequest gang(int nodes = 2, Market market = Market::on_demand,
                                 const std::string& type = "g5.xlarge") {
    return {.token = {"t1"},
            .offer = {.key = {"aws", "us-east-1", "", type, market}},
            .nodes = nodes,
            .tags = {.workload = {"w"}, .attempt = 1, .expires = clock.now() + Millis{3'600'000}}};
  }
  Result<std::vector<NodeView>> book(const GangRequest& request) {
    return provider->provisioner().ensure_gang(request);
  }
};

TEST_CASE("aws provider: whether there is an account") {
  World world;
  CHECK(world.provider->has_account());
  world.home.processes.variables.erase("AWS_ACCESS_KEY_ID");
  CHECK_FALSE(world.provider->has_account());
  world.home.write(".aws/config", "[default]\nsso_session = corp\n");
  CHECK(world.provider->has_account());
}

TEST_CASE("aws provider: a group without its rules gets them; nothing is asked twice") {
  World world;
  world.ec2.answer("RunInstances", launched(2));
  REQUIRE(world.book(world.gang()).ok());
  CHECK(world.ec2.count("AuthorizeSecurityGroupEgress") == 1);  // the fixture's lacks this one
  CHECK(world.ec2.count("AuthorizeSecurityGroupIngress") == 0);
  REQUIRE(world.book(world.gang()).ok());
  CHECK(world.ec2.count("DescribeVpcs") == 1);
}

TEST_CASE("aws provider: no default VPC says how to get one") {
  World world;
  world.ec2.answers["DescribeVpcs"].clear();
  const auto refused = world.book(world.gang());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::invalid);
  CHECK(refused.error().hint.find("create-default-vpc") != std::string::npos);
}

TEST_CASE("aws provider: a token with other parameters is looked for") {
  World world;
  world.ec2.refuse("RunInstances", 400, "IdempotentParameterMismatch");
  const auto unseen = world.book(world.gang());
  REQUIRE_FALSE(unseen.ok());
  CHECK(unseen.error().kind == ErrorKind::network);
  CHECK(unseen.error().maybe_applied);
  std::string there = launched(2);
  there.insert(3, "<reservationSet><item>");
  there.insert(there.rfind("</R>"), "</item></reservationSet>");
  world.ec2.answer("DescribeInstances", there);
  const auto found = world.book(world.gang());
  REQUIRE_MESSAGE(found.ok(), found.error().message);
  CHECK(found.value().size() == 2);
  const auto other = world.book(world.gang(3));
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().kind == ErrorKind::invalid);
}

TEST_CASE("aws provider: what nobody can read may have been booked; a server's failure too") {
  World world;
  world.ec2.answer("RunInstances", "<R/>");
  world.ec2.refuse("RunInstances", 500, "InternalError");
  world.ec2.refuse("RunInstances", 500, "InsufficientInstanceCapacity");
  for (int i = 0; i < 2; ++i) {
    const auto lost = world.book(world.gang());
    REQUIRE_FALSE(lost.ok());
    CHECK(lost.error().kind == ErrorKind::network);
    CHECK(lost.error().maybe_applied);
  }
  const auto none = world.book(world.gang());
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::capacity);
  CHECK(none.error().scope == ErrorScope::region);  // no zone was asked for
  CHECK_FALSE(none.error().maybe_applied);
}

TEST_CASE("aws provider: a group that is gone is made again") {
  World world;
  world.ec2.refuse("RunInstances", 400, "InvalidGroup.NotFound");
  world.ec2.answer("RunInstances", launched(2));
  const auto first = world.book(world.gang());
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().kind == ErrorKind::network);
  CHECK(world.book(world.gang()).ok());
  CHECK(world.ec2.count("DescribeVpcs") == 2);
}

TEST_CASE("aws provider: what was booked a moment ago is listed, and is not taken for gone") {
  World world;
  world.ec2.answer("RunInstances", launched(2, world.now()));
  const auto gang = world.book(world.gang());
  REQUIRE(gang.ok());
  CHECK(world.provider->provisioner().list().value().size() == 2);
  world.ec2.refuse("TerminateInstances", 400, "InvalidInstanceID.NotFound");
  const Status early = world.provider->provisioner().terminate({gang.value()[0].id});
  REQUIRE_FALSE(early.ok());
  CHECK(early.error().kind == ErrorKind::network);
  world.clock.sleep_until(world.clock.now() + Millis{600'000});
  CHECK(world.provider->provisioner().terminate({gang.value()[0].id}).ok());
  CHECK(world.provider->provisioner().list().value().empty());
}

TEST_CASE("aws provider: one bad id does not spoil the rest") {
  World world;
  world.ec2.refuse("TerminateInstances", 400, "InvalidInstanceID.NotFound");
  world.ec2.refuse("TerminateInstances", 400, "InvalidInstanceID.NotFound");
  world.ec2.answer("TerminateInstances", "<R/>");
  CHECK(world.provider->provisioner()
            .terminate({{"aws/us-east-1/i-1"}, {"aws/us-east-1/i-2"}, {"aws/x"}})
            .ok());
  CHECK(world.ec2.count("TerminateInstances") == 3);
}

TEST_CASE("aws provider: a region that does not answer fails the list") {
  World world;
  world.ec2.refuse("DescribeInstances", 403, "UnauthorizedOperation");
  CHECK(world.provider->provisioner().list().error().kind == ErrorKind::auth);
}

TEST_CASE("aws provider: Capacity Blocks that have begun, and none") {
  World world;
  world.ec2.answer("DescribeCapacityReservations", fixture("aws/network.xml"));
  world.ec2.answer("RunInstances", launched(1));
  CHECK(world.book(world.gang(1, Market::block, "g5.xlarge")).ok());
  const auto many = world.book(world.gang(3, Market::block, "p5e.48xlarge"));
  REQUIRE_FALSE(many.ok());
  CHECK(many.error().kind == ErrorKind::capacity);
  CHECK(many.error().scope == ErrorScope::offer);
  CHECK(many.error().message.find("cr-3 begins at 2026-12-01T11:30:00Z") != std::string::npos);
}

TEST_CASE(
    "aws provider: machines of a Capacity Block are told of its end 40 minutes before, in time to save") {
  World world;
  world.ec2.answer("DescribeCapacityReservations", fixture("aws/network.xml"));
  std::string row = launched(1);
  row = row.substr(row.find("<instancesSet>"));
  row.resize(row.find("</R>"));
  const auto put = [&](const std::string& from, const std::string& to) {
    row.replace(row.find(from), from.size(), to);
  };
  put("<name>pending</name>", "<name>running</name>");
  put("<amiLaunchIndex>",
      "<capacityReservationId>cr-1</capacityReservationId><dnsName>m</dnsName><amiLaunchIndex>");
  put("<tagSet>", "<tagSet><item><key>gpubroker:market</key><value>block</value></item>");
  world.ec2.answer("DescribeInstances", "<R><reservationSet><item>" + row + "</item></reservationSet></R>");
  const auto notice_at = [&](const char* when) {
    world.clock.sleep_until(parse_utc(when).value());
    const auto listed = world.provider->provisioner().list();
    REQUIRE_MESSAGE(listed.ok(), listed.error().message);
    REQUIRE(listed.value().size() == 1);
    return listed.value()[0].notice_until;
  };
  CHECK_FALSE(notice_at("2026-11-28T10:49:59Z").has_value());
  CHECK(notice_at("2026-11-28T10:50:00Z") == parse_utc("2026-11-28T11:00:00Z").value());
}

TEST_CASE(
    "aws provider: a gang with a fabric tries all zones in one call, and gives back what it was given") {
  World world;
  world.ec2.answer("DescribeSubnets", fixture("aws/network.xml"));
  world.ec2.answer("DescribePlacementGroups", fixture("aws/network.xml"));
  world.ec2.answer("AllocateAddress", "<R><allocationId>eipalloc-9</allocationId></R>");
  const std::string refusal =
      "<item><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>none</errorMessage></item>";
  world.ec2.answer("CreateFleet", "<R><fleetId>fleet-1</fleetId><errorSet>" + refusal + refusal +
                                      "</errorSet><fleetInstanceSet/></R>");
  const auto none = world.book(world.gang(2, Market::on_demand, "p5.48xlarge"));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::capacity);
  CHECK(none.error().scope == ErrorScope::region);
  CHECK(world.ec2.count("RunInstances") == 0);
  CHECK(world.ec2.count("CreateFleet") == 1);
  CHECK(world.ec2.count("DeleteLaunchTemplate") == 1);
  CHECK(world.ec2.count("AllocateAddress") == 2);
  CHECK(world.ec2.count("CreatePlacementGroup") == 1);
}

TEST_CASE("aws provider: a fleet that gives a part of the gang gives nothing") {
  World world;
  world.ec2.answer("DescribeSubnets", fixture("aws/network.xml"));
  const std::string part =
      "<R><fleetId>fleet-1</fleetId><errorSet/><fleetInstanceSet><item><instanceIds><item>i-0a</item>"
      "</instanceIds></item></fleetInstanceSet></R>";
  world.ec2.answer("CreateFleet", part);
  world.ec2.refuse("TerminateInstances", 503, "Unavailable");
  world.ec2.answer("TerminateInstances", "<R/>");
  const auto unsure = world.book(world.gang(2, Market::on_demand, "p5.48xlarge"));
  REQUIRE_FALSE(unsure.ok());
  CHECK(unsure.error().maybe_applied);
  const auto none = world.book(world.gang(2, Market::on_demand, "p5.48xlarge"));
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::capacity);
  CHECK(world.ec2.count("TerminateInstances") == 2);
}

TEST_CASE("aws provider: a fleet's machines are waited for until EC2 lists them all, and then no longer") {
  World world;
  world.ec2.answer("DescribeSubnets", fixture("aws/network.xml"));
  world.ec2.answer(
      "CreateFleet",
      "<R><fleetId>fleet-1</fleetId><errorSet/><fleetInstanceSet><item><instanceIds><item>i-0</item>"
      "<item>i-1</item></instanceIds></item></fleetInstanceSet></R>");
  const auto listed = [](std::string machines) {
    const std::size_t at = machines.find("<instancesSet>");
    return "<R><reservationSet><item>" + machines.substr(at, machines.size() - at - 4) +
           "</item></reservationSet></R>";
  };
  world.ec2.answer("DescribeInstances", "<R><reservationSet/></R>");
  world.ec2.answer("DescribeInstances", "<R><reservationSet/></R>");
  world.ec2.answer("DescribeInstances", listed(launched(1)));
  world.ec2.answer("DescribeInstances", listed(launched(2)));
  const Instant began = world.clock.now();
  const auto gang = world.book(world.gang(2, Market::on_demand, "g5.12xlarge"));
  CHECK_FALSE(gang.ok());  // another type than was asked for
  CHECK(gang.error().code == "TokenMismatch");
  CHECK(world.clock.now() - began == Millis{2'000});
}

TEST_CASE("aws fleet: of several refusals the one counts that no other zone would mend") {
  const std::string answer =
      "<R><fleetId>fleet-1</fleetId><errorSet>"
      "<item><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>a</errorMessage></item>"
      "<item><errorCode>VcpuLimitExceeded</errorCode><errorMessage>vCPU limit of 96 "
      "allows</errorMessage></item>"
      "<item><errorCode>Unsupported</errorCode><errorMessage>c</errorMessage></item></errorSet></R>";
  const auto told = parse_fleet(answer, "us-east-1");
  REQUIRE(told.ok());
  REQUIRE(told.value().refusals.size() == 3);
  CHECK(gravest(told.value().refusals, "us-east-1").kind == ErrorKind::quota);
  CHECK(gravest({told.value().refusals[2]}, "us-east-1").scope == ErrorScope::region);
  CHECK(gravest({}, "us-east-1").kind == ErrorKind::capacity);
  CHECK(parse_fleet("<R/>", "us-east-1").error().kind == ErrorKind::internal);
}

TEST_CASE("aws fleet: the template says all but place, number and market; the fleet says those") {
  World world;
  GangRequest gang = world.gang(2, Market::spot, "p5.48xlarge");
  LaunchPlan plan{
      .user_data = "#cloud-config", .security_group = "sg-1", .cards = fabric_layout("p5.48xlarge")};
  const auto find = [](const QueryPairs& form, const std::string& name) {
    const auto at =
        std::find_if(form.begin(), form.end(), [&](const auto& pair) { return pair.first == name; });
    return at == form.end() ? std::string("absent") : at->second;
  };
  const QueryPairs form = template_call(gang, plan);
  CHECK(find(form, "LaunchTemplateData.NetworkInterface.33.InterfaceType") == "efa-only");
  for (const auto& [name, value] : form) {
    CHECK(name.find("SubnetId") == std::string::npos);
    CHECK(name.find("MarketOptions") == std::string::npos);
    CHECK(value != "spot-instances-request");
  }
  CHECK(find(form, "LaunchTemplateData.ClientToken") == "absent");
  const QueryPairs fleet =
      fleet_call(gang, {{.id = "subnet-1", .zone = "a"}, {.id = "subnet-2", .zone = "b"}});
  CHECK(find(fleet, "SpotOptions.MinTargetCapacity") == "2");
  CHECK(find(fleet, "SpotOptions.SingleAvailabilityZone") == "true");
  CHECK(find(fleet, "LaunchTemplateConfigs.1.Overrides.2.SubnetId") == "subnet-2");
  CHECK(find(fleet, "ClientToken") == find(form, "LaunchTemplateName"));
}

TEST_CASE("aws provider: prices of what moves and of what does not") {
  World world;
  PriceSource& prices = *world.provider->prices();
  OfferKey key{"aws", "us-east-1", "us-east-1a", "g5.xlarge", Market::on_demand};
  CHECK(prices.price_history(key, {}, {}).value().empty());
  key.market = Market::spot;
  CHECK(prices.price_history(key, {}, {}).error().kind == ErrorKind::not_found);
  key.instance_type = "huge";
  CHECK(prices.price_history(key, {}, {}).error().kind == ErrorKind::not_found);
}

TEST_CASE("aws notice: a token first, a new one when it has run out") {
  FakeHttp http;
  testing::ManualClock clock;
  const std::string base = "http://169.254.169.254/latest/";
  http.answer("PUT " + base + "api/token", "tok");
  http.answer("GET " + base + "meta-data/spot/instance-action", HttpResponse{.status = 404});
  http.answer("GET " + base + "meta-data/spot/instance-action", HttpResponse{.status = 401});
  http.answer("GET " + base + "meta-data/spot/instance-action",
              std::string(R"({"action":"terminate","time":"2026-11-27T12:38:00Z"})"));
  const std::unique_ptr<NoticeSource> source = make_notice_source(http, clock);
  CHECK_FALSE(source->look().value().has_value());
  CHECK_FALSE(source->look().ok());
  CHECK(format_utc(source->look().value().value()) == "2026-11-27T12:38:00Z");
  CHECK(testing::sent(http.requests.back(), "x-aws-ec2-metadata-token") == "tok");
  CHECK(http.requests.size() == 5);
}

}  // namespace
}  // namespace gpubroker::aws
