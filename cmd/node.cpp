// What runs on nodes.
#include "cmd/commands.hpp"
#include "providers/local/machine.hpp"

namespace gpubroker {

Result<int> run_agent_command(const AgentOptions& options, Context& context) {
  watch_interrupts(SecondSignal::is_ignored);
  TRY([[maybe_unused]] const Ok done, run_agent_process(options, context.clock, context.files,
                                                        context.processes, context.network, was_interrupted));
  return 0;
}

Result<int> run_machine_command(const std::vector<std::string>& arguments, Context& context) {
  TRY(const local::MachineOptions options, local::parse_machine_arguments(arguments));
  TRY([[maybe_unused]] const Ok done,
      local::run_local_machine({context.clock, context.files, context.processes}, options));
  return 0;
}

}  // namespace gpubroker
