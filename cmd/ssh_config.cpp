#include "cmd/ssh_config.hpp"

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

void add_entry(std::string& out, const std::string& names, const NodeAddress& node,
               const std::string& known_hosts) {
  const auto line = [&](const std::string& name, const std::string& value) {
    out += "  " + name + " " + value + "\n";
  };
  out += "Host " + names + "\n";
  line("HostName", node.host);
  if (node.port != 0) { line("Port", std::to_string(node.port)); }
  if (!node.user.empty()) { line("User", node.user); }
  if (!node.identity.empty()) {
    line("IdentityFile", "\"" + node.identity + "\"");
    line("IdentitiesOnly", "yes");
  }
  line("HostKeyAlias", node.id.value);
  line("UserKnownHostsFile", "\"" + known_hosts + "\"");
  line("StrictHostKeyChecking", node.host_key.empty() ? "accept-new" : "yes");
}

/// One Include line at the top of the user's file: entries below a Host line would be that host's alone.
Status include_from_users_config(const std::string& path, Context& context) {
  const std::string folder = context.processes.env("HOME").value_or("") + "/.ssh";
  const std::string line = "Include \"" + path + "\"";
  if (!context.files.stat(folder).ok()) { return Ok{}; }  // no ssh user: `gpubroker ssh` serves them
  const Result<std::string> text = context.files.read(folder + "/config");
  if (!text.ok() && text.error().kind != ErrorKind::not_found) { return Ok{}; }
  const std::string before = text.ok() ? text.value() : std::string{};
  if (before.find(line) != std::string::npos) { return Ok{}; }
  return context.files.write_atomic(folder + "/config",
                                    "# gpubroker: names of its workloads\n" + line + "\n\n" + before, 0600,
                                    /*durable=*/true);
}

}  // namespace

std::string ssh_config_text(const std::map<WorkloadId, WorkloadState>& live,
                            const std::function<std::string(const NodeAddress&)>& known_hosts) {
  std::string out;
  for (const auto& [id, state] : live) {
    const Attempt* const attempt = state.current();
    if (attempt == nullptr) { continue; }
    for (const auto& [rank, node] : attempt->nodes) {
      const NodeAddress& address = node.view.address;
      if (node.view.state != NodeState::running || address.user.empty()) { continue; }  // not reached by ssh
      std::string names = id.value + "-" + std::to_string(rank);
      if (rank == 0) { names = id.value + " " + names; }
      add_entry(out, names, address, known_hosts(address));
    }
  }
  return out;
}

Status write_ssh_config(const std::map<WorkloadId, WorkloadState>& live, Context& context) {
  const std::string path = context.home + "/ssh_config";
  const std::string text =
      ssh_config_text(live, [&](const NodeAddress& node) { return context.ssh().known_hosts(node); });
  const Result<std::string> before = context.files.read(path);
  if (before.ok() ? before.value() == text : text.empty()) { return Ok{}; }
  TRY([[maybe_unused]] const Ok written, context.files.write_atomic(path, text, 0600, /*durable=*/false));
  return text.empty() ? Status(Ok{}) : include_from_users_config(path, context);
}

}  // namespace gpubroker
