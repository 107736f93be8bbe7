// The one table of commands and options. What reads the command line, completes it and documents it all comes
// from here; CLI11 is included nowhere else (it costs 4-5 s).
#include "cmd/options.hpp"

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>

#include "cmd/commands.hpp"
#include "cmd/templates.hpp"
#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// What all commands' options are read into.
struct Everything {
  GlobalOptions global;
  LaunchOptionsCli launch;
  FollowOptions attach;
  SuperviseOptions supervise;
  AgentOptions agent;
  StatusOptions status;
  RequestOptions request;
  GcOptions gc;
  LogOptions logs;
  SshOptionsCli ssh;
  ReportOptions report;
  CheckpointOptions checkpoint;
  InitOptions init;
  PreemptOptions preempt;
  RehearseOptions rehearse;
  CheckCli check;
  GpusCli gpus;
  HistoryCli history;
  OffersCli offers;
  RefreshCli refresh;
  VersionOptions version;
  std::string shell;
  std::vector<std::string> topic;  // of help; read by hand, since the topics are commands
  std::function<Result<int>(Context&)> run;
};
using Fill = void (*)(CLI::App&, Everything&);

constexpr const char* kWorkload = "WORKLOAD";
constexpr const char* kDuration = "DURATION";

/// Runs `command` with `options` when this command was typed.
template <class Options>
void runs(CLI::App& app, Everything& all, Result<int> (*command)(const Options&, Context&),
          const Options& options) {
  app.callback([&all, command, &options] {
    all.run = [command, &options](Context& context) { return command(options, context); };
  });
}

void examples(CLI::App& app, const std::string& lines) {
  app.footer(lines);
}

CLI::Option* choice(CLI::Option* option, const std::vector<std::string>& choices) {
  option->type_name(join(choices, "|"));
  return option->check(CLI::Validator(
      [choices](const std::string& typed) -> std::string {
        if (std::find(choices.begin(), choices.end(), typed) != choices.end()) { return {}; }
        const std::string near = nearest(typed, choices);
        return "must be one of " + join(choices, ", ") + (near.empty() ? "" : "; did you mean " + near + "?");
      },
      ""));
}

CLI::Option* workload(CLI::App& app, std::string& name, const std::string& help = "id, name or key") {
  return app.add_option("workload", name, help)->type_name(kWorkload);
}

void json_flag(CLI::App& app, bool& json, const std::string& help = "print JSON") {
  app.add_flag("--json", json, help);
}

void yes_flag(CLI::App& app, bool& yes) {
  app.add_flag("-y,--yes", yes, "do not ask");
}

/// An option that overrides a field of the task file.
void field(CLI::App& app, LaunchOptionsCli& options, const std::string& flags, const std::string& name,
           const std::string& type, const std::string& help) {
  app.add_option_function<std::string>(
         flags, [&options, name](const std::string& value) { options.fields.emplace_back(name, value); },
         help)
      ->type_name(type);
}

