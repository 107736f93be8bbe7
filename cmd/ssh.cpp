// `gpubroker ssh`: a shell or a command on a node, with the keys that the node was made with.
#include <cstring>
#include <iostream>
#include <unistd.h>

#include "cmd/commands.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

/// The machine of that rank in the gang that runs, or the last one that did.
Result<NodeView> find_node(const WorkloadState& state, int rank) {
  const Attempt* attempt = state.current();
  if (attempt == nullptr && !state.attempts.empty()) { attempt = &state.attempts.back(); }
  const std::string& name = state.id.value;
  if (attempt == nullptr || attempt->nodes.empty()) {
    return Error{.kind = ErrorKind::not_found,
                 .message = name + " has no machine: it is " + std::string(to_string(state.phase)),
                 .hint = "`gpubroker status " + name + "` says why"};
  }
  const auto found = attempt->nodes.find(rank);
  if (found == attempt->nodes.end()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = name + " has nodes 0 to " + std::to_string(attempt->nodes.rbegin()->first),
                 .source = "--node"};
  }
  const NodeView& view = found->second.view;
  if (view.state != NodeState::running) {
    return Error{.kind = ErrorKind::not_found,
                 .message = "node " + std::to_string(rank) + " of " + name + " is " +
                            std::string(to_string(view.state)) +
                            (view.end_reason.empty() ? "" : ": " + view.end_reason)};
  }
  return view;
}

/// What a shell there begins with: the job's workdir where it is already.
std::string login_script(const NodeAddress& address) {
  return "cd " + shell_quoted(address.root + "/workdir") + " 2>/dev/null || cd " +
         shell_quoted(address.root) + " 2>/dev/null; exec \"${SHELL:-/bin/sh}\" -l";
}

Result<std::vector<std::string>> command_line(const SshOptionsCli& options, const NodeView& node,
                                              Provider& provider, Context& context) {
  if (provider.shares_machine()) {  // a node that is a folder here
    if (!options.command.empty()) {
      return std::vector<std::string>{
          "sh", "-c", "cd " + shell_quoted(node.address.root) + " && " + join(options.command, " ")};
    }
    return std::vector<std::string>{"sh", "-c", login_script(node.address)};
  }
  TRY(std::vector<std::string> words, context.ssh().login(node.address));
  const bool is_shell = options.command.empty();
  if (is_shell && ::isatty(STDIN_FILENO) != 0) { words.insert(words.begin() + 1, "-t"); }
  words.push_back(is_shell ? login_script(node.address) : join(options.command, " "));
  return words;
}

}  // namespace

Result<int> run_ssh(const SshOptionsCli& options, Context& context) {
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const WorkloadState state, load_state(*journal, options.name));
  TRY(const NodeView node, find_node(state, options.node));
  TRY(const auto providers, context.providers());
  const auto provider = providers.find(node.offer.provider);
  if (provider == providers.end()) {
    return Error{.kind = ErrorKind::auth,
                 .message = "no credential for " + node.offer.provider + " lies here",
                 .hint = "`gpubroker check " + node.offer.provider + "` says where it is looked for"};
  }
  TRY([[maybe_unused]] const Ok folder, context.files.make_dirs(context.ssh().folder(), 0700));
  TRY(const std::vector<std::string> words, command_line(options, node, *provider->second, context));
  std::vector<char*> argv;
  std::vector<std::string> owned = words;
  argv.reserve(owned.size() + 1);
  for (std::string& word : owned) { argv.push_back(word.data()); }
  argv.push_back(nullptr);
  std::cout.flush();
  ::execvp(argv[0], argv.data());
  return Error{.kind = ErrorKind::not_found,
               .message = std::string("cannot run ") + argv[0] + ": " + std::strerror(errno),
               .hint = "install OpenSSH's client"};
}

}  // namespace gpubroker
