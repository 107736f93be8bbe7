#include "core/net/ssh_channel.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/net/ssh_script.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/tar.hpp"

namespace gpubroker {
namespace {

constexpr Millis kUsual{60'000};
constexpr Millis kLong{600'000};

/// OpenSSH since 9.0 prefers sntrup761x25519, whose key generation takes 70 ms of a core where X25519 takes
/// less than 5 (measured with OpenSSH 9.2 of Debian): 64 machines cost 4.5 s of work. All names are known
/// since OpenSSH 7.4.
constexpr const char* kKeyExchange =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group14-sha256";

/// A node's id has characters that file names have not, and a socket's path must be short.
std::string short_name(const NodeAddress& node) {
  constexpr std::size_t kEnough = 16;
  return to_hex(sha256(node.id.value)).substr(0, kEnough);
}

}  // namespace

std::string SshChannel::known_hosts(const NodeAddress& node) const {
  return options_.folder + "/" + short_name(node) + ".keys";
}

std::string SshChannel::socket_of(const NodeAddress& node) const {
  return options_.folder + "/" + short_name(node) + ".sock";
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
  option("ControlPath=" + socket_of(node));
  option("ControlPersist=60");
  option("ConnectTimeout=" +
         std::to_string(std::max<std::int64_t>(options_.connect_timeout.count() / 1000, 1)));
  option("ServerAliveInterval=5");
  option("ServerAliveCountMax=3");
  option("LogLevel=ERROR");
  if (!outlives_node(node,
                     node.binary)) {  // a machine of a cloud; one's own is reached as the user's config says
    option("PreferredAuthentications=publickey");
    option("KexAlgorithms=" + std::string(kKeyExchange));
  }
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
  constexpr std::int64_t kWorthAsking = 256 << 10;
  TRY(const FileInfo info, files_.stat(local_path));
  if (outlives_node(node, node.binary) && info.size >= kWorthAsking) {
    const Result<bool> put = put_pieces(node, target, local_path);
    if (!put.ok() || put.value()) { return put.ok() ? Status(Ok{}) : Status(put.error()); }
  }
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
  return put_and_start(node, {}, command, output_path);
}

Status SshChannel::put_and_start(const NodeAddress& node, const std::vector<NodeFile>& files,
                                 const Command& command, const std::string& output_path) {
  TRY(const std::string output, path_below(node, output_path));
  const bool is_ours = !command.argv.empty() && command.argv.front() == node.binary;
  const Program* program = is_ours ? program_for(node) : nullptr;
  TRY(CommandResult result, start_with(node, files, command, output, program));
  if (program != nullptr && result.exit.code == kOtherCpu) {
    TRY(program, other_program(node, last_line(result.out)));
    TRY(result, start_with(node, files, command, output, program));
  }
  if (result.exit.code != 0) { return script_error(node, result, output_path); }
  if (program != nullptr) {
    const std::lock_guard<std::mutex> hold(mutex_);
    with_program_.insert(node.id.value);
  }
  return Ok{};
}

Result<CommandResult> SshChannel::start_with(const NodeAddress& node, const std::vector<NodeFile>& files,
                                             const Command& command, const std::string& output,
                                             const Program* program) {
  Command there = command;
  std::string check;
  if (program != nullptr) {
    there.argv.front() = program_on(node, program->hash);
    check = "test -x " + shell_quoted(there.argv.front()) + " || exit " + std::to_string(kNoProgram) + "\n";
  }
  TRY(const std::string places, places_of(node, files, output));
  // A session of its own, nothing of ours open in it: what is started under an ssh connection dies with it
  // else.
  const std::string script =
      places + script_of(node, there) + "setsid \"$@\" </dev/null >>" + shell_quoted(output) + " 2>&1 &\n";
  const bool is_expected = program != nullptr && expects_program(node);
  TRY(CommandResult result, deliver(node, files, check + script, is_expected ? nullptr : program));
  if (is_expected && result.exit.code == kNoProgram) { return deliver(node, files, script, program); }
  return result;
}

Result<CommandResult> SshChannel::deliver(const NodeAddress& node, const std::vector<NodeFile>& files,
                                          const std::string& script, const Program* program) {
  std::string archive;
  std::string install;
  if (program != nullptr) {
    install = install_script(node, program->hash);
    append_tar_file(archive, "program.gz", 0600, program->is.gz);
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    append_tar_file(archive, std::to_string(i), files[i].mode, files[i].bytes);
  }
  append_tar_file(archive, "start", 0600, install + script);
  append_tar_end(archive);
  return remote(node, receive_command(node, program == nullptr ? "" : program->is.cpu),
                {.stdin_bytes = std::move(archive)}, kLong);
}

const SshChannel::Program* SshChannel::program_for(const NodeAddress& node) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (programs_.empty()) {
    for (const NodeProgram& one : options_.programs) {
      programs_.push_back({.is = one, .hash = to_hex(sha256(one.gz))});
    }
  }
  const auto told = cpus_.find(node.id.value);
  for (const Program& program : programs_) {
    if (told == cpus_.end() || told->second == program.is.cpu) { return &program; }
  }
  return nullptr;
}

Result<const SshChannel::Program*> SshChannel::other_program(const NodeAddress& node,
                                                             const std::string& machine) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    cpus_[node.id.value] = cpu_of_uname(machine);
  }
  if (const Program* const program = program_for(node)) { return program; }
  return Error{.kind = ErrorKind::invalid,
               .message = node.id.value + " has a CPU of kind " + machine +
                          ", and this gpubroker carries no agent for it",
               .hint = "ask for machines of another kind, or build with scripts/agent (README.md)",
               .source = "ssh " + node.host,
               .code = "cpu"};
}

/// Whether it is worth asking before it is sent: it was here before, or the machine may have kept it.
bool SshChannel::expects_program(const NodeAddress& node) {
  const std::lock_guard<std::mutex> hold(mutex_);
  return outlives_node(node, node.binary) || with_program_.count(node.id.value) != 0;
}

std::string SshChannel::first_host_key(const NodeAddress& node) {
  const Result<std::string> known = files_.read(known_hosts(node));
  if (!known.ok()) { return {}; }
  // "name type key"; the name is a hash where the system's ssh config wants it so.
  const std::vector<std::string> words = split(last_line(known.value()), ' ');
  return words.size() < 3 ? std::string{} : words[1] + " " + words[2];
}

void SshChannel::forget(const NodeAddress& node) {
  if (files_.stat(socket_of(node)).ok()) {
    Result<std::vector<std::string>> words = login(node);
    if (words.ok()) {
      Command command{.argv = std::move(words).value()};
      command.argv.insert(command.argv.begin() + 1, {"-O", "exit"});
      static_cast<void>(
          processes_.run(command, std::chrono::seconds{5}));  // no connection is left: all the better
    }
  }
  static_cast<void>(files_.remove_all(known_hosts(node)));
  const std::lock_guard<std::mutex> hold(mutex_);
  with_program_.erase(node.id.value);
}

}  // namespace gpubroker
