// The composition root: reads the command line, builds the world and runs one command.
#include <iostream>

#include "cmd/commands.hpp"
#include "cmd/errors.hpp"
#include "cmd/options.hpp"

namespace gpubroker {
namespace {

void show_settings(const Context& context) {
  std::cerr << "home: " << context.home << " (" << context.home_setting.from << ")\n"
            << "scenario: " << (context.scenario.empty() ? "none" : context.scenario) << " ("
            << context.scenario_setting.from << ")\n";
}

int run(const std::vector<std::string>& words) {
  if (!words.empty() && words.front() == "local-machine") {  // a node of the local provider, not a person
    Context context({});
    const Result<int> done = run_machine_command({words.begin() + 1, words.end()}, context);
    return done.ok() ? done.value() : show_error(done.error(), /*json=*/false);
  }
  const Result<CommandLine> line = read_command_line(words);
  if (!line.ok()) { return show_error(line.error(), wants_json(words)); }
  if (!line.value().run) {
    std::cout << line.value().print;
    return 0;
  }
  Context context(line.value().global);
  if (line.value().global.verbose) { show_settings(context); }
  const Result<int> done = line.value().run(context);
  std::cout.flush();
  return done.ok() ? done.value() : show_error(done.error(), line.value().json);
}

}  // namespace
}  // namespace gpubroker

// NOLINTNEXTLINE(bugprone-exception-escape): only what the library throws when memory is out.
int main(int argc, char** argv) {
  return gpubroker::run({argv + 1, argv + argc});
}