void env_option(CLI::App& app, std::vector<std::pair<std::string, std::string>>& fields) {
  app.add_option_function<std::vector<std::string>>(
         "--env",
         [&fields](const std::vector<std::string>& values) {
           for (const std::string& value : values) { fields.emplace_back("env", value); }
         },
         "variable of the job; repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

// --- the commands, by name ---

void fill_agent(CLI::App& app, Everything& all) {
  app.add_option("--root", all.agent.root)->required();
  app.add_option("--attempt", all.agent.attempt)->required();
  runs(app, all, run_agent_command, all.agent);
}

void fill_attach(CLI::App& app, Everything& all) {
  examples(app, "gpubroker attach llama-7k2q\n");
  all.attach.from_end = true;
  workload(app, all.attach.name)->required();
  json_flag(app, all.attach.json, "print one JSON object per event and line");
  runs(app, all, run_follow, all.attach);
}

void fill_check(CLI::App& app, Everything& all) {
  CheckCli& options = all.check;
  examples(app, "gpubroker check\ngpubroker check aws gcp --json\n");
  app.add_option("clouds", options.clouds, "only these")->type_name("CLOUD");
  app.add_option("--timeout", options.timeout, "how long to wait for answers (30s)")->type_name(kDuration);
  json_flag(app, options.json);
  runs(app, all, run_check, options);
}

void fill_checkpoint(CLI::App& app, Everything& all) {
  examples(app,
           "gpubroker checkpoint ls llama-7k2q\ngpubroker checkpoint now llama-7k2q\n"
           "gpubroker checkpoint verify llama-7k2q\n");
  app.require_subcommand(1);
  for (const auto& [verb, help] :
       {std::pair{"ls", "List checkpoints, newest first"},
        std::pair{"now", "Ask the job to save, and wait until it is committed"},
        std::pair{"rm", "Remove one checkpoint"}, std::pair{"show", "Show the files of checkpoints"},
        std::pair{"verify", "Read every byte back and compare its hash"}}) {
    CLI::App& sub = *app.add_subcommand(verb, help);
    const std::string name = verb;
    CheckpointOptions& options = all.checkpoint;
    workload(sub, options.workload)->required();
    if (name == "rm" || name == "show" || name == "verify") {
      CLI::Option* const id = sub.add_option("id", options.id, "one checkpoint")->type_name("ID");
      if (name == "rm") { id->required(); }
    }
    if (name == "rm") {
      yes_flag(sub, options.yes);
      sub.add_flag("--dry-run", options.dry_run, "say what would be removed");
    }
    if (name == "now") {
      sub.add_option("--timeout", options.timeout, "how long to wait (10m)")->type_name(kDuration);
      sub.add_flag("--no-supervise", options.no_supervise)->group("");
    }
    json_flag(sub, options.json);
    sub.callback([&all, name] {
      all.checkpoint.verb = name;
      all.run = [&all](Context& context) { return run_checkpoint(all.checkpoint, context); };
    });
  }
}

void fill_complete_names(CLI::App& app, Everything& all) {
  app.callback([&all] { all.run = run_complete_names; });
}

void fill_completion(CLI::App& app, Everything& all) {
  examples(app,
           "gpubroker completion bash > ~/.local/share/bash-completion/completions/gpubroker\n"
           "gpubroker completion zsh > \"${fpath[1]}/_gpubroker\"\n"
           "gpubroker completion fish > ~/.config/fish/completions/gpubroker.fish\n");
  choice(app.add_option("shell", all.shell, "the shell")->required(), {"bash", "fish", "zsh"});
}

void fill_request(CLI::App& app, Everything& all) {
  const std::string verb = app.get_name();
  RequestOptions& options = all.request;
  app.add_option("workloads", options.names, "ids, names or keys")->type_name(kWorkload)->required();
  if (verb == "migrate") {
    app.add_option("--to", options.to, "where to; without it anywhere but where it is")
        ->type_name("PROVIDER/REGION");
  }
  yes_flag(app, options.yes);
  app.add_flag("--dry-run", options.dry_run, "say what would be done");
  if (verb == "down" || verb == "stop") {
    app.add_flag("--no-wait", options.no_wait, "do not wait until the machines are gone");
  }
  json_flag(app, options.json);
  app.add_flag("--no-supervise", options.no_supervise)->group("");
  examples(app,
           "gpubroker " + verb + " llama-7k2q" + (verb == "migrate" ? " --to local/eu-west" : "") + "\n");
  app.callback([&all, verb] {
    all.request.verb = verb;
    all.run = [&all](Context& context) { return run_request(all.request, context); };
  });
}

void fill_gc(CLI::App& app, Everything& all) {
  examples(app, "gpubroker gc --dry-run\n");
  yes_flag(app, all.gc.yes);
  app.add_flag("--dry-run", all.gc.dry_run, "list them and stop");
  json_flag(app, all.gc.json);
  runs(app, all, run_gc, all.gc);
}

void fill_help(CLI::App& app, Everything& all) {
  app.add_option("topic", all.topic, "a command, or exit-codes")->type_name("TOPIC");
}

void fill_init(CLI::App& app, Everything& all) {
  examples(app, "gpubroker init ddp train/    # a PyTorch job that survives being interrupted\n");
  choice(app.add_option("template", all.init.kind, "what kind of job")->required(), template_names());
  app.add_option("folder", all.init.folder, "where to (.)")->type_name("DIR");
  app.add_flag("--force", all.init.force, "overwrite files");
  json_flag(app, all.init.json);
  runs(app, all, run_init, all.init);
}

void fill_launch(CLI::App& app, Everything& all) {
  LaunchOptionsCli& options = all.launch;
  examples(app,
           "gpubroker launch train.yaml\n"
           "gpubroker launch train.yaml --gpus H100:8 --spot --max-price 2.80/gpu-hour --deadline 36h\n"
           "gpubroker launch --run 'python train.py' --gpus A100:1 --workdir .\n"
           "gpubroker launch ci.yaml --yes --json --key $BUILD --spot --wait 30m --ttl 2h\n");
  app.add_option("file", options.file, "the task file (YAML), ours or SkyPilot's")->type_name("FILE");
  app.add_option("--run", options.run, "shell text to run, instead of the file's")->type_name("COMMAND");
  app.add_flag("-y,--yes", options.yes, "do not ask before spending");
  json_flag(app, options.json, "print one JSON object per event and line");
  app.add_option("--key", options.key, "idempotency key: the same key never launches twice");
  app.add_flag("-d,--detach,--detach-run", options.detach, "do not follow; print the workload's id");
  app.add_flag("--dry-run", options.dry_run, "print the plan and stop");
  field(app, options, "--gpus", "gpus", "SPEC", "GPUs per node, e.g. H100:8");
  field(app, options, "--infra", "infra", "PLACE", "provider[/region[/zone]]");
  field(app, options, "--region", "region", "REGIONS", "regions, separated by commas");
  app.add_flag_callback(
      "--spot,--use-spot", [&options] { options.fields.emplace_back("use_spot", "true"); }, "spot only");
  field(app, options, "--max-price", "max_price", "PRICE", "e.g. 2.80/gpu-hour or 20/hour");
  field(app, options, "--deadline", "deadline", kDuration, "from launch, e.g. 36h");
  field(app, options, "--budget", "budget", "MONEY", "e.g. '400 USD'");
  field(app, options, "--ttl", "ttl", kDuration, "machines end so long after launch");
  app.add_option("--wait", options.wait, "how long to look for capacity, e.g. 30m")->type_name(kDuration);
  app.add_flag("-r,--retry-until-up", options.retry_until_up, "look for capacity until there is some");
  field(app, options, "--num-nodes", "num_nodes", "N", "nodes of the gang");
  field(app, options, "--cpus", "cpus", "N", "vCPUs per node, e.g. 8+");
  field(app, options, "--memory", "memory", "GB", "per node, e.g. 64+");
  field(app, options, "-t,--instance-type", "instance_type", "TYPE", "the cloud's own name");
  field(app, options, "-n,--name,-c,--cluster", "name", "NAME", "name of the workload");
  app.add_option_function<std::string>(
         "--workdir", [&options](const std::string& value) { options.fields.emplace_back("workdir", value); },
         "folder that every node gets")
      ->type_name("DIR");
  env_option(app, options.fields);
  app.add_option("--secret", options.secrets, "secret of the job, from the environment; repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--owner", options.owner, "who pays, for reports");
  app.add_option("-i,--idle-minutes-to-autostop", options.idle_minutes,
                 "SkyPilot's; machines here go when the job is over")
      ->type_name("N");
  app.add_flag("--down", options.down, "SkyPilot's; always so here");
  app.add_flag("--no-supervise", options.no_supervise)->group("");
  runs(app, all, run_launch, options);
}

void fill_logs(CLI::App& app, Everything& all) {
  LogOptions& options = all.logs;
  examples(app, "gpubroker logs -f llama-7k2q\ngpubroker logs llama-7k2q --node 0 --tail 100\n");
  workload(app, options.name)->required();
  app.add_flag("-f,--follow", options.follow, "until the workload is over, over all attempts");
  app.add_option("--node,--rank", options.node, "one node; else all, each line with its rank")
      ->type_name("RANK")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("--attempt", options.attempt, "one attempt")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""));
  app.add_option("--tail", options.tail, "the last lines only")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_flag("-t,--timestamps", options.timestamps, "when each line was written");
  json_flag(app, options.json, "print one JSON object per line of output");
  runs(app, all, run_logs, options);
}

