#pragma once
// The command line, read. The one table of commands and options is in options.cpp.
#include <functional>
#include <string>
#include <vector>

#include "cmd/command_info.hpp"
#include "cmd/context.hpp"

namespace gpubroker {

/// What was typed: something to print and leave, a mistake, or a command to run.
struct CommandLine {
  GlobalOptions global = {};
  bool json = false;       // errors too are told as JSON
  std::string print = {};  // help
  std::function<Result<int>(Context&)> run = {};
};

/// Reads the words after the program's name. Usage errors are `invalid` with code "usage" and the nearest
/// command or option in the hint.
Result<CommandLine> read_command_line(const std::vector<std::string>& typed);

/// Whether errors are to be told as JSON, also of a command line that cannot be read.
bool wants_json(const std::vector<std::string>& words);

/// The whole table as data.
CommandInfo describe_commands();

}  // namespace gpubroker
