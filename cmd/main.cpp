// The composition root: reads the command line and runs one command.
#include <iostream>

#include <CLI/CLI.hpp>

#include "cmd/commands.hpp"

namespace gpubroker {
namespace {

/// Adds an override of a task's field.
void add_field(CLI::App& app, LaunchOptionsCli& options, const std::string& flags, const std::string& field,
               const std::string& help) {
  app.add_option_function<std::string>(
      flags, [&options, field](const std::string& value) { options.fields.emplace_back(field, value); },
      help);
}

void add_launch(CLI::App& root, LaunchOptionsCli& options) {
  CLI::App& app = *root.add_subcommand("launch", "Find capacity for a task file, book it and run the task");
  app.add_option("file", options.file, "the task file (YAML), ours or SkyPilot's")->required();
  app.add_flag("-y,--yes", options.yes, "do not ask before spending");
  app.add_flag("--json", options.json, "print the final state as JSON");
  app.add_flag("-d,--detach", options.detach, "do not follow; print the workload's id");
  app.add_flag("--dry-run", options.dry_run, "show the plan and stop");
  app.add_flag("-r,--retry-until-up", options.retry_until_up, "look for capacity until there is some");
  app.add_flag("--no-supervise", options.no_supervise, "record only; a supervisor does the rest")->group("");
  app.add_option("--key", options.key, "idempotency key: the same key never launches twice");
  app.add_option("--owner", options.owner, "who pays, for reports");
  app.add_option("--wait", options.wait, "how long to look for capacity, e.g. 30m");
  add_field(app, options, "--gpus", "gpus", "GPUs per node, e.g. H100:8");
  add_field(app, options, "--infra", "infra", "provider[/region[/zone]]");
  add_field(app, options, "--region", "region", "regions, separated by commas");
  add_field(app, options, "--max-price", "max_price", "e.g. 2.80/gpu-hour or 20/hour");
  add_field(app, options, "--deadline", "deadline", "from launch, e.g. 36h");
  add_field(app, options, "--budget", "budget", "e.g. 400 USD");
  add_field(app, options, "--ttl", "ttl", "machines end so long after launch");
  add_field(app, options, "--num-nodes", "num_nodes", "nodes of the gang");
  add_field(app, options, "-c,--cluster,--name", "name", "name of the workload");
  add_field(app, options, "--cpus", "cpus", "vCPUs per node, e.g. 8+");
  add_field(app, options, "--memory", "memory", "GB per node, e.g. 64+");
  add_field(app, options, "--instance-type", "instance_type", "the cloud's own name");
  app.add_flag_callback(
      "--spot,--use-spot", [&options] { options.fields.emplace_back("use_spot", "true"); }, "spot only");
  app.add_option_function<std::vector<std::string>>(
      "--env",
      [&options](const std::vector<std::string>& values) {
        for (const std::string& value : values) { options.fields.emplace_back("env", value); }
      },
      "NAME=value, repeatable");
}

struct Everything {
  LaunchOptionsCli launch;
  SuperviseOptions supervise;
  AgentOptions agent;
  StatusOptions status;
  RequestOptions request;
  LogOptions logs;
  PreemptOptions preempt;
  RehearseOptions rehearse;
  ReportOptions report;
  std::string workload;
  std::string verb;
  std::string id;
  std::string scenario;
  bool yes = false;
};

void add_rest(CLI::App& root, Everything& all) {
  CLI::App& supervise = *root.add_subcommand("supervise", "Run the reconcile loop");
  supervise.add_flag("--until-idle", all.supervise.until_idle, "leave when there is nothing to do");
  CLI::App& status = *root.add_subcommand("status", "Show workloads");
  status.add_option("name", all.status.name, "one workload, in detail");
  status.add_flag("--json", all.status.json, "as JSON");
  CLI::App& attach = *root.add_subcommand("attach", "Follow a workload");
  attach.add_option("name", all.workload, "workload")->required();
  CLI::App& logs = *root.add_subcommand("logs", "Show a workload's output");
  logs.add_option("name", all.logs.name, "workload")->required();
  logs.add_option("--rank", all.logs.rank, "node rank");
  for (const auto& [verb, help] :
       {std::pair{"stop", "Save and give the machines back; `start` goes on"},
        std::pair{"down", "End for good"}, std::pair{"start", "Go on after `stop`"},
        std::pair{"migrate", "Move to another place: book there, save, move, give back"}}) {
    CLI::App& app = *root.add_subcommand(verb, help);
    app.add_option("names", all.request.names, "workloads")->required();
    app.add_flag("-y,--yes", all.request.yes, "do not ask");
    app.add_flag("--no-supervise", all.request.no_supervise, "record only")->group("");
    if (std::string(verb) == "migrate") { app.add_option("--to", all.request.to, "provider/region"); }
  }
  CLI::App& gc = *root.add_subcommand("gc", "End machines of ours that nobody wants");
  gc.add_flag("-y,--yes", all.yes, "do not ask");
  CLI::App& checkpoint = *root.add_subcommand("checkpoint", "Checkpoints of a workload");
  checkpoint.add_option("verb", all.verb, "ls, show, verify, now or rm")
      ->required()
      ->check(CLI::IsMember({"ls", "show", "verify", "now", "rm"}));
  checkpoint.add_option("name", all.workload, "workload")->required();
  checkpoint.add_option("id", all.id, "one checkpoint");
  CLI::App& report = *root.add_subcommand("report", "What was spent");
  report.add_option("--by", all.report.by, "workload, owner, provider or day")
      ->check(CLI::IsMember({"workload", "owner", "provider", "day"}));
  report.add_option("--from", all.report.from, "UTC date or time");
  report.add_option("--to", all.report.to, "UTC date or time");
  report.add_option("--format", all.report.format, "table, csv, json or ledger-csv")
      ->check(CLI::IsMember({"table", "csv", "json", "ledger-csv"}));
  CLI::App& agent = *root.add_subcommand("agent", "Run one node of one attempt")->group("");
  agent.add_option("--root", all.agent.root)->required();
  agent.add_option("--attempt", all.agent.attempt)->required();
  CLI::App& preempt = *root.add_subcommand("preempt", "Take machines away as a spot cloud does");
  preempt.add_option("name", all.preempt.name, "workload")->required();
  preempt.add_option("--notice", all.preempt.notice, "announce it so long before, e.g. 30s");
  preempt.add_option("--nodes", all.preempt.nodes, "so many, the last ones of the gang");
  preempt.add_flag("-y,--yes", all.preempt.yes, "do not ask");
  CLI::App& rehearse = *root.add_subcommand(
      "rehearse", "Run a task here, interrupt it as spot clouds do, say what that loses");
  rehearse.add_option("file", all.rehearse.file, "task file")->required();
  rehearse.add_option("--preempt-every", all.rehearse.preempt_every,
                      "from the first step of each life to its interruption");
  rehearse.add_option("--notice", all.rehearse.notice, "announce every interruption so long before");
  rehearse.add_flag("--no-notice", all.rehearse.no_notice, "announce none");
  rehearse.add_option("--interruptions", all.rehearse.interruptions, "how many");
  rehearse.add_option("--nodes", all.rehearse.nodes, "nodes of the gang here");
  rehearse.add_option("--limit", all.rehearse.limit, "end it after so long");
  rehearse.add_flag("--json", all.rehearse.json, "as JSON");
  root.add_subcommand("version", "Show the version");
}

Result<int> dispatch(const std::string& name, Everything& all, Context& context) {
  if (!all.scenario.empty()) { context.scenario = all.scenario; }
  if (name == "launch") { return run_launch(all.launch, context); }
  if (name == "supervise") { return run_supervise(all.supervise, context); }
  if (name == "status") { return run_status(all.status, context); }
  if (name == "attach") { return follow(context, all.workload, /*json=*/false); }
  if (name == "logs") { return run_logs(all.logs, context); }
  if (name == "gc") { return run_gc(all.yes, context); }
  if (name == "checkpoint") { return run_checkpoint(all.verb, all.workload, all.id, context); }
  if (name == "preempt") { return run_preempt(all.preempt, context); }
  if (name == "rehearse") { return run_rehearse(all.rehearse, context); }
  if (name == "report") { return run_report(all.report, context); }
  if (name == "agent") { return run_agent_command(all.agent, context); }
  if (name == "version") {
    std::cout << "gpubroker " << GPUBROKER_VERSION << '\n';
    return 0;
  }
  return run_request(name, all.request, context);
}

int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  Context context;
  if (!arguments.empty() &&
      arguments.front() == "local-machine") {  // a node of the local provider, not a person
    const Result<int> done = run_machine_command({arguments.begin() + 1, arguments.end()}, context);
    return done.ok() ? done.value() : show_error(done.error());
  }
  Everything all;
  CLI::App root("gpubroker: finds GPU capacity, runs your job on it, and keeps it alive");
  root.require_subcommand(1);
  root.fallthrough();
  root.add_option("--scenario", all.scenario, "scenario file of the local provider ($GPUBROKER_SCENARIO)");
  add_launch(root, all.launch);
  add_rest(root, all);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return root.exit(e) == 0 ? 0 : 2; }
  const Result<int> done = dispatch(root.get_subcommands().front()->get_name(), all, context);
  return done.ok() ? done.value() : show_error(done.error());
}

}  // namespace
}  // namespace gpubroker

int main(int argc, char** argv) {
  return gpubroker::run(argc, argv);
}
