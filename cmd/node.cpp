// What runs on nodes.
#include "cmd/commands.hpp"
#include "core/agent/agent.hpp"
#include "core/net/curl_http.hpp"
#include "providers/local/machine.hpp"
#include "providers/registry.hpp"

namespace gpubroker {

Result<int> run_agent_command(const AgentOptions& options, Context& context) {
  watch_interrupts(SecondSignal::is_ignored);
  std::unique_ptr<Http> network;  // only where something is asked over it
  const AgentParts parts{.clock = context.clock,
                         .files = context.files,
                         .processes = context.processes,
                         .notices = [&](const std::string& provider) -> std::unique_ptr<NoticeSource> {
                           const NoticeMaker make = find_notice_maker(provider);
                           if (make == nullptr) { return nullptr; }
                           Result<std::unique_ptr<Http>> http = make_curl_http({});
                           if (!http.ok()) { return nullptr; }  // no libcurl here: then without notices
                           network = std::move(http).value();
                           return make(*network, context.clock);
                         },
                         .network = [&] { return context.store_network(); }};
  TRY([[maybe_unused]] const Ok done, run_agent(parts, options.root, options.attempt, was_interrupted));
  return 0;
}

Result<int> run_machine_command(const std::vector<std::string>& arguments, Context& context) {
  TRY(const local::MachineOptions options, local::parse_machine_arguments(arguments));
  TRY([[maybe_unused]] const Ok done,
      local::run_local_machine({context.clock, context.files, context.processes}, options));
  return 0;
}

}  // namespace gpubroker
