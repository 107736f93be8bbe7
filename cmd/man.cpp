// The man page, out of the table.
#include "cmd/command_info.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// Text for roff: no character of it is taken for a command.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '`') {
      out += "\\(ga";
    } else if (c == '.' && out.empty()) {
      out += "\\&.";
    } else {
      out += c;
    }
  }
  return out;
}

std::string option_text(const OptionInfo& option) {
  std::string head;
  for (const std::string& flag : option.flags) {
    head += (head.empty() ? "" : ", ") + ("\\fB" + escaped(flag) + "\\fR");
  }
  if (!option.name.empty()) { head += (head.empty() ? "" : " ") + ("\\fI" + escaped(option.name) + "\\fR"); }
  return ".TP\n" + head + "\n" + (option.help.empty() ? "\\&" : escaped(option.help)) + "\n";
}

/// `after_title`: a paragraph begins there already.
std::string example_text(const std::string& examples, bool after_title) {
  std::string out = after_title ? ".nf\n" : ".PP\n.nf\n";
  for (const std::string& line : split(trim(examples), '\n')) { out += escaped(line) + "\n"; }
  return out + ".fi\n";
}

std::string command_text(const CommandInfo& command) {
  std::string out;
  if (command.commands.empty()) {
    out += ".SS gpubroker " + escaped(command.path) + "\n" + escaped(command.summary) + ".\n";
    if (!command.examples.empty()) { out += example_text(command.examples, /*after_title=*/false); }
    for (const OptionInfo& one : command.positionals) { out += option_text(one); }
    for (const OptionInfo& one : command.options) { out += option_text(one); }
  }
  for (const CommandInfo& sub : command.commands) { out += command_text(sub); }
  return out;
}

/// The rows of the exit code table, "0  done", as a list.
std::string exit_code_text() {
  std::string out;
  for (const std::string& line : split(trim(exit_code_help()), '\n')) {
    const std::string row(trim(line));
    const std::size_t gap = row.find("  ");
    if (gap == std::string::npos) { continue; }  // the title
    out += ".TP\n\\fB" + row.substr(0, gap) + "\\fR\n" + escaped(std::string(trim(row.substr(gap)))) + "\n";
  }
  return out;
}

}  // namespace

std::string render_man(const CommandInfo& root, const std::string& version) {
  std::string out = ".TH GPUBROKER 1 2026-11-24 \"gpubroker " + escaped(version) + "\" \"User Commands\"\n";
  out += ".SH NAME\ngpubroker \\- find GPU capacity, run a job on it and keep it alive\n";
  out += ".SH SYNOPSIS\n\\fBgpubroker\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n";
  out += ".SH DESCRIPTION\n" + escaped(root.summary) + "\n";
  out += ".SH EXAMPLES\n" + example_text(root.examples, /*after_title=*/true);
  out += ".SH COMMANDS\n";
  for (const CommandInfo& command : root.commands) { out += command_text(command); }
  out += ".SH OPTIONS OF ALL COMMANDS\n";
  for (const OptionInfo& one : root.options) { out += option_text(one); }
  out += ".SH ENVIRONMENT\n";
  for (const auto& [name, help] :
       {std::pair{"GPUBROKER_HOME", "Where the journal, logs and checkpoints are kept; the option wins."},
        std::pair{"GPUBROKER_SCENARIO", "Scenario file of the local provider; the option wins."},
        std::pair{"NO_COLOR", "Not empty: no colours."}}) {
    out += ".TP\n\\fB" + std::string(name) + "\\fR\n" + escaped(help) + "\n";
  }
  out += ".SH EXIT STATUS\n" + exit_code_text();
  return out;
}

}  // namespace gpubroker
