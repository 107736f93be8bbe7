// Nebius' machines: the codec over answers that another encoder wrote
// (tests/testcloud/clouds/nebius_machines.py) and their damage, and the provider's rarer ways over a fake
// network.
#include <algorithm>

#include <doctest/doctest.h>

#include "core/net/ssh_channel.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/grpc.hpp"
#include "providers/nebius/labels.hpp"
#include "providers/nebius/operations.hpp"
#include "providers/nebius/provider.hpp"
#include "tests/fake_home.hpp"
#include "tests/fake_http.hpp"

namespace gpubroker::nebius {
namespace {

using testing::fixture;

const Instant kStart{1'795'521'600'000};  // 2026-11-24T12:00:00Z
constexpr const char* kType = "gpu-h100-sxm_8gpu-128vcpu-1600gb";

GangRequest gang(Market market, int nodes = 1) {
  return {.token = {"llama-7k2q-a1"},
          .offer = {.key = {"nebius", "eu-north1", "", kType, market}},
          .nodes = nodes,
          .tags = {.workload = {"llama-7k2q"},
                   .attempt = 1,
                   .owner = "Ann",
                   .expires = kStart + std::chrono::hours{24}}};
}

std::vector<NodeView> told(Instant now) {
  const auto instances = parse_instances(fixture("nebius/instances.pb"), "eu-north1");
  const auto operations = parse_operations(fixture("nebius/operations.pb"), "eu-north1");
  REQUIRE(instances.ok());
  REQUIRE(operations.ok());
  return tell_machines(instances.value().items, operations.value().items, now);
}

const NodeView& find(const std::vector<NodeView>& views, const std::string& id) {
  const auto found = std::find_if(views.begin(), views.end(), [&](const NodeView& view) {
    return view.id.value == "nebius/computeinstance-e00" + id;
  });
  REQUIRE(found != views.end());
  return *found;
}

TEST_CASE("nebius: tags become labels of a-z, 0-9 and hyphens, and tags again") {
  const std::map<std::string, std::string> tags = {{"expires", "2026-11-27T10:00:00Z"},
                                                   {"key", std::string(200, 'K') + "_é"},
                                                   {"owner", "ann@x.org"},
                                                   {"token", "t-1"}};
  const std::map<std::string, std::string> labels = to_labels(tags);
  CHECK(labels.at("gpubroker-expires") == "2026-11-27_5410_3a00_3a00_5a");
  CHECK(labels.at("gpubroker-token") == "t-1");
  for (const auto& [name, value] : labels) {
    CHECK(value.size() <= 63);
    CHECK(value.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos);
  }
  CHECK(from_labels(labels) == tags);
  CHECK(from_labels({{"owner", "ann"}, {"gpubroker-owner", "_4"}, {"gpubroker-key", "_zz"}}) ==
        std::map<std::string, std::string>{{"owner", "_4"}, {"key", "_zz"}});
}

TEST_CASE("nebius: an idempotency key is a UUID of token and rank") {
  const std::string key = idempotency_key({"t1"}, 0);
  CHECK(key == idempotency_key({"t1"}, 0));
  CHECK(key != idempotency_key({"t1"}, 1));
  CHECK(key != idempotency_key({"t2"}, 0));
  CHECK(key.size() == 36);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) { CHECK(key[at] == '-'); }
}

TEST_CASE("nebius: a booking asks for disk, address, stop and cluster") {
  const auto fields = [](Market market, const Place& place) {
    const auto message = encode_create_instance(gang(market), 3, place, "#cloud-config\n");
    REQUIRE(message.ok());
    return message.value();
  };
  const std::string bytes = fields(Market::spot, {"project-1", "subnet-1", "cluster-1"});
  const ProtoMessage root = ProtoMessage::parse(bytes).value();
  const ProtoMessage spec = root.message(2).value();
  CHECK(root.message(1).value().text(2) == "project-1");
  CHECK(root.message(1).value().text(3) == machine_name({"llama-7k2q-a1"}, 3));
  CHECK(spec.message(2).value().text(1) == "gpu-h100-sxm");
  CHECK(spec.message(2).value().text(2) == "8gpu-128vcpu-1600gb");
  CHECK(spec.message(3).value().text(1) == "cluster-1");
  CHECK(spec.message(4).value().has(3));  // an empty message: any address
  CHECK(spec.message(4).value().has(4));
  const ProtoMessage disk = spec.message(5).value().message(4).value();
  CHECK(disk.message(4).value().number(4) == 200);
  CHECK(disk.messages(2).value().size() == root.message(1).value().messages(7).value().size());
  CHECK(spec.number(15) == 1);  // what powers itself off stays off
  CHECK(spec.message(19).value().number(1) == 1);
  const std::string plain = fields(Market::on_demand, {"project-1", "subnet-1", ""});
  const ProtoMessage alone = ProtoMessage::parse(plain).value().message(2).value();
  CHECK_FALSE(alone.has(3));
  CHECK_FALSE(alone.has(19));
  GangRequest other = gang(Market::spot);
  other.offer.key.instance_type = "gpu-h100-sxm";
  CHECK(encode_create_instance(other, 0, {}, "").error().kind == ErrorKind::invalid);
}

TEST_CASE("nebius: instances are ours by their labels") {
  const auto page = parse_instances(fixture("nebius/instances.pb"), "eu-north1");
  REQUIRE(page.ok());
  CHECK(page.value().items.size() == 5);
  CHECK(page.value().next == "next");
  const std::vector<NodeView> views = told(kStart + Millis{1'000});
  const NodeView& running = find(views, "running");
  CHECK(running.state == NodeState::running);
  CHECK(running.address.host == "203.0.113.7");  // told as 203.0.113.7/32
  CHECK(running.token.value == "llama-7k2q-a1");
  CHECK(running.tags == gang(Market::spot).tags);
  CHECK(running.offer == gang(Market::spot).offer.key);
  CHECK(running.created_at == kStart);
  CHECK(running.billed_from == kStart + Millis{90'000});  // when its creation was done
  CHECK(find(views, "starting").state == NodeState::starting);
  CHECK_FALSE(find(views, "starting").billed_from.has_value());
}

TEST_CASE("nebius: how a machine ended, by its state and its operations") {
  const std::vector<NodeView> views = told(kStart + std::chrono::hours{1});
  CHECK(find(views, "preempted").end_reason == "preempted");
  CHECK_FALSE(find(views, "preempted").ended_at.has_value());  // nobody tells when
  const NodeView& broken = find(views, "broken");
  CHECK(broken.state == NodeState::ended);
  CHECK(broken.end_reason.find("no room for 8gpu") != std::string::npos);
  CHECK_FALSE(broken.billed_from.has_value());
  const NodeView& deleted = find(views, "deleted");
  CHECK(deleted.state == NodeState::ended);
  CHECK(deleted.end_reason == "terminated");
  CHECK(deleted.tags.workload.value == "llama-7k2q");
  CHECK(*deleted.ended_at - *deleted.billed_from == Millis{100'000});
  const NodeView& taken = find(views, "taken");
  CHECK(taken.state == NodeState::running);  // billed until it stands
  CHECK(taken.notice_until == kStart + std::chrono::hours{1} + kPreemptionNotice);
  CHECK(views.size() == 6);  // not the one for which there was no place
  const std::vector<NodeView> late = told(kStart + std::chrono::hours{30});
  CHECK(late.size() == 5);  // the deleted is forgotten
  CHECK(find(late, "preempted").end_reason == "expired");
}

TEST_CASE("nebius: why a booking failed is in its operation") {
  const auto operations = parse_operations(fixture("nebius/operations.pb"), "eu-north1");
  REQUIRE(operations.ok());
  const auto failed = std::find_if(operations.value().items.begin(), operations.value().items.end(),
                                   [](const Operation& one) { return one.failure.has_value(); });
  REQUIRE(failed != operations.value().items.end());
  const Error shortage = booking_failure(*failed);
  CHECK(shortage.kind == ErrorKind::capacity);
  CHECK(shortage.scope == ErrorScope::offer);
  CHECK(shortage.code == "NotEnoughResources");
  CHECK(shortage.message == "RESOURCE_EXHAUSTED: Not enough resources; no room for 8gpu");
  // Without details it is this offer's affair, not a call too many.
  CHECK(booking_failure({.failure = Error{.kind = ErrorKind::throttled}}).kind == ErrorKind::capacity);
  CHECK(booking_failure({.failure = Error{.kind = ErrorKind::auth}}).kind == ErrorKind::auth);
}

TEST_CASE("nebius: a quota error names the quota and its numbers") {
  ProtoWriter violation;
  violation.text(1, "compute.instance.gpu.h100").text(3, "8").text(4, "16");
  ProtoWriter failure;
  failure.message(1, violation);
  ProtoWriter service_error;
  service_error.text(2, "QuotaFailure").message(141, failure);
  ProtoWriter any;
  any.message(2, service_error);
  ProtoWriter status;
  status.number(1, 8).text(2, "Quota limit exceeded").message(3, any);
  const Error error = read_status(status.bytes(), "nebius");
  CHECK(error.kind == ErrorKind::quota);
  CHECK(error.scope == ErrorScope::region);
  CHECK(error.code == "QuotaFailure");
  CHECK(error.message ==
        "RESOURCE_EXHAUSTED: Quota limit exceeded; compute.instance.gpu.h100: 16 requested, the limit is 8");
}

TEST_CASE("nebius: damaged lists are refused or read, never thrown over") {
  for (const char* name : {"nebius/instances.pb", "nebius/operations.pb"}) {
    const std::string good = fixture(name);
    REQUIRE_FALSE(good.empty());
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const char c : {'\x00', '\x7f', '\xff'}) {
        std::string bad = good;
        bad[at] = c;
        const auto instances = parse_instances(bad, "r");
        const auto operations = parse_operations(bad, "r");
        if (instances.ok() && operations.ok()) {
          static_cast<void>(tell_machines(instances.value().items, operations.value().items, kStart));
        }
        static_cast<void>(parse_disks(bad));
        static_cast<void>(parse_subnets(bad));
      }
      static_cast<void>(parse_operation(good.substr(0, at)));
    }
  }
}

TEST_CASE("nebius: the fabric with most machines, or the one that is known") {
  const auto advice = [](const char* fabric, Market market, int count) {
    return Advice{.region = "eu-north1",
                  .fabric = fabric,
                  .instance_type = kType,
                  .market = market,
                  .availability = {.kind = AvailabilityKind::count, .value = count}};
  };
  const OfferKey key = gang(Market::spot).offer.key;
  CHECK(choose_fabric({advice("fabric-3", Market::spot, 2), advice("fabric-6", Market::spot, 9),
                       advice("fabric-4", Market::on_demand, 20)},
                      key) == "fabric-6");
  CHECK(choose_fabric({}, key) == "fabric-3");
  OfferKey elsewhere = key;
  elsewhere.region = "eu-west2";
  CHECK(choose_fabric({}, elsewhere).empty());
  CHECK(joins_fabric(kType));
  CHECK_FALSE(joins_fabric("gpu-h100-sxm_1gpu-16vcpu-200gb"));
}

// --- the provider ---

class NoKeys final : public KeyRing {
 public:
  Result<NodeKeys> ensure(const WorkloadId& /*workload*/) override { return NodeKeys{}; }
  Result<std::optional<NodeKeys>> find(const WorkloadId& /*workload*/) override {
    return std::optional<NodeKeys>();
  }
  Status forget(const WorkloadId& /*workload*/) override { return Ok{}; }
};

/// An account with one project in eu-north1.
class Account {
 public:
  /// `lists`: what is there besides, by the list that tells it.
  explicit Account(const std::vector<std::pair<Method, std::string>>& lists = {}) {
    home.processes.variables["NEBIUS_IAM_TOKEN"] = "token";
    visit.http.answer(route(kListTenants), grpc(item("tenant-1")));
    ProtoWriter status;
    status.text(4, "eu-north1");
    visit.http.answer(route(kListProjects), grpc(item("project-1", 3, status)));
    for (const auto& [method, message] : lists) { visit.http.answer(route(method), grpc(message)); }
    for (const Method& method : {kListInstances, kListOperations, kListDisks, kListClusters}) {
      visit.http.answer(route(method), grpc(""));
    }
    provider = make_provider({.clock = visit.clock,
                              .random = random,
                              .files = home.files,
                              .processes = home.processes,
                              .http = visit.http,
                              .fan_out = visit.fan_out,
                              .keys = keys,
                              .channel = channel});
  }
  static std::string route(const Method& method) {
    return "POST https://" + std::string(method.host) + ".api.nebius.cloud/" + std::string(method.name);
  }
  static HttpResponse grpc(const std::string& message) {
    return {.status = 200,
            .headers = {{"content-type", "application/grpc"}, {"grpc-status", "0"}},
            .body = frame_grpc(message)};
  }
  static HttpResponse failure(const std::string& status) {
    return {.status = 200, .headers = {{"content-type", "application/grpc"}, {"grpc-status", status}}};
  }
  /// A list of one thing: its metadata (labelled as ours) and one more field.
  static std::string item(const std::string& id, int field = 3, const ProtoWriter& more = {}) {
    ProtoWriter metadata;
    metadata.text(1, id).text(3, id);
    for (const auto& [label, value] : to_labels(machine_tags(gang(Market::spot)))) {
      ProtoWriter pair;
      pair.text(1, label).text(2, value);
      metadata.message(7, pair);
    }
    ProtoWriter one;
    one.message(1, metadata).message(field, more);
    ProtoWriter list;
    list.message(1, one);
    return list.bytes();
  }
  std::size_t asked(const Method& method) const {
    return static_cast<std::size_t>(
        std::count_if(visit.http.requests.begin(), visit.http.requests.end(),
                      [&](const HttpRequest& one) { return (one.method + " " + one.url) == route(method); }));
  }

  class NoRandom final : public Random {
   public:
    std::uint64_t next() override { return 0; }
  };
  testing::FakeHome home = {};
  testing::FakeVisit visit = {};
  NoRandom random = {};
  NoKeys keys = {};
  SshChannel channel{home.processes, home.files, {.folder = home.folder.path() + "/ssh"}};
  std::unique_ptr<Provider> provider = {};
};

TEST_CASE("nebius: terminating is done when it is gone, or going") {
  Account account;
  const std::vector<NodeId> one = {{"nebius/computeinstance-1"}};
  account.visit.http.answer(Account::route(kDeleteInstance), Account::failure("5"));  // NOT_FOUND
  CHECK(account.provider->provisioner().terminate(one).ok());
  Account going;
  ProtoWriter state;
  state.number(1, static_cast<std::uint64_t>(InstanceState::deleting));
  ProtoWriter instance;
  instance.message(3, state);
  going.visit.http.answer(Account::route(kDeleteInstance), Account::failure("9"));  // FAILED_PRECONDITION
  going.visit.http.answer(Account::route(kGetInstance), Account::grpc(instance.bytes()));
  CHECK(going.provider->provisioner().terminate(one).ok());
  Account stuck;
  stuck.visit.http.answer(Account::route(kDeleteInstance), Account::failure("9"));
  stuck.visit.http.answer(Account::route(kGetInstance), Account::grpc(""));
  const Status refused = stuck.provider->provisioner().terminate(one);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::conflict);
}

TEST_CASE("nebius: a disk without a machine, a cluster and a machine that stands still are left over") {
  ProtoWriter stopped;
  stopped.number(1, static_cast<std::uint64_t>(InstanceState::stopped));
  ProtoWriter attached;
  attached.text(3, "computeinstance-1");
  Account account({{kListInstances, Account::item("computeinstance-1", 3, stopped)},
                   {kListDisks, Account::item("computedisk-1")},
                   {kListClusters, Account::item("computegpucluster-1")}});
  Attachments* const attachments = account.provider->attachments();
  const auto left = attachments->leftovers();
  REQUIRE(left.ok());
  REQUIRE(left.value().size() == 3);
  CHECK(left.value()[0].kind == "stopped machine");
  CHECK(left.value()[0].costs);
  CHECK(left.value()[1].kind == "disk");
  CHECK(left.value()[1].costs);
  CHECK(left.value()[1].token.value == "llama-7k2q-a1");
  CHECK(left.value()[2].kind == "GPU cluster");
  CHECK_FALSE(left.value()[2].costs);
  account.visit.http.answer(Account::route(kDeleteInstance), Account::failure("5"));
  account.visit.http.answer(Account::route(kDeleteDisk), Account::failure("9"));
  CHECK(attachments->remove({left.value()[0]}).ok());
  CHECK(attachments->remove({left.value()[1]}).error().kind == ErrorKind::conflict);
  Account busy({{kListDisks, Account::item("computedisk-1", 3, attached)}});
  CHECK(busy.provider->attachments()->leftovers().value().empty());
}

TEST_CASE("nebius: a region without a project of ours is told with what to do") {
  Account account;
  GangRequest request = gang(Market::on_demand);
  request.offer.key.region = "eu-west1";
  const auto refused = account.provider->provisioner().ensure_gang(request);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::quota);
  CHECK(refused.error().scope == ErrorScope::region);
  CHECK_FALSE(refused.error().hint.empty());
  CHECK(account.asked(kCreateInstance) == 0);
}

TEST_CASE("nebius: a list of which a part fails fails whole") {
  Account account;
  account.visit.http.answer(Account::route(kListOperations), Account::failure("14"));
  REQUIRE(account.provider->provisioner().list().ok());
  const auto listed = account.provider->provisioner().list();
  REQUIRE_FALSE(listed.ok());
  CHECK(listed.error().kind == ErrorKind::network);
}

}  // namespace
}  // namespace gpubroker::nebius
