// The program that nodes are given: `gpubroker agent` and nothing else. Embedded in gpubroker
// (cmd/agent_program.hpp).
#include <iostream>
#include <vector>

#include "cmd/agent/agent_process.hpp"
#include "cmd/agent/interrupts.hpp"
#include "core/base/text.hpp"
#include "core/system/clock.hpp"
#include "core/system/files.hpp"
#include "core/system/process.hpp"
#include "core/system/random.hpp"

namespace gpubroker {
namespace {

Result<AgentOptions> read_words(const std::vector<std::string>& words) {
  const bool is_shaped =
      words.size() == 5 && words[0] == "agent" && words[1] == "--root" && words[3] == "--attempt";
  const std::optional<std::int64_t> attempt = is_shaped ? parse_int(words[4]) : std::nullopt;
  if (attempt) { return AgentOptions{.root = words[2], .attempt = static_cast<int>(*attempt)}; }
  return Error{.kind = ErrorKind::invalid,
               .message = "usage: gpubroker agent --root FOLDER --attempt NUMBER"};
}

Status run(const std::vector<std::string>& words) {
  TRY(const AgentOptions options, read_words(words));
  watch_interrupts(SecondSignal::is_ignored);
  SystemClock clock;
  SystemRandom random;
  PosixFiles files;
  PosixProcesses processes;
  Network network(clock, random, processes);
  return run_agent_process(options, clock, files, processes, network, was_interrupted);
}

}  // namespace
}  // namespace gpubroker

// NOLINTNEXTLINE(bugprone-exception-escape): only what the library throws when memory is out.
int main(int argc, char** argv) {
  const gpubroker::Status done = gpubroker::run({argv + 1, argv + argc});
  if (!done.ok()) { std::cerr << "error: " << done.error().message << '\n'; }
  return done.ok() ? 0 : 1;
}
