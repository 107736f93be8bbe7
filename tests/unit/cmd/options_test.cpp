#include "cmd/options.hpp"

#include <set>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

Error refused(const std::vector<std::string>& words) {
  const Result<CommandLine> line = read_command_line(words);
  REQUIRE_FALSE(line.ok());
  return line.error();
}

TEST_CASE("what nobody knows gets the nearest known word, and is always a usage error") {
  struct Case {
    std::vector<std::string> words;
    std::string message;
    std::string hint;
  };
  const std::vector<Case> cases = {
      {{"statsu"}, "there is no command statsu", "did you mean status?"},
      {{"launch", "f.yaml", "--retry-til-up"},
       "there is no option --retry-til-up",
       "did you mean --retry-until-up?"},
      {{"launch", "--wait=5m", "--spott=1"}, "there is no option --spott", "did you mean --spot?"},
      {{"status", "a", "b"}, "one word too many: b", "`gpubroker status --help` lists what there is"},
      {{"logs"}, "`gpubroker logs` needs a workload", "`gpubroker logs --help` lists what there is"},
      {{"checkpoint"},
       "`gpubroker checkpoint` needs a command",
       "`gpubroker checkpoint --help` lists what there is"},
      {{}, "no command given", "`gpubroker --help` lists them"},
  };
  for (const Case& c : cases) {
    const Error error = refused(c.words);
    CHECK(error.message == c.message);
    CHECK(error.hint == c.hint);
    CHECK(error.code == "usage");
    CHECK(exit_code(error.kind) == 2);
  }
}

TEST_CASE("options of all commands may stand anywhere") {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--home", "/h", "status", "-v"},
                                                {"status", "--home=/h", "--verbose"},
                                                {"status", "name", "-v", "--home", "/h"}}) {
    const Result<CommandLine> line = read_command_line(words);
    REQUIRE(line.ok());
    CHECK(line.value().global.home == "/h");
    CHECK(line.value().global.verbose);
    CHECK(line.value().run);
  }
}

TEST_CASE("--version is the command") {
  CHECK(read_command_line({"--version"}).ok());
  CHECK(read_command_line({"--version", "--json"}).value().json);
  CHECK_FALSE(read_command_line({"status", "--version"}).ok());
}

TEST_CASE("a workload may be called like a command") {
  CHECK(read_command_line({"status", "launch"}).ok());
  CHECK(read_command_line({"down", "status", "--yes"}).ok());
}

TEST_CASE("--json counts for errors, too, but not behind --") {
  CHECK(wants_json({"statsu", "--json"}));
  CHECK_FALSE(wants_json({"status", "--", "--json"}));
}

void collect(const CommandInfo& command, std::vector<const CommandInfo*>& all) {
  all.push_back(&command);
  for (const CommandInfo& sub : command.commands) { collect(sub, all); }
}

TEST_CASE("the table: every command and option explains itself, and spends only with --yes and --dry-run") {
  const CommandInfo root = describe_commands();
  std::vector<const CommandInfo*> all;
  collect(root, all);
  std::set<std::string> paths;
  for (const CommandInfo* const command : all) {
    CAPTURE(command->path);
    paths.insert(command->path);
    CHECK_FALSE(command->summary.empty());
    std::set<std::string> flags;
    for (const OptionInfo& option : command->options) {
      CHECK_FALSE(option.help.empty());
      for (const std::string& flag : option.flags) { CHECK(flags.insert(flag).second); }
    }
    for (const OptionInfo& one : command->positionals) { CHECK_FALSE(one.help.empty()); }
    for (const std::string spends : {"checkpoint rm", "down", "gc", "launch", "migrate", "start", "stop"}) {
      if (command->path != spends) { continue; }
      for (const std::string flag : {"--yes", "--dry-run", "--json"}) { CHECK(flags.count(flag) == 1); }
    }
  }
  CHECK(paths.count("checkpoint now") == 1);
  CHECK(paths.count("agent") == 0);
  CHECK(paths.count("complete-names") == 0);
}

}  // namespace
}  // namespace gpubroker
