// Help of a command, out of the table.
#include <algorithm>

#include "cmd/command_info.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kWidest = 34;  // of the left column

std::string last_word(const std::string& path) {
  return path.substr(path.rfind(' ') + 1);
}

/// "-y, --yes" or "    --gpus SPEC".
std::string left_side(const OptionInfo& option) {
  if (option.flags.empty()) { return lower(option.name); }
  const bool has_short = option.flags.front().size() == 2;
  return (has_short ? "" : "    ") + join(option.flags, ", ") +
         (option.name.empty() ? "" : " " + option.name);
}

std::string two_columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) {
    if (left.size() <= kWidest) { width = std::max(width, left.size()); }
  }
  std::string out;
  for (const auto& [left, right] : rows) {
    out += "  " + left;
    if (!right.empty()) {
      out += left.size() <= width ? std::string(width - left.size() + 2, ' ')
                                  : "\n" + std::string(width + 4, ' ');
      out += right;
    }
    out += "\n";
  }
  return out;
}

std::string usage_line(const CommandInfo& command) {
  std::string line = "gpubroker" + (command.path.empty() ? "" : " " + command.path);
  if (!command.commands.empty()) { line += " COMMAND"; }
  for (const OptionInfo& positional : command.positionals) {
    const std::string name = positional.name + (positional.repeated ? "…" : "");
    line += positional.required ? " " + name : " [" + name + "]";
  }
  return line + " [OPTIONS]\n";
}

}  // namespace

std::string render_help(const CommandInfo& command) {
  std::string out = command.summary + "\n\n";
  if (!command.examples.empty()) {
    out += "Examples\n";
    for (const std::string& line : split(trim(command.examples), '\n')) { out += "  " + line + "\n"; }
    out += "\n";
  }
  out += "Usage\n  " + usage_line(command);
  std::vector<std::pair<std::string, std::string>> rows;
  for (const CommandInfo& sub : command.commands) { rows.emplace_back(last_word(sub.path), sub.summary); }
  if (!rows.empty()) { out += "\nCommands\n" + two_columns(rows); }
  rows.clear();
  for (const OptionInfo& one : command.positionals) { rows.emplace_back(left_side(one), one.help); }
  if (!rows.empty()) { out += "\nArguments\n" + two_columns(rows); }
  rows.clear();
  for (const OptionInfo& one : command.options) { rows.emplace_back(left_side(one), one.help); }
  if (!rows.empty()) { out += "\nOptions\n" + two_columns(rows); }
  if (command.path.empty()) {
    out += "\n`gpubroker COMMAND --help` explains a command, `gpubroker help exit-codes` the exit codes.\n";
  }
  return out;
}

std::string exit_code_help() {
  return "Exit codes\n" +
         two_columns({{"0", "done; a workload that was waited for has succeeded"},
                      {"1", "the workload failed (its own code is in the JSON), or a check found damage"},
                      {"2", "usage: an unknown option, an invalid file, a name that does not exist"},
                      {"3", "a credential is missing or refused"},
                      {"4", "the account's quota does not allow it"},
                      {"5", "no capacity within the limits"},
                      {"6", "the budget or the deadline cannot be met"},
                      {"7", "a cloud or the network failed, or somebody else was quicker"},
                      {"8", "internal error: a bug"},
                      {"130", "interrupted, or not agreed to; a workload that runs goes on"}});
}

}  // namespace gpubroker
