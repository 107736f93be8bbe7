#include "tests/unit/workload/golden.hpp"

#include <cstdlib>

#include <doctest/doctest.h>

#include "core/system/files.hpp"

namespace gpubroker::testing {
namespace {

std::string path_of(const std::string& name) {
  return std::string(GPUBROKER_FIXTURES) + "/" + name;
}

}  // namespace

std::string printed(const Error& error) {
  std::string text = "error: " + error.source + ": " + error.message + "\n";
  if (!error.hint.empty()) { text += "hint: " + error.hint + "\n"; }
  return text;
}

std::string fixture(const std::string& name) {
  PosixFiles files;
  const Result<std::string> text = files.read(path_of(name));
  REQUIRE(text.ok());
  return text.value();
}

void check_golden(const std::string& name, const std::string& text) {
  PosixFiles files;
  if (std::getenv("GPUBROKER_ACCEPT") != nullptr) {
    REQUIRE(files.write_atomic(path_of(name), text, 0644, /*durable=*/false).ok());
  }
  CAPTURE(name);
  CHECK(text == fixture(name));
}

}  // namespace gpubroker::testing
