#pragma once
// What every cloud must keep, over its emulator (tests/testcloud) and the network.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/cloud_cases.hpp"
#include "tests/contract/emulated_cloud.hpp"

namespace gpubroker::contract {

/// One promise, tried: fails the test where it is not kept.
using CloudCheck = void (*)(const CloudCase&);

/// All promises, each with its name.
const std::vector<std::pair<const char*, CloudCheck>>& cloud_checks();

/// The fault matrix of one cloud: its booking call with every fault. Its rows of the table.
std::string run_fault_matrix(const CloudCase& cloud);

/// This cloud's provider on this laptop, of the registry or of the case itself.
std::unique_ptr<Provider> open_provider(const CloudCase& cloud, Laptop& laptop, const CloudParts& parts);

}  // namespace gpubroker::contract
