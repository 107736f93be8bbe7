// Completion scripts, out of the table. Names of workloads are asked from `gpubroker complete-names` at the
// moment of completion; everything else stands in the script.
#include "cmd/command_info.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// Every command that can be typed, with its path.
void flatten(const CommandInfo& command, std::vector<const CommandInfo*>& all) {
  all.push_back(&command);
  for (const CommandInfo& sub : command.commands) { flatten(sub, all); }
}

std::vector<const CommandInfo*> all_commands(const CommandInfo& root) {
  std::vector<const CommandInfo*> all;
  flatten(root, all);
  return all;
}

std::string last_word(const std::string& path) {
  return path.substr(path.rfind(' ') + 1);
}

std::vector<std::string> names_of(const std::vector<CommandInfo>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CommandInfo& command : commands) { names.push_back(last_word(command.path)); }
  return names;
}

// --- bash ---

/// The bash statement that fills COMPREPLY with what such a value may be.
std::string bash_values(const OptionInfo& value) {
  switch (value.kind) {
    case ValueKind::choice:
      return "COMPREPLY=($(compgen -W " + shell_quoted(join(value.choices, " ")) + " -- \"$cur\"))";
    case ValueKind::workload:
      return "COMPREPLY=($(compgen -W \"$(gpubroker complete-names 2>/dev/null)\" -- \"$cur\"))";
    case ValueKind::file:
      return "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    case ValueKind::folder:
      return "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
    case ValueKind::none:
    case ValueKind::text:
      break;
  }
  return "COMPREPLY=()";
}

/// The kinds of what may follow a command without a flag: its first positional stands for all of them.
std::string bash_words(const CommandInfo& command) {
  if (!command.commands.empty()) {
    return "COMPREPLY=($(compgen -W " + shell_quoted(join(names_of(command.commands), " ")) +
           " -- \"$cur\"))";
  }
  return command.positionals.empty() ? "COMPREPLY=()" : bash_values(command.positionals.front());
}

/// The pattern of a case: any of these behind this command.
std::string bash_pattern(const CommandInfo& command, const std::vector<std::string>& flags) {
  std::string pattern;
  for (const std::string& flag : flags) {
    pattern += (pattern.empty() ? "" : "|") + shell_quoted(command.path + ":" + flag);
  }
  return pattern;
}

std::string bash_script(const CommandInfo& root) {
  std::string paths;
  std::string values;
  std::string flags;
  std::string words;
  for (const CommandInfo* const command : all_commands(root)) {
    if (!command->path.empty()) { paths += (paths.empty() ? "" : "|") + shell_quoted(command->path); }
    std::vector<std::string> all_flags;
    for (const auto* const options : {&command->options, &root.options}) {
      if (command == &root && options == &root.options && !all_flags.empty()) { continue; }
      for (const OptionInfo& option : *options) {
        all_flags.insert(all_flags.end(), option.flags.begin(), option.flags.end());
        if (option.kind == ValueKind::none) { continue; }
        values +=
            "    " + bash_pattern(*command, option.flags) + ") " + bash_values(option) + "; return ;;\n";
      }
    }
    flags += "      " + shell_quoted(command->path) + ") COMPREPLY=($(compgen -W " +
             shell_quoted(join(all_flags, " ")) + " -- \"$cur\")) ;;\n";
    words += "      " + shell_quoted(command->path) + ") " + bash_words(*command) + " ;;\n";
  }
  return "# bash completion of gpubroker; written by `gpubroker completion bash`\n"
         "_gpubroker() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at='' i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"${at:+$at }${COMP_WORDS[i]}\" in\n      " +
         paths +
         ") at=\"${at:+$at }${COMP_WORDS[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$at:$prev\" in\n" +
         values +
         "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    case \"$at\" in\n" +
         flags +
         "    esac\n"
         "  else\n"
         "    case \"$at\" in\n" +
         words +
         "    esac\n"
         "  fi\n"
         "}\n"
         "complete -F _gpubroker gpubroker\n";
}

// --- zsh ---

/// Inside a specification of _arguments, where brackets and colons mean something.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') { out += '\\'; }
    out += c;
  }
  return out;
}

/// ":name:action" of a value.
std::string zsh_value(const OptionInfo& value) {
  std::string action = " ";
  if (value.kind == ValueKind::choice) { action = "(" + join(value.choices, " ") + ")"; }
  if (value.kind == ValueKind::workload) { action = "_gpubroker_workloads"; }
  if (value.kind == ValueKind::file) { action = "_files"; }
  if (value.kind == ValueKind::folder) { action = "_files -/"; }
  return ":" + zsh_text(value.kind == ValueKind::choice ? "choice" : lower(value.name)) + ":" + action;
}

std::string zsh_options(const CommandInfo& command, const CommandInfo& root) {
  std::string out;
  for (const auto* const options : {&command.options, &root.options}) {
    if (&command == &root && options == &root.options && !out.empty()) { continue; }
    for (const OptionInfo& option : *options) {
      if (&command != &root && options == &root.options && option.flags.front() == "-h") { continue; }
      for (const std::string& flag : option.flags) {
        const std::string value = option.kind == ValueKind::none ? "" : zsh_value(option);
        std::string spec = "*" + flag;
        spec += '[';
        spec += zsh_text(option.help);
        spec += ']';
        spec += value;
        out += " \\\n      " + shell_quoted(spec);
      }
    }
  }
  return out;
}

