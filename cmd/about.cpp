// Small commands that tell about the program itself.
#include <iostream>

#include "cmd/commands.hpp"

namespace gpubroker {

Result<int> run_version(const VersionOptions& options, Context& /*context*/) {
  if (options.json) {
    std::cout << R"({"schema":1,"version":")" << GPUBROKER_VERSION << "\"}\n";
  } else {
    std::cout << "gpubroker " << GPUBROKER_VERSION << '\n';
  }
  return 0;
}

Result<int> run_complete_names(Context& context) {
  const Result<Journal*> journal = context.journal_to_read();
  if (!journal.ok()) { return 0; }
  const Result<std::vector<WorkloadRow>> rows = journal.value()->workloads(/*only_live=*/false);
  if (!rows.ok()) { return 0; }
  for (const WorkloadRow& row : rows.value()) { std::cout << row.id.value << '\n'; }
  return 0;
}

}  // namespace gpubroker
