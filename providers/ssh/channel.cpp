#include "providers/ssh/channel.hpp"

#include "providers/ssh/claims.hpp"

namespace gpubroker::ssh {
namespace {

Command with_cookie(const NodeAddress& node, Command command) {
  command.env[kCookie] = node.id.value.substr(node.id.value.rfind('/') + 1);
  return command;
}

}  // namespace

Result<CommandResult> ClaimChannel::run(const NodeAddress& node, const Command& command, Millis timeout) {
  return below_.run(node, with_cookie(node, command), timeout);
}

Status ClaimChannel::start(const NodeAddress& node, const Command& command, const std::string& output_path) {
  return below_.start(node, with_cookie(node, command), output_path);
}

Status ClaimChannel::put_and_start(const NodeAddress& node, const std::vector<NodeFile>& files,
                                   const Command& command, const std::string& output_path) {
  return below_.put_and_start(node, files, with_cookie(node, command), output_path);
}

}  // namespace gpubroker::ssh