void fill_man(CLI::App& app, Everything& /*all*/) {
  examples(app, "gpubroker man | man -l -\n");
}

void fill_preempt(CLI::App& app, Everything& all) {
  PreemptOptions& options = all.preempt;
  examples(app, "gpubroker preempt llama-7k2q --notice 30s\ngpubroker preempt llama-7k2q --nodes 1\n");
  workload(app, options.name)->required();
  app.add_option("--notice", options.notice, "announce it so long before; else at once")
      ->type_name(kDuration);
  app.add_option("--nodes", options.nodes, "so many, the last ones of the gang; else all")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""));
  yes_flag(app, options.yes);
  json_flag(app, options.json);
  runs(app, all, run_preempt, options);
}

void fill_rehearse(CLI::App& app, Everything& all) {
  RehearseOptions& options = all.rehearse;
  examples(app,
           "gpubroker rehearse train.yaml\n"
           "gpubroker rehearse train.yaml --preempt-every 10s --no-notice --nodes 2 --env STEPS=200\n");
  app.add_option("file", options.file, "the task file")->type_name("FILE")->required();
  app.add_option("--preempt-every", options.preempt_every,
                 "from the first step of each life to its interruption (30s)")
      ->type_name(kDuration);
  app.add_option("--notice", options.notice, "announce each so long before; else 30s and none by turns")
      ->type_name(kDuration);
  app.add_flag("--no-notice", options.no_notice, "announce none");
  app.add_option("--interruptions", options.interruptions, "how many (2)")->type_name("N");
  app.add_option("--nodes", options.nodes, "nodes of the gang here; else as the task says, at most 4")
      ->type_name("N");
  app.add_option("--limit", options.limit, "end it after so long (30m)")->type_name(kDuration);
  env_option(app, options.fields);
  json_flag(app, options.json);
  runs(app, all, run_rehearse, options);
}

