#include <doctest/doctest.h>

#include "cmd/command_info.hpp"

namespace gpubroker {
namespace {

CommandInfo sample() {
  CommandInfo go{.path = "go", .summary = "Go 'there' - now", .examples = "gpubroker go x\n"};
  go.positionals = {{.name = "WORKLOAD", .kind = ValueKind::workload, .help = "which", .required = true}};
  go.options = {
      {.flags = {"-y", "--yes"}, .help = "do not ask"},
      {.flags = {"--by"}, .name = "day|owner", .kind = ValueKind::choice, .choices = {"day", "owner"}}};
  CommandInfo root{.summary = "Program", .examples = "gpubroker go\n"};
  root.options = {{.flags = {"--home"}, .name = "DIR", .kind = ValueKind::folder, .help = "where"}};
  root.commands = {go};
  return root;
}

TEST_CASE("help begins with examples") {
  CHECK(render_help(sample().commands[0]) ==
        "Go 'there' - now\n\n"
        "Examples\n  gpubroker go x\n\n"
        "Usage\n  gpubroker go WORKLOAD [OPTIONS]\n\n"
        "Arguments\n  workload  which\n\n"
        "Options\n  -y, --yes           do not ask\n      --by day|owner\n");
}

TEST_CASE("nothing of a text is a command to roff") {
  const std::string page = render_man(sample(), "1.0");
  CHECK(page.find("Go \\(aqthere\\(aq \\- now.\n") != std::string::npos);
  CHECK(page.find(".TP\n\\fB\\-y\\fR, \\fB\\-\\-yes\\fR\ndo not ask\n") != std::string::npos);
  CHECK(page.find(".TP\n\\fB130\\fR\n") != std::string::npos);
}

TEST_CASE("completion asks for names of workloads and knows choices") {
  const CommandInfo root = sample();
  const std::string bash = render_completion(root, "bash");
  CHECK(bash.find("'go:--by') COMPREPLY=($(compgen -W 'day owner' -- \"$cur\")); return ;;") !=
        std::string::npos);
  CHECK(bash.find("'go') COMPREPLY=($(compgen -W '-y --yes --by --home' -- \"$cur\")) ;;") !=
        std::string::npos);
  CHECK(bash.find("gpubroker complete-names") != std::string::npos);
  const std::string zsh = render_completion(root, "zsh");
  CHECK(zsh.find("'*--by[]:choice:(day owner)'") != std::string::npos);
  CHECK(zsh.find("':workload:_gpubroker_workloads'") != std::string::npos);
  const std::string fish = render_completion(root, "fish");
  CHECK(fish.find("-n '__fish_seen_subcommand_from go' -s y -l yes -d 'do not ask'") != std::string::npos);
  CHECK(fish.find("-l by -r -a 'day owner'") != std::string::npos);
}

}  // namespace
}  // namespace gpubroker
