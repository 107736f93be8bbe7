#include "core/net/ssh_channel.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/digest.hpp"

namespace gpubroker {
namespace {

constexpr Millis kUsual{60'000};
constexpr Millis kLong{600'000};
constexpr int kMissing = 44;  // our scripts' way to say that a file is not there
constexpr int kSshFailed = 255;

/// A node's id has characters that file names have not, and a socket's path must be short.
std::string short_name(const NodeAddress& node) {
  constexpr std::size_t kEnough = 16;
  return to_hex(sha256(node.id.value)).substr(0, kEnough);
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

std::string last_line(const std::string& text) {
  const std::string_view all = trim(text);
  const std::size_t start = all.rfind('\n');
  return std::string(start == std::string_view::npos ? all : all.substr(start + 1));
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

/// A failed script of ours, in our kinds.
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

/// A shell script that enters the command's folder and environment and has its words in "$@". Read from
/// standard input by `sh`, so that no value is seen in a process list.
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

}  // namespace

std::string SshChannel::known_hosts(const NodeAddress& node) const {
  return options_.folder + "/" + short_name(node) + ".keys";
}

Result<std::vector<std::string>> SshChannel::login(const NodeAddress& node) {
  const std::string known = known_hosts(node);
  if (!node.host_key.empty()) {
    TRY([[maybe_unused]] const Ok pinned,
        files_.write_atomic(known, node.id.value + " " + node.host_key + "\n", 0600, /*durable=*/false));
  }
  std::vector<std::string> words = {options_.program};
  const auto option = [&](const std::string& text) {
    words.emplace_back("-o");
    words.push_back(text);
  };
  option("BatchMode=yes");
  option("StrictHostKeyChecking=" + std::string(node.host_key.empty() ? "accept-new" : "yes"));
  option("UserKnownHostsFile=" + known);
  option("GlobalKnownHostsFile=/dev/null");
  option("HostKeyAlias=" + node.id.value);
  option("ControlMaster=auto");
  option("ControlPath=" + options_.folder + "/" + short_name(node) + ".sock");
  option("ControlPersist=60");
  option("ConnectTimeout=" +
         std::to_string(std::max<std::int64_t>(options_.connect_timeout.count() / 1000, 1)));
  option("ServerAliveInterval=5");
  option("ServerAliveCountMax=3");
  option("LogLevel=ERROR");
  if (!node.identity.empty()) {
    option("IdentitiesOnly=yes");
    words.emplace_back("-i");
    words.push_back(node.identity);
  }
  if (node.port != 0) {
    words.emplace_back("-p");
    words.push_back(std::to_string(node.port));
  }
  words.push_back(node.user.empty() ? node.host : node.user + "@" + node.host);
  return words;
}

Result<CommandResult> SshChannel::remote(const NodeAddress& node, const std::string& script, Command input,
                                         Millis timeout) {
  TRY([[maybe_unused]] const Ok made, files_.make_dirs(options_.folder, 0700));
  TRY(input.argv, login(node));
  input.argv.push_back(script);
  Result<CommandResult> result = processes_.run(input, timeout);
  if (!result.ok()) {
    Error error = result.error();
    error.source = "ssh " + node.host;
    error.maybe_applied = true;
    return error;
  }
  if (result.value().exit.code == kSshFailed) { return ssh_error(node, result.value().err); }
  return result;
}

Status SshChannel::put(const NodeAddress& node, const std::string& path, std::string_view bytes, int mode) {
  TRY(const std::string target, path_below(node, path));
  std::array<char, 8> octal{};
  std::snprintf(octal.data(), octal.size(), "%o", static_cast<unsigned>(mode));
  const std::string name = shell_quoted(target);
  const std::string script = "umask 077; mkdir -p " + shell_quoted(folder_of(target)) + " && cat > " + name +
                             ".part && chmod " + octal.data() + " " + name + ".part && mv -f " + name +
                             ".part " + name;
  TRY(const CommandResult result, remote(node, script, {.stdin_bytes = std::string(bytes)}, kUsual));
  if (result.exit.code != 0) { return script_error(node, result, path); }
  return Ok{};
}

Status SshChannel::put_file(const NodeAddress& node, const std::string& path, const std::string& local_path) {
  TRY(const std::string target, path_below(node, path));
  const std::string name = shell_quoted(target);
  const std::string script = "mkdir -p " + shell_quoted(folder_of(target)) + " && cat > " + name +
                             ".part && mv -f " + name + ".part " + name;
  TRY(const CommandResult result, remote(node, script, {.stdin_file = local_path}, kLong));
  if (result.exit.code != 0) { return script_error(node, result, path); }
  return Ok{};
}

Result<std::string> SshChannel::get(const NodeAddress& node, const std::string& path, std::int64_t offset,
                                    std::int64_t max) {
  TRY(const std::string source, path_below(node, path));
  const std::string name = shell_quoted(source);
  const std::string script = "test -e " + name + " || exit " + std::to_string(kMissing) + "; tail -c +" +
                             std::to_string(offset + 1) + " " + name + " | head -c " + std::to_string(max);
  TRY(CommandResult result, remote(node, script, {}, kUsual));
  if (result.exit.code != 0) { return script_error(node, result, path); }
  return std::move(result.out);
}

Result<CommandResult> SshChannel::run(const NodeAddress& node, const Command& command, Millis timeout) {
  std::string script = script_of(node, command);
  if (command.stdin_bytes.empty()) {
    script += "\"$@\" </dev/null\n";
  } else {
    script += "printf %s " + shell_quoted(to_base64(command.stdin_bytes)) + " | base64 -d | \"$@\"\n";
  }
  script += "code=$?; [ $code = 255 ] && code=254; exit $code\n";  // 255 is ssh's own word
  return remote(node, "sh", {.stdin_bytes = script}, timeout);
}

Status SshChannel::start(const NodeAddress& node, const Command& command, const std::string& output_path) {
  TRY(const std::string output, path_below(node, output_path));
  if (!command.argv.empty() && command.argv.front() == node.binary) {
    TRY([[maybe_unused]] const Ok there, ensure_binary(node));
  }
  // A session of its own, nothing of ours open in it: what is started under an ssh connection dies with it
  // else.
  const std::string script = "mkdir -p " + shell_quoted(node.root) + " " + shell_quoted(folder_of(output)) +
                             " || exit 71\n" + script_of(node, command) +
                             "setsid nohup \"$@\" </dev/null >>" + shell_quoted(output) + " 2>&1 &\n";
  TRY(const CommandResult result, remote(node, "sh", {.stdin_bytes = script}, kUsual));
  if (result.exit.code != 0) { return script_error(node, result, output_path); }
  return Ok{};
}

std::string SshChannel::first_host_key(const NodeAddress& node) {
  const Result<std::string> known = files_.read(known_hosts(node));
  if (!known.ok()) { return {}; }
  // "name type key"; the name is a hash where the system's ssh config wants it so.
  const std::vector<std::string> words = split(last_line(known.value()), ' ');
  return words.size() < 3 ? std::string{} : words[1] + " " + words[2];
}

Status SshChannel::ensure_binary(const NodeAddress& node) {
  if (options_.binary.empty()) { return Ok{}; }
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (with_binary_.count(node.id.value) != 0) { return Ok{}; }
  }
  TRY(const FileInfo info, files_.stat(options_.binary));
  const std::string name = shell_quoted(node.binary);
  // Another supervisor may have brought it: the same size is the same program, a version is never built
  // twice.
  const std::string check = "test \"$(stat -c %s " + name + " 2>/dev/null)\" = " + std::to_string(info.size);
  TRY(const CommandResult found, remote(node, check, {}, kUsual));
  if (found.exit.code != 0) {
    const std::string script = "mkdir -p " + shell_quoted(folder_of(node.binary)) + " && cat > " + name +
                               ".$$ && chmod 755 " + name + ".$$ && mv -f " + name + ".$$ " + name;
    TRY(const CommandResult result, remote(node, script, {.stdin_file = options_.binary}, kLong));
    if (result.exit.code != 0) { return script_error(node, result, node.binary); }
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  with_binary_.insert(node.id.value);
  return Ok{};
}

void SshChannel::forget(const NodeAddress& node) {
  Result<std::vector<std::string>> words = login(node);
  if (words.ok()) {
    Command command{.argv = std::move(words).value()};
    command.argv.insert(command.argv.begin() + 1, {"-O", "exit"});
    static_cast<void>(
        processes_.run(command, std::chrono::seconds{5}));  // no connection is left: all the better
  }
  static_cast<void>(files_.remove_all(known_hosts(node)));
  const std::lock_guard<std::mutex> hold(mutex_);
  with_binary_.erase(node.id.value);
}

}  // namespace gpubroker