void wanted_options(CLI::App& app, WantedCli& wanted) {
  app.add_option("gpus", wanted.gpus, "e.g. H100:8, H100-SXM, any:80GB+:8; none: everything")
      ->type_name("GPUS");
  app.add_option("--cloud", wanted.clouds, "only these, e.g. aws,lambda")
      ->type_name("CLOUD")
      ->allow_extra_args(false);
  app.add_option("--region", wanted.regions, "only these: us, eu, asia …, us-east, europe-west4")
      ->type_name("REGION")
      ->allow_extra_args(false);
  app.add_option("--market", wanted.markets, "on_demand, spot, flex, block or contract")
      ->type_name("MARKET")
      ->allow_extra_args(false);
  app.add_flag("--spot", wanted.spot, "the same as --market spot");
}

void fill_gpus(CLI::App& app, Everything& all) {
  examples(app, "gpubroker gpus\ngpubroker gpus H100\ngpubroker gpus 'NVIDIA H100 80GB HBM3' --json\n");
  app.add_option("name", all.gpus.name, "a family, a model or any of its names")->type_name("GPU");
  app.add_flag("--wide", all.gpus.wide, "other names, clouds and notes, too");
  json_flag(app, all.gpus.json);
  runs(app, all, run_gpus, all.gpus);
}

