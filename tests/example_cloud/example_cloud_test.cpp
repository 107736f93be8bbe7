// An invented cloud: a folder, a line, an emulator; the whole contract is kept.
#include <cstdio>
#include <cstdlib>

#include <doctest/doctest.h>

#include "core/plan/ranking.hpp"
#include "tests/contract/cloud_checks.hpp"
#include "tests/example_cloud/example/provider.hpp"

namespace gpubroker::contract {
namespace {

// Before the server is started. NOLINTNEXTLINE(concurrency-mt-unsafe): no thread runs yet.
const int kAlso =
    ::setenv("TESTCLOUD_ALSO", GPUBROKER_SOURCE "/tests/example_cloud/emulator.py", /*replace=*/1);

/// The one line of the registry.
Result<std::unique_ptr<Provider>> make_example(const ProviderContext& context) {
  return example::make_provider(*context.cloud);
}

CloudCase example_case() {
  return {.name = "example",
          .on_demand = {"example", "north", "", "h100x8", Market::on_demand},
          .price = {20'000'000},
          .billing = {.unit = Millis{1'000}},
          .host = "api.example-cloud.test",
          .path = "/machines/",
          .make = make_example,
          .account = {{"EXAMPLE_API_KEY", "example-test-key"}}};
}

}  // namespace

TEST_CASE("example cloud: the contract") {
  REQUIRE(kAlso == 0);
  static const CloudCase cloud = example_case();
  for (const auto& [name, check] : cloud_checks()) {
    SUBCASE(name) {
      check(cloud);
    }
  }
}

TEST_CASE("example cloud: the fault matrix") {
  std::printf("%s", run_fault_matrix(example_case()).c_str());
}

TEST_CASE("example cloud: what it tells of itself is what can be booked") {
  const CloudCase cloud = example_case();
  EmulatedClouds::instance().arrange(nlohmann::json::object());
  Laptop laptop;
  const std::unique_ptr<Provider> provider = open_provider(cloud, laptop, laptop.parts());
  const auto offers = provider->prices()->offers();
  REQUIRE_MESSAGE(offers.ok(), offers.error().message);
  GangNeed need{.any_of = {ResourceNeed{}}, .nodes = 2};
  need.any_of[0].gpu = {.choices = {{.model = "H100"}}, .count = 8};
  const Candidates candidates = find_candidates(offers.value(), need, {}, laptop.clock.now(), /*most=*/5);
  REQUIRE(candidates.count == 1);
  CHECK(candidates.best[0]->key == cloud.on_demand);
  CHECK(candidates.best[0]->price == cloud.price);
}

}  // namespace gpubroker::contract