std::string zsh_function(const CommandInfo& command, const CommandInfo& root) {
  std::string name = "_gpubroker" + (command.path.empty() ? "" : "_" + command.path);
  for (char& c : name) { c = c == ' ' || c == '-' ? '_' : c; }
  std::string out = name + "() {\n";
  if (command.commands.empty()) {
    out += "  _arguments -s" + zsh_options(command, root);
    for (const OptionInfo& positional : command.positionals) {
      out += " \\\n      " + shell_quoted((positional.repeated ? "*" : "") + zsh_value(positional));
    }
    return out + "\n}\n";
  }
  out += "  local curcontext=\"$curcontext\" state line\n  _arguments -C" + zsh_options(command, root) +
         " \\\n      '1: :->command' '*:: :->rest'\n"
         "  case $state in\n    command)\n      local -a commands=(\n";
  for (const CommandInfo& sub : command.commands) {
    out += "        " + shell_quoted(last_word(sub.path) + ":" + zsh_text(sub.summary)) + "\n";
  }
  out += "      )\n      _describe command commands ;;\n    rest)\n      case $line[1] in\n";
  for (const CommandInfo& sub : command.commands) {
    std::string function = name + "_" + last_word(sub.path);
    for (char& c : function) { c = c == '-' ? '_' : c; }
    out += "        " + last_word(sub.path) + ") " + function + " ;;\n";
  }
  return out + "      esac ;;\n  esac\n}\n";
}

std::string zsh_script(const CommandInfo& root) {
  std::string out =
      "#compdef gpubroker\n# zsh completion of gpubroker; written by `gpubroker completion zsh`\n"
      "_gpubroker_workloads() {\n"
      "  local -a names=(${(f)\"$(gpubroker complete-names 2>/dev/null)\"})\n"
      "  compadd -a names\n}\n";
  const std::vector<const CommandInfo*> all = all_commands(root);
  for (auto command = all.rbegin(); command != all.rend(); ++command) {
    out += zsh_function(**command, root);
  }
  return out +
         "if [[ $funcstack[1] == _gpubroker ]]; then _gpubroker \"$@\"; else compdef _gpubroker gpubroker; "
         "fi\n";
}

// --- fish ---

/// The condition under which a command is the one that was typed.
std::string fish_condition(const CommandInfo& command) {
  if (command.path.empty()) { return "__fish_use_subcommand"; }
  std::string condition;
  for (const std::string& word : split(command.path, ' ')) {
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
  }
  return condition;
}

std::string fish_values(const OptionInfo& value) {
  switch (value.kind) {
    case ValueKind::choice:
      return " -a " + shell_quoted(join(value.choices, " "));
    case ValueKind::workload:
      return " -a '(gpubroker complete-names 2>/dev/null)'";
    case ValueKind::file:
      return " -F";
    case ValueKind::folder:
      return " -a '(__fish_complete_directories)'";
    case ValueKind::none:
    case ValueKind::text:
      break;
  }
  return "";
}

std::string fish_option(const std::string& condition, const OptionInfo& option) {
  std::string out = "complete -c gpubroker" + (condition.empty() ? "" : " -n " + shell_quoted(condition));
  for (const std::string& flag : option.flags) {
    out += flag.size() == 2 ? " -s " + flag.substr(1) : " -l " + flag.substr(2);
  }
  if (option.kind != ValueKind::none) { out += " -r" + fish_values(option); }
  return out + " -d " + shell_quoted(option.help) + "\n";
}

std::string fish_script(const CommandInfo& root) {
  std::string out =
      "# fish completion of gpubroker; written by `gpubroker completion fish`\ncomplete -c gpubroker -f\n";
  for (const OptionInfo& option : root.options) { out += fish_option("", option); }
  for (const CommandInfo* const command : all_commands(root)) {
    std::string condition = fish_condition(*command);
    if (command != &root) {
      for (const OptionInfo& option : command->options) { out += fish_option(condition, option); }
      for (const OptionInfo& positional : command->positionals) {
        const std::string values = fish_values(positional);
        if (!values.empty()) { out += "complete -c gpubroker -n " + shell_quoted(condition) + values + "\n"; }
      }
    }
    if (!command->commands.empty() && command != &root) {
      condition += "; and not __fish_seen_subcommand_from " + join(names_of(command->commands), " ");
    }
    for (const CommandInfo& sub : command->commands) {
      out += "complete -c gpubroker -n " + shell_quoted(condition) + " -a " + last_word(sub.path) + " -d " +
             shell_quoted(sub.summary) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string render_completion(const CommandInfo& root, const std::string& shell) {
  if (shell == "zsh") { return zsh_script(root); }
  return shell == "fish" ? fish_script(root) : bash_script(root);
}

}  // namespace gpubroker
