#include "cmd/agent/agent_process.hpp"

#include "core/agent/agent.hpp"
#include "core/net/curl_http.hpp"
#include "providers/notices.hpp"

namespace gpubroker {

Status run_agent_process(const AgentOptions& options, Clock& clock, Files& files, Processes& processes,
                         Network& network, const std::function<bool()>& stopping) {
  std::unique_ptr<Http> metadata;  // without a proxy's or an emulator's settings: it is on the machine itself
  const AgentParts parts{.clock = clock,
                         .files = files,
                         .processes = processes,
                         .notices = [&](const std::string& provider) -> std::unique_ptr<NoticeSource> {
                           const NoticeMaker make = find_notice_maker(provider);
                           if (make == nullptr) { return nullptr; }
                           Result<std::unique_ptr<Http>> http = make_curl_http({});
                           if (!http.ok()) { return nullptr; }  // no libcurl here: then without notices
                           metadata = std::move(http).value();
                           return make(*metadata, clock);
                         },
                         .network = [&] { return network.for_store(); }};
  return run_agent(parts, options.root, options.attempt, stopping);
}

}  // namespace gpubroker
