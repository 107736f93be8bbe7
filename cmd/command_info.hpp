#pragma once
// The command line as data: what help, completion and the man page are written from. Made by options.cpp out
// of the table that also reads the command line.
#include <string>
#include <vector>

namespace gpubroker {

/// What may be typed where a value is wanted.
enum class ValueKind { none, text, choice, workload, file, folder };

struct OptionInfo {
  std::vector<std::string> flags = {};  // "-y", "--yes"; empty: positional
  std::string name = {};                // of the value: "FILE", "DURATION"; empty: a flag
  ValueKind kind = ValueKind::none;
  std::vector<std::string> choices = {};
  std::string help = {};
  bool required = false;
  bool repeated = false;
};

struct CommandInfo {
  std::string path = {};  // "checkpoint ls"; empty: the program itself
  std::string summary = {};
  std::string examples = {};  // lines
  std::vector<OptionInfo> positionals = {};
  std::vector<OptionInfo> options = {};
  std::vector<CommandInfo> commands = {};
};

/// Help of one command: summary, examples, usage, arguments, options.
std::string render_help(const CommandInfo& command);
/// The exit codes, as `gpubroker help exit-codes` and the man page tell them.
std::string exit_code_help();
/// The man page in roff.
std::string render_man(const CommandInfo& root, const std::string& version);
/// A completion script for "bash", "zsh" or "fish".
std::string render_completion(const CommandInfo& root, const std::string& shell);

}  // namespace gpubroker
