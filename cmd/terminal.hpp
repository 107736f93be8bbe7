#pragma once
// What standard input, output and error are, and how a person is asked.
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/ports/process.hpp"

namespace gpubroker {

struct Terminal {
  bool can_ask = false;  // standard input is a terminal
  bool table = false;    // standard output is a terminal: aligned columns, header, relative times
  bool talk = false;     // standard error is a terminal
  bool live = false;     // … that can rewrite a line: progress is shown
  bool color = false;    // of standard output
};

/// Looks once. Colour is off with --no-color, a NO_COLOR that is not empty, TERM=dumb, or no terminal.
Terminal look_at_terminal(Processes& processes, bool no_color);

/// The width of standard error's terminal in columns; 80 when it does not say.
std::size_t terminal_width();

/// Asks on standard error; true for y or yes. Without a terminal to ask: `invalid`, "<why> and there is no
/// terminal to ask", naming the flag --yes. `yes` answers without asking.
Result<bool> agree(const Terminal& terminal, bool yes, const std::string& why, const std::string& question);

/// Text from elsewhere (a cloud's message, a job's name) on one line, without control characters.
std::string plain(std::string_view text);

}  // namespace gpubroker
