#include "core/net/ssh_script.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

struct SshComplaint {
  const char* text;
  ErrorKind kind;
  const char* code;
  bool never_ran;
};
/// What OpenSSH 9 says on standard error when it ends with 255.
constexpr std::array kComplaints = {
    SshComplaint{"REMOTE HOST IDENTIFICATION HAS CHANGED", ErrorKind::auth, "host-key", true},
    SshComplaint{"Host key verification failed", ErrorKind::auth, "host-key", true},
    SshComplaint{"Permission denied", ErrorKind::auth, "ssh-key", true},
    SshComplaint{"Connection refused", ErrorKind::network, "unreachable", true},
    SshComplaint{"Connection timed out", ErrorKind::network, "unreachable", true},
    SshComplaint{"Operation timed out", ErrorKind::network, "unreachable", true},
    SshComplaint{"No route to host", ErrorKind::network, "unreachable", true},
    SshComplaint{"Network is unreachable", ErrorKind::network, "unreachable", true},
    SshComplaint{"Could not resolve hostname", ErrorKind::network, "unreachable", true},
    SshComplaint{"kex_exchange_identification", ErrorKind::network, "unreachable", true},
    SshComplaint{"banner exchange", ErrorKind::network, "unreachable", true},
};

}  // namespace

std::string last_line(const std::string& text) {
  const std::string_view all = trim(text);
  const std::size_t start = all.rfind('\n');
  return std::string(start == std::string_view::npos ? all : all.substr(start + 1));
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

Result<std::string> path_below(const NodeAddress& node, const std::string& path) {
  const std::vector<std::string> parts = split(path, '/');
  if (path.empty() || path.front() == '/' || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "\"" + path + "\" is not below the root of " + node.id.value};
  }
  return node.root + "/" + path;
}

Error ssh_error(const NodeAddress& node, const std::string& complaint) {
  Error error{.kind = ErrorKind::network,
              .message = "ssh to " + node.id.value + ": " + last_line(complaint),
              .source = "ssh " + node.host,
              .code = "lost",
              .maybe_applied = true};
  for (const SshComplaint& known : kComplaints) {
    if (complaint.find(known.text) == std::string::npos) { continue; }
    error.kind = known.kind;
    error.code = known.code;
    error.maybe_applied = !known.never_ran;
    break;
  }
  if (error.code == "host-key") {
    error.hint = "the machine at " + node.host +
                 " shows another host key than the one it was made with: do not trust it";
  }
  return error;
}

Error script_error(const NodeAddress& node, const CommandResult& result, const std::string& path) {
  const bool full = result.err.find("No space left") != std::string::npos;
  const bool missing = result.exit.code == kMissing;
  return {.kind = missing ? ErrorKind::not_found
                  : full  ? ErrorKind::capacity
                          : ErrorKind::internal,
          .message =
              missing ? path + " is not on " + node.id.value : node.id.value + ": " + last_line(result.err),
          .source = "ssh " + node.host};
}

std::string script_of(const NodeAddress& node, const Command& command) {
  std::string cwd = command.cwd.empty() ? node.root : command.cwd;
  if (cwd.front() != '/') { cwd.insert(0, node.root + "/"); }
  std::string script = "cd " + shell_quoted(cwd) + " || exit 71\n";
  for (const auto& [name, value] : command.env) {
    script += "export " + name + "=" + shell_quoted(value) + "\n";
  }
  script += "set --";
  for (const std::string& word : command.argv) { script += " " + shell_quoted(word); }
  return script + "\n";
}

bool outlives_node(const NodeAddress& node, const std::string& path) {
  return path.rfind(node.root + "/", 0) != 0;
}

std::string program_on(const NodeAddress& node, const std::string& hash) {
  constexpr std::size_t kEnough = 16;
  return node.binary + "-" + hash.substr(0, kEnough);
}

std::string install_script(const NodeAddress& node, const std::string& hash) {
  const std::string program = program_on(node, hash);
  const std::string name = shell_quoted(program);
  const std::string folder = shell_quoted(folder_of(program));
  std::string script = "mkdir -p " + folder + " || exit 71\n" + "echo '" + hash +
                       "  program.gz' | sha256sum -c - >/dev/null || exit 72\n" + "gzip -dc program.gz > " +
                       name + ".$$ && chmod 755 " + name + ".$$ && mv -f " + name + ".$$ " + name +
                       " || { rm -f " + name + ".$$; exit 71; }\n";
  if (outlives_node(node, program)) {  // those of versions that nobody brings any more
    script += "find " + folder + " -path " + shell_quoted(node.binary + "-*") + " -mtime +30 ! -path " +
              name + " -exec rm -f {} +\n";
  }
  return script;
}

Result<std::string> places_of(const NodeAddress& node, const std::vector<NodeFile>& files,
                              const std::string& output) {
  std::set<std::string> folders = {node.root, folder_of(output)};
  std::string moves;
  for (std::size_t i = 0; i < files.size(); ++i) {
    TRY(const std::string target, path_below(node, files[i].path));
    folders.insert(folder_of(target));
    moves += "mv -f " + std::to_string(i) + " " + shell_quoted(target) + " || exit 71\n";
  }
  std::string script = "(umask 077; mkdir -p";
  for (const std::string& folder : folders) { script += " " + shell_quoted(folder); }
  return script + ") || exit 71\n" + moves;
}

std::string cpu_of_uname(const std::string& machine) {
  if (machine == "aarch64") { return "arm64"; }
  return machine == "amd64" ? "x86_64" : machine;
}

std::string receive_command(const NodeAddress& node, const std::string& cpu) {
  const std::string names = cpu == "arm64" ? "arm64|aarch64" : cpu == "x86_64" ? "x86_64|amd64" : cpu;
  const std::string check = cpu.empty() ? ""
                                        : "case $(uname -m) in " + names + ") ;; *) uname -m; exit " +
                                              std::to_string(kOtherCpu) + ";; esac; ";
  // What is started has the login's own umask again.
  const std::string script =
      check + "u=$(umask); umask 077; d=" + shell_quoted(node.root) +
      "/incoming.$$; mkdir -p \"$d\" && cd \"$d\" && tar -xopf - || { rm -rf \"$d\"; exit 71; }; "
      "umask $u; sh ./start; code=$?; rm -rf \"$d\"; exit $code";
  return "exec sh -c " + shell_quoted(script);
}

}  // namespace gpubroker