void fill_history(CLI::App& app, Everything& all) {
  HistoryCli& options = all.history;
  examples(app,
           "gpubroker history H100:8 --cloud aws --spot --since 30d --plot\n"
           "gpubroker history H100 --html prices.html\n");
  wanted_options(app, options.wanted);
  app.add_option("--since", options.since, "how far back, or a UTC date (30d)")->type_name("TIME");
  app.add_flag("--plot", options.plot, "draw it in the terminal");
  app.add_option("--html", options.html, "write a page with the picture")->type_name("FILE");
  json_flag(app, options.json);
  runs(app, all, run_history, options);
}

void fill_offers(CLI::App& app, Everything& all) {
  OffersCli& options = all.offers;
  examples(app,
           "gpubroker offers H100:8 --nodes 4 --spot --region us,eu --fabric ib\n"
           "gpubroker offers any:80GB+:8 --max-price 2.80/gpu-hour --available\n"
           "gpubroker offers H200:8 --explain --limit 1\n"
           "gpubroker offers --quarantined\n");
  wanted_options(app, options.wanted);
  app.add_option("--nodes", options.nodes, "machines of the gang (1)")->type_name("N");
  app.add_flag("--exact", options.exact, "not more GPUs per machine than asked for");
  app.add_option("--fabric", options.fabric,
                 "nvlink (all GPUs of a machine joined), ib, efa, roce, tcpx, ethernet")
      ->type_name("FABRIC");
  app.add_option("--max-price", options.max_price, "e.g. 2.80/gpu-hour or 20/hour")->type_name("PRICE");
  app.add_flag("--available", options.available, "only where the cloud says that there are machines now");
  app.add_option("--seller", options.seller, "whose machines, of aggregators")->type_name("NAME");
  app.add_option("--max-age", options.max_age, "only what was told since")->type_name(kDuration);
  choice(app.add_option("--sort", options.sort, "order by (price-per-gpu)"),
         {"price", "price-per-gpu", "price-per-tflop"});
  app.add_option("--limit", options.limit, "rows at most (20); 0: all")->type_name("N");
  app.add_flag("--explain", options.explain, "every part of the price, and where each fact is from");
  app.add_flag("--quarantined", options.quarantined, "what is doubted, and why");
  app.add_flag("--wide", options.wide, "more columns");
  app.add_flag("--csv", options.csv, "comma-separated, with a header");
  json_flag(app, options.json);
  runs(app, all, run_offers, options);
}

void fill_refresh(CLI::App& app, Everything& all) {
  RefreshCli& options = all.refresh;
  examples(app, "gpubroker refresh\ngpubroker refresh lambda aws/spot-feed\n");
  app.add_option("sources", options.sources, "clouds, or sources of theirs; none: all")->type_name("SOURCE");
  app.add_option("--timeout", options.timeout, "for all of it (15m)")->type_name(kDuration);
  app.add_flag("--accept-loss", options.accept_loss,
               "take it when a source tells of far fewer offers than before");
  json_flag(app, options.json);
  runs(app, all, run_refresh, options);
}

void fill_report(CLI::App& app, Everything& all) {
  ReportOptions& options = all.report;
  examples(app,
           "gpubroker report --by owner --from 2026-11-01 --to 2026-12-01\n"
           "gpubroker report --format ledger-csv > ledger.csv\n");
  choice(app.add_option("--by", options.by, "group by (workload)"), {"day", "owner", "provider", "workload"});
  app.add_option("--from", options.from, "UTC date or time")->type_name("TIME");
  app.add_option("--to", options.to, "UTC date or time, not included")->type_name("TIME");
  choice(app.add_option("--format", options.format, "form of the output (table)"),
         {"csv", "json", "ledger-csv", "table"});
  json_flag(app, options.json, "the same as --format json");
  runs(app, all, run_report, options);
}

void fill_ssh(CLI::App& app, Everything& all) {
  SshOptionsCli& options = all.ssh;
  examples(app, "gpubroker ssh llama-7k2q\ngpubroker ssh llama-7k2q --node 3 -- nvidia-smi\n");
  workload(app, options.name)->required();
  app.add_option("--node,--rank", options.node, "which node (0)")
      ->type_name("RANK")
      ->check(CLI::NonNegativeNumber.description(""));
  app.add_option("command", options.command, "run this there, as a shell's words; else a shell")
      ->type_name("COMMAND");
  runs(app, all, run_ssh, options);
}

