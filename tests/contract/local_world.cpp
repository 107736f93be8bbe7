#include "tests/contract/local_world.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/system/random.hpp"
#include "providers/local/bill.hpp"
#include "providers/registry.hpp"

namespace gpubroker::contract {

TemporaryHome::TemporaryHome() {
  std::string path = std::filesystem::temp_directory_path() / "gpubroker-contract-XXXXXX";
  REQUIRE(mkdtemp(path.data()) != nullptr);
  path_ = path;
}

TemporaryHome::~TemporaryHome() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

struct LocalWorld::Parts {
  SystemClock clock;
  SystemRandom random;
  PosixFiles files;
  PosixProcesses processes;
};

LocalWorld::LocalWorld(const std::string& scenario) : parts_(std::make_unique<Parts>()) {
  if (scenario.empty()) {
    scenario_ = "none";
  } else {
    scenario_ = scenario_path();
    REQUIRE(parts_->files.write_atomic(scenario_, scenario, 0644, /*durable=*/false).ok());
  }
  provider_ = make_another();
}

// NOLINTNEXTLINE(bugprone-exception-escape): only what the library throws when memory is out.
LocalWorld::~LocalWorld() {
  // A failed test must not leave machines behind.
  for (const Result<std::vector<NodeView>>& nodes :
       {provider_->provisioner().list(), provider_->provisioner().list()}) {
    if (!nodes.ok()) { continue; }
    std::vector<NodeId> ids;
    for (const NodeView& node : nodes.value()) { ids.push_back(node.id); }
    (void)provider_->provisioner().terminate(ids).ok();
  }
}

std::unique_ptr<Provider> LocalWorld::make_another() {
  for (const ProviderEntry& entry : all_providers()) {
    if (entry.name != "local") { continue; }
    Result<std::unique_ptr<Provider>> provider = entry.make({.clock = parts_->clock,
                                                             .random = parts_->random,
                                                             .files = parts_->files,
                                                             .processes = parts_->processes,
                                                             .home = home_.path(),
                                                             .binary = machine_program(),
                                                             .local_scenario = scenario_});
    REQUIRE_MESSAGE(provider.ok(), provider.error().message);
    return std::move(provider).value();
  }
  FAIL("the registry has no local provider");
  return nullptr;
}

Clock& LocalWorld::clock() {
  return parts_->clock;
}
Files& LocalWorld::files() {
  return parts_->files;
}
std::string LocalWorld::machine_program() {
  return LOCAL_MACHINE_PROGRAM;
}
Processes& LocalWorld::processes() {
  return parts_->processes;
}

bool LocalWorld::break_machine(const NodeView& node) {
  const auto text = parts_->files.read(node.address.root + "/machine.json");
  REQUIRE(text.ok());
  const auto mark = local::parse_machine(text.value());
  REQUIRE(mark.ok());
  return kill(static_cast<pid_t>(mark.value().pid), SIGKILL) == 0;
}

std::size_t LocalWorld::count_processes(const NodeId& node) {
  return parts_->processes.find_by_env(local::kNodeCookie, node.value).size();
}

std::map<NodeId, Money> LocalWorld::billed() {
  std::map<NodeId, Money> out;
  const auto lines = local::local_bill(parts_->files, folder());
  REQUIRE(lines.ok());
  for (const local::BillLine& line : lines.value()) { out[line.node].micros += line.amount.micros; }
  return out;
}

namespace {

local::Scenario arrange(const ContractNeeds& needs) {
  using namespace local;  // NOLINT(google-build-using-namespace): a test
  InstancePlan type{.name = "small", .vcpus = 2, .memory_mib = 1024, .slots = {{Millis{0}, needs.slots}}};
  type.markets[Market::on_demand].price = {{Millis{0}, 2'000'000}};
  for (const auto& [at, rate] : needs.prices) {
    type.markets[Market::spot].price.push_back({at, rate.micros_per_hour});
  }
  RegionPlan east{.name = "east", .types = {type}};
  if (needs.quota) { east.quota_vcpus = 2 * *needs.quota; }
  Scenario scenario{.name = "contract",
                    .billing = needs.billing,
                    .boot = needs.boot,
                    .regions = {east, RegionPlan{.name = "west", .types = {type}}}};
  if (needs.lose_first_create) {
    scenario.faults.push_back({CloudCall::create, "", 1, FaultDeed::lost_answer});
  }
  if (needs.refuse_first_create) {
    scenario.faults.push_back({CloudCall::create, "", 1, FaultDeed::network});
  }
  if (needs.lose_first_terminate) {
    scenario.faults.push_back({CloudCall::terminate, "", 1, FaultDeed::lost_answer});
  }
  if (needs.spot_life) {
    scenario.preemptions.push_back({.after = *needs.spot_life, .notice = needs.notice});
  }
  return scenario;
}

}  // namespace

std::vector<ContractCase> contract_cases() {
  return {
      {"local",
       [](const ContractNeeds& needs) -> std::unique_ptr<ContractWorld> {
         return std::make_unique<LocalWorld>(local::format_scenario(arrange(needs)));
       }},
  };
}

}  // namespace gpubroker::contract
