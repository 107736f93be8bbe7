// The machine of a local node, for tests that must not wait for the whole gpubroker program: `… local-machine
// <arguments>`.
#include <cstdio>
#include <string>
#include <vector>

#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "providers/local/machine.hpp"

int main(int argc, char** argv) {
  using namespace gpubroker;  // NOLINT(google-build-using-namespace): a main of a test
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words.front() != "local-machine") { return 2; }
  const Result<local::MachineOptions> options =
      local::parse_machine_arguments({words.begin() + 1, words.end()});
  if (!options.ok()) {
    std::fprintf(stderr, "error: %s\n", options.error().message.c_str());
    return 2;
  }
  SystemClock clock;
  PosixFiles files;
  PosixProcesses processes;
  const Status status = local::run_local_machine({clock, files, processes}, options.value());
  if (!status.ok()) { std::fprintf(stderr, "error: %s\n", status.error().message.c_str()); }
  return status.ok() ? 0 : 8;
}