void fill_status(CLI::App& app, Everything& all) {
  StatusOptions& options = all.status;
  examples(app, "gpubroker status\ngpubroker status llama-7k2q --attempts\n");
  workload(app, options.name, "one workload, in detail");
  app.add_flag("--attempts", options.attempts, "every try, what the cloud said and what was ruled out");
  app.add_flag("--discover", options.discover, "machines with our tags, asked from the clouds");
  json_flag(app, options.json);
  runs(app, all, run_status, options);
}

void fill_supervise(CLI::App& app, Everything& all) {
  examples(app, "gpubroker supervise\n");
  app.add_flag("--until-idle", all.supervise.until_idle, "leave when there is nothing to do");
  runs(app, all, run_supervise, all.supervise);
}

void fill_version(CLI::App& app, Everything& all) {
  json_flag(app, all.version.json);
  runs(app, all, run_version, all.version);
}

struct CommandRow {
  const char* name;
  const char* summary;  // empty: hidden
  Fill fill;
};

/// One command a line, by name.
constexpr CommandRow kCommands[] = {
    {"agent", "", fill_agent},
    {"attach", "Follow a workload", fill_attach},
    {"check", "Look for credentials and ask the clouds who we are", fill_check},
    {"checkpoint", "Checkpoints of a workload", fill_checkpoint},
    {"complete-names", "", fill_complete_names},
    {"completion", "Write the completion script of a shell", fill_completion},
    {"down", "End a workload for good and give its machines back", fill_request},
    {"gc", "End machines of ours that nobody wants", fill_gc},
    {"gpus", "What each GPU is, and what it is called", fill_gpus},
    {"help", "Explain a command, or the exit codes", fill_help},
    {"history", "What prices were", fill_history},
    {"init", "Write a job to start from", fill_init},
    {"launch", "Find capacity for a task file, book it and run the task", fill_launch},
    {"logs", "Show a workload's output", fill_logs},
    {"man", "Write the man page", fill_man},
    {"migrate", "Move: book elsewhere, save, move, give back", fill_request},
    {"offers", "What is sold, where and for how much", fill_offers},
    {"preempt", "Take a workload's machines away, as a spot cloud does", fill_preempt},
    {"refresh", "Ask the clouds what they sell", fill_refresh},
    {"rehearse", "Run a job here, interrupt it as spot clouds do, say what that loses", fill_rehearse},
    {"report", "What was spent", fill_report},
    {"ssh", "Open a shell, or run a command, on a node", fill_ssh},
    {"start", "Go on after `stop`", fill_request},
    {"status", "Show workloads", fill_status},
    {"stop", "Save and give the machines back; `start` goes on", fill_request},
    {"supervise", "Run the reconcile loop", fill_supervise},
    {"version", "Show the version", fill_version},
};

/// Builds the table. Only commands among `wanted` get their options (all, when it is null): the rest costs
/// time at every start and is not looked at.
void build(CLI::App& root, Everything& all, const std::vector<std::string>* wanted) {
  root.require_subcommand(0, 1);
  root.set_help_flag("-h,--help", "explain");
  root.add_option("--home", all.global.home, "where everything is kept ($GPUBROKER_HOME)")->type_name("DIR");
  root.add_option("--scenario", all.global.scenario,
                  "scenario file of the local provider ($GPUBROKER_SCENARIO)")
      ->type_name("FILE");
  root.add_flag("--no-color", all.global.no_color, "no colours ($NO_COLOR)");
  root.add_flag("-v,--verbose", all.global.verbose, "say where settings come from");
  examples(root,
           "gpubroker init ddp train && gpubroker launch train/train.yaml\n"
           "gpubroker launch train.yaml --gpus H100:8 --spot --max-price 2.80/gpu-hour\n"
           "gpubroker status\n"
           "gpubroker logs -f llama-7k2q\n"
           "gpubroker down llama-7k2q\n");
  for (const CommandRow& row : kCommands) {
    CLI::App* const app = root.add_subcommand(row.name, row.summary);
    if (*row.summary == '\0') { app->group(""); }
    if (wanted == nullptr || std::find(wanted->begin(), wanted->end(), row.name) != wanted->end()) {
      row.fill(*app, all);
    }
  }
}

