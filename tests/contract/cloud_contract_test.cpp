// The suite and the fault matrix over every cloud of the registry.
#include <algorithm>
#include <cstdio>

#include <doctest/doctest.h>

#include "tests/contract/cloud_checks.hpp"

namespace gpubroker::contract {

TEST_CASE("cloud contract: every provider of the registry but one's own machines has a case") {
  std::vector<std::string> registered;
  // "ssh" calls no cloud that could be emulated: tests/unit/ssh and tests/e2e/clouds.py have real machines.
  std::vector<std::string> tested = {"local", "ssh"};
  for (const ProviderEntry& entry : all_providers()) { registered.push_back(entry.name); }
  for (const CloudCase& c : cloud_cases()) { tested.push_back(c.name); }
  std::sort(tested.begin(), tested.end());
  std::sort(registered.begin(), registered.end());
  CHECK(registered == tested);
}

TEST_CASE("cloud contract: every cloud keeps it") {
  static const std::vector<CloudCase> cases = cloud_cases();
  for (const CloudCase& c : cases) {
    for (const auto& [name, check] : cloud_checks()) {
      SUBCASE((c.name + ": " + name).c_str()) {
        check(c);
      }
    }
  }
}

TEST_CASE("fault matrix: no cloud and no fault without a defined outcome") {
  std::string table;
  for (const CloudCase& c : cloud_cases()) { table += run_fault_matrix(c); }
  std::printf("%s", table.c_str());
}

}  // namespace gpubroker::contract
