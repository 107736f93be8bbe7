#include "cmd/terminal.hpp"

#include <iostream>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/text.hpp"

namespace gpubroker {

Terminal look_at_terminal(Processes& processes, bool no_color) {
  const bool dumb = processes.env("TERM").value_or("") == "dumb";
  const bool plain_asked = no_color || !processes.env("NO_COLOR").value_or("").empty();
  Terminal terminal{.can_ask = isatty(STDIN_FILENO) != 0,
                    .table = isatty(STDOUT_FILENO) != 0,
                    .talk = isatty(STDERR_FILENO) != 0};
  terminal.live = terminal.talk && !dumb;
  terminal.color = terminal.table && !dumb && !plain_asked;
  return terminal;
}

std::size_t terminal_width() {
  winsize size{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the system's interface.
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

Result<bool> agree(const Terminal& terminal, bool yes, const std::string& why, const std::string& question) {
  if (yes) { return true; }
  if (!terminal.can_ask) {
    return Error{.kind = ErrorKind::invalid,
                 .message = why + " and there is no terminal to ask",
                 .hint = "add --yes",
                 .code = "no-terminal"};
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  const std::string word = lower(trim(answer));
  return word == "y" || word == "yes";
}

std::string plain(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7F) { c = ' '; }
  }
  return out;
}

}  // namespace gpubroker