constexpr const char* kProgram = "Finds GPU capacity, runs your job on it and keeps it alive.";

// --- the table as data ---

OptionInfo describe(const CLI::Option& option) {
  OptionInfo info{.help = option.get_description(), .required = option.get_required()};
  for (const std::string& name : option.get_snames()) { info.flags.push_back("-" + name); }
  for (const std::string& name : option.get_lnames()) { info.flags.push_back("--" + name); }
  info.repeated = option.get_items_expected_max() > 1;
  if (option.get_items_expected_max() == 0) { return info; }
  info.name = option.get_type_name();
  info.kind = ValueKind::text;
  if (info.name == kWorkload) { info.kind = ValueKind::workload; }
  if (info.name == "FILE") { info.kind = ValueKind::file; }
  if (info.name == "DIR") { info.kind = ValueKind::folder; }
  if (info.name.find('|') != std::string::npos) {
    info.kind = ValueKind::choice;
    info.choices = split(info.name, '|');
  }
  return info;
}

CommandInfo describe(const CLI::App& app, const std::string& path) {
  CommandInfo info{.path = path, .summary = app.get_description(), .examples = app.get_footer()};
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_group().empty()) { continue; }
    (option->get_positional() ? info.positionals : info.options).push_back(describe(*option));
  }
  const auto visible = [](const CLI::App* sub) { return !sub->get_group().empty(); };
  for (const CLI::App* const sub : app.get_subcommands(visible)) {
    info.commands.push_back(describe(*sub, (path.empty() ? "" : path + " ") + sub->get_name()));
  }
  return info;
}

// --- reading ---

Error usage(const std::string& message, const std::string& hint = "") {
  return {.kind = ErrorKind::invalid, .message = message, .hint = hint, .code = "usage"};
}

/// The innermost command that was typed.
CLI::App& innermost(CLI::App& root) {
  CLI::App* app = &root;
  while (!app->get_subcommands().empty()) { app = app->get_subcommands().front(); }
  return *app;
}

std::string path_of(const CLI::App& app) {
  if (app.get_parent() == nullptr) { return ""; }
  const std::string above = path_of(*app.get_parent());
  return (above.empty() ? "" : above + " ") + app.get_name();
}

std::string help_command(const CLI::App& app) {
  const std::string path = path_of(app);
  return "`gpubroker " + path + (path.empty() ? "" : " ") + "--help` lists what there is";
}

/// A word nobody expected: the nearest one that is known here.
Error unexpected(CLI::App& root, const std::string& word) {
  CLI::App& app = innermost(root);
  const bool is_option = word.size() > 1 && word.front() == '-';
  const std::string typed = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const CLI::App* const at : {static_cast<const CLI::App*>(&app), static_cast<const CLI::App*>(&root)}) {
    for (const CLI::Option* const option : at->get_options()) {
      if (option->get_group().empty()) { continue; }
      for (const std::string& name : option->get_lnames()) { known.push_back("--" + name); }
    }
  }
  if (!is_option) {
    known.clear();
    for (const CLI::App* const sub :
         app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); })) {
      known.push_back(sub->get_name());
    }
  }
  const std::string near = nearest(typed, known);
  const std::string hint = near.empty() ? help_command(app) : "did you mean " + near + "?";
  if (is_option) { return usage("there is no option " + typed, hint); }
  if (known.empty()) { return usage("one word too many: " + word, help_command(app)); }
  return usage("there is no command " + typed, hint);
}

