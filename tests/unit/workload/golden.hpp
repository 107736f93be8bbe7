#pragma once
#include <string>

#include "core/base/error.hpp"

namespace gpubroker::testing {

/// An error as every command prints it.
std::string printed(const Error& error);

/// The text of a file under tests/fixtures.
std::string fixture(const std::string& name);

/// Compares with the fixture; with GPUBROKER_ACCEPT=1 writes it instead, for the diff to be reviewed.
void check_golden(const std::string& name, const std::string& text);

}  // namespace gpubroker::testing
