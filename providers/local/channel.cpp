#include "providers/local/channel.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "providers/local/machine.hpp"
#include "providers/local/records.hpp"

namespace gpubroker::local {
namespace {

Error gone(const NodeAddress& node) {
  return Error{.kind = ErrorKind::network,
               .message = "node " + node.id.value + " is gone",
               .source = "local " + node.host};
}

}  // namespace

std::map<std::string, std::string> login_environment(Processes& processes, const NodeId& node) {
  std::map<std::string, std::string> out;
  for (const char* name : {"ASAN_OPTIONS", "CONDA_PREFIX", "HOME", "LANG", "LC_ALL", "LC_CTYPE",
                           "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONPATH", "SHELL", "TMPDIR",
                           "TSAN_OPTIONS", "TZ", "UBSAN_OPTIONS", "USER", "VIRTUAL_ENV"}) {
    if (const std::optional<std::string> value = processes.env(name)) { out[name] = *value; }
  }
  out[kNodeCookie] = node.value;
  return out;
}

Status LocalChannel::check_node(const NodeAddress& node) {
  const Result<std::string> machine = files_.read(node.root + "/" + std::string(kMachineFile));
  if (!machine.ok() || files_.stat(node.root + "/" + std::string(kEndedFile)).ok()) { return gone(node); }
  TRY(const ProcessMark mark, parse_machine(machine.value()));
  if (!is_alive(files_, processes_, mark)) { return gone(node); }
  return Ok{};
}

Result<std::string> LocalChannel::path_on(const NodeAddress& node, const std::string& path) {
  if (Status s = check_node(node); !s.ok()) { return s.error(); }
  const std::vector<std::string> parts = split(path, '/');
  if (path.empty() || path.front() == '/' || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "\"" + path + "\" is not below the root of " + node.id.value,
                 .source = "local " + node.host};
  }
  return node.root + "/" + path;
}

Result<Command> LocalChannel::command_on(const NodeAddress& node, const Command& command) {
  if (Status s = check_node(node); !s.ok()) { return s.error(); }
  Command out = command;
  out.env =
      command.inherit_env ? login_environment(processes_, node.id) : std::map<std::string, std::string>{};
  for (const auto& [name, value] : command.env) { out.env[name] = value; }
  out.env[kNodeCookie] = node.id.value;
  out.inherit_env = false;
  out.cwd = command.cwd.empty()          ? node.root
            : command.cwd.front() == '/' ? command.cwd
                                         : node.root + "/" + command.cwd;
  return out;
}

Status LocalChannel::put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) {
  TRY(const std::string target, path_on(node, path));
  Status written = files_.write_atomic(target, bytes, mode, /*durable=*/false);
  // The machine may have been taken meanwhile; a file that was put back on its wiped disk is nobody's.
  if (Status s = check_node(node); !s.ok()) { return s; }
  return written;
}

Status LocalChannel::put_file(const NodeAddress& node, const std::string& path,
                              const std::string& local_path) {
  TRY(const std::string target, path_on(node, path));
  Status copied = files_.copy(local_path, target, /*durable=*/false);
  if (Status s = check_node(node); !s.ok()) { return s; }
  return copied;
}

Result<std::string> LocalChannel::get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                                      std::int64_t max) {
  TRY(const std::string source, path_on(node, path));
  Result<std::string> bytes = files_.read_at(source, offset, max);
  if (bytes.ok()) { return bytes; }
  if (Status s = check_node(node); !s.ok()) { return s.error(); }
  return bytes;
}

Result<CommandResult> LocalChannel::run(const NodeAddress& node, const Command& command, Millis timeout) {
  TRY(const Command here, command_on(node, command));
  Result<CommandResult> result = processes_.run(here, timeout);
  if (Status s = check_node(node); !s.ok()) {
    Error lost = s.error();
    lost.maybe_applied = true;
    return lost;
  }
  return result;
}

Status LocalChannel::start(const NodeAddress& node, const Command& command, const std::string& output_path) {
  TRY(const Command here, command_on(node, command));
  TRY(const std::string output, path_on(node, output_path));
  if (Status s = files_.make_dirs(output.substr(0, output.rfind('/')), 0755); !s.ok()) { return s; }
  const Result<std::int64_t> pid = processes_.start_detached(here, output);
  // Taken between our look and the start: what was just started may have missed the end of all others.
  if (Status s = check_node(node); !s.ok()) {
    if (Status ended = end_processes(clock_, processes_, node.id); !ended.ok()) { return ended; }
    return s;
  }
  if (!pid.ok()) { return pid.error(); }
  return Ok{};
}

}  // namespace gpubroker::local