/// CLI11 stops at what it misses before it tells what it did not expect, which says more.
Error explain(CLI::App& root, const CLI::ParseError& error) {
  const std::vector<std::string> left = root.remaining(/*recurse=*/true);
  const bool extras = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
                      error.get_name() == "RequiredError";
  if (extras && !left.empty()) { return unexpected(root, left.front()); }
  CLI::App& app = innermost(root);
  if (error.get_name() == "RequiredError") {
    for (const CLI::Option* const option : app.get_options()) {
      if (option->get_required() && option->count() == 0) {
        return usage("`gpubroker " + path_of(app) + "` needs " + (option->get_positional() ? "a " : "") +
                         option->get_name(),
                     help_command(app));
      }
    }
    return usage("`gpubroker " + path_of(app) + "` needs a command", help_command(app));
  }
  return usage(error.what(), help_command(app));
}

/// Options of all commands may stand anywhere: they are put in front, where CLI11 looks for them. Its own
/// fallthrough would also take a workload's name for a command.
std::vector<std::string> with_globals_first(const std::vector<std::string>& words) {
  std::vector<std::string> first;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    const std::string name = word.substr(0, word.find('='));
    const bool with_value = name == "--home" || name == "--scenario";
    const bool global = with_value || word == "--no-color" || word == "-v" || word == "--verbose";
    (global ? first : rest).push_back(word);
    if (with_value && name == word && i + 1 < words.size()) { first.push_back(words[++i]); }
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

Result<std::string> explain_topic(const std::vector<std::string>& topic) {
  if (topic == std::vector<std::string>{"exit-codes"}) { return exit_code_help(); }
  CommandInfo found = describe_commands();
  for (const std::string& word : topic) {
    std::vector<std::string> names;
    const CommandInfo* next = nullptr;
    for (const CommandInfo& command : found.commands) {
      names.push_back(command.path.substr(command.path.rfind(' ') + 1));
      if (names.back() == word) { next = &command; }
    }
    if (next == nullptr) {
      const std::string near = nearest(word, names);
      return usage("there is no command " + word,
                   near.empty() ? "`gpubroker --help` lists them" : "did you mean " + near + "?");
    }
    found = CommandInfo(*next);
  }
  return render_help(found);
}

/// Commands that print what the table says and need no world.
Result<std::string> print_about(const std::string& command, const Everything& all) {
  if (command == "completion") { return render_completion(describe_commands(), all.shell); }
  if (command == "man") { return render_man(describe_commands(), GPUBROKER_VERSION); }
  return render_help(describe_commands());
}

}  // namespace

bool wants_json(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, "--json") != end;
}

CommandInfo describe_commands() {
  Everything all;
  CLI::App root(kProgram);
  build(root, all, nullptr);
  return describe(root, "");
}

Result<CommandLine> read_command_line(const std::vector<std::string>& typed) {
  std::vector<std::string> words = typed;
  if (!words.empty() && words.front() == "--version") { words.front() = "version"; }  // as others are asked
  if (words.size() > 1 && words.front() == "help" && words[1].rfind('-', 0) != 0) {
    TRY(std::string text, explain_topic({words.begin() + 1, words.end()}));
    return CommandLine{.print = std::move(text)};
  }
  const auto all = std::make_shared<Everything>();
  CLI::App root(kProgram);
  build(root, *all, &words);
  std::vector<std::string> ordered = with_globals_first(words);
  std::reverse(ordered.begin(), ordered.end());  // as CLI11 wants them
  try {
    root.parse(std::move(ordered));
  } catch (const CLI::CallForHelp&) {
    return CommandLine{.print = render_help(describe(innermost(root), path_of(innermost(root))))};
  } catch (const CLI::ParseError& error) { return explain(root, error); }
  if (root.get_subcommands().empty()) { return usage("no command given", "`gpubroker --help` lists them"); }
  if (!all->run) {
    TRY(std::string text, print_about(root.get_subcommands().front()->get_name(), *all));
    return CommandLine{.print = std::move(text)};
  }
  return CommandLine{.global = all->global, .json = wants_json(words), .run = [all](Context& context) {
                       return all->run(context);
                     }};
}

}  // namespace gpubroker
