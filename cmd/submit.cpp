#include "cmd/submit.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "cmd/object_stores.hpp"
#include "cmd/pack.hpp"
#include "core/base/text.hpp"
#include "core/workload/check.hpp"

namespace gpubroker {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  std::string text = std::filesystem::absolute(path, failed).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') { text.pop_back(); }
  return text;
}

Result<std::string> read_file(const std::string& path, Context& context) {
  Result<std::string> text = context.files.read(path);
  if (text.ok() || text.error().kind != ErrorKind::not_found) { return text; }
  Error error = text.error();
  error.hint = path.find(' ') == std::string::npos
                   ? "`gpubroker init plain` writes one to start from"
                   : "for a command without a task file: gpubroker launch --run '" + path + "'";
  return error;
}

/// The file's task, or one made of --run alone.
Result<Task> read_base(const LaunchOptionsCli& options, Context& context) {
  if (options.file.empty()) {
    if (options.run.empty()) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "`gpubroker launch` needs a task file, or --run COMMAND",
                   .hint = "`gpubroker launch --help` has examples",
                   .code = "usage"};
    }
    Task task;
    task.name = "run";
    task.run = options.run;
    return task;
  }
  TRY(const std::string text, read_file(options.file, context));
  TaskSurroundings surroundings{.home = context.processes.env("HOME").value_or("")};
  Task given;  // of --env: the file may use them in its paths
  for (const auto& [field, value] : options.fields) {
    if (field == "env") { TRY([[maybe_unused]] const Ok set, set_field(given, field, value)); }
  }
  surroundings.envs = given.envs;
  TRY(TaskFile file, parse_task(text, options.file, absolute(folder_of(options.file)), surroundings));
  for (const TaskWarning& warning : file.warnings) {
    std::cerr << "warning: " << options.file << ":" << warning.line << ":" << warning.column << ": "
              << warning.message << '\n';
  }
  if (!options.run.empty()) { file.task.run = options.run; }
  return file.task;
}

/// --secret NAME. A value there would stand in the shell's history and in the process table.
Status add_secrets(Task& task, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::size_t equals = name.find('=');
    if (equals != std::string::npos) {
      const std::string bare = name.substr(0, equals);
      std::string hint = "export " + bare;
      hint += " and say --secret " + bare;
      return Error{.kind = ErrorKind::invalid,
                   .message = "a secret's value does not belong on the command line",
                   .hint = hint,
                   .source = "--secret"};
    }
    const bool known = std::any_of(task.secrets.begin(), task.secrets.end(),
                                   [&](const SecretNeed& need) { return need.name == name; });
    if (!known) { task.secrets.push_back({.name = name, .file = {}}); }
  }
  return Ok{};
}

}  // namespace

Result<Task> read_task(const LaunchOptionsCli& options, Context& context) {
  TRY(Task task, read_base(options, context));
  for (const auto& [field, value] : options.fields) {
    TRY([[maybe_unused]] const Ok set, set_field(task, field, field == "workdir" ? absolute(value) : value));
  }
  TRY([[maybe_unused]] const Ok added, add_secrets(task, options.secrets));
  if (!options.idle_minutes.empty()) {
    std::cerr << "warning: --idle-minutes-to-autostop is not needed: machines are given back when the job is "
                 "over\n";
  }
  if (!task.checkpoint.path.empty() && task.checkpoint.store.empty()) {
    task.checkpoint.store = "file://" + context.home + "/checkpoints";
  }
  pass_on_store_settings(task, context);
  return task;
}

Status check_task(const Task& task, Context& context) {
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY(const std::string secrets, read_secrets_json(task, context.files, context.processes));
  return check_store(task, secrets, context);
}

Status check_mounts_at(const Task& task, const std::vector<Judged>& judged, Context& context) {
  TRY(const auto providers, context.providers());
  const std::string name = judged.empty() ? std::string{} : judged.front().offer.key.provider;
  const auto at = providers.find(name);
  return check_mounts(task.file_mounts, name, at != providers.end() && at->second->shares_machine());
}

Result<Accepted> submit(const Task& task, LaunchOptions options, Context& context) {
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY(const std::string secrets, read_secrets_json(task, context.files, context.processes));
  TRY([[maybe_unused]] const Ok stored, try_store(task, secrets, context));
  TRY(options.archive, pack_files(task, context));
  TRY(Journal* const journal, context.journal());
  // The secrets lie there before the workload exists: a supervisor may take it up at once.
  const auto keep_secrets = [&](const WorkloadId& id) -> Status {
    if (secrets.empty()) { return Ok{}; }
    return context.files.write_atomic(context.home + "/secrets/" + id.value + ".json", secrets, 0600,
                                      /*durable=*/true);
  };
  TRY(const Accepted accepted, accept(*journal, context.clock, context.random, task, options, keep_secrets));
  if (accepted.already && !options.archive.empty()) { (void)context.files.remove_all(options.archive); }
  return accepted;
}

}  // namespace gpubroker
