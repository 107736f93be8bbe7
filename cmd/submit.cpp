#include "cmd/submit.hpp"

#include <iostream>

#include "core/base/text.hpp"
#include "core/workload/check.hpp"

namespace gpubroker {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// The workdir as it is now: what later attempts run must not depend on what is edited meanwhile.
Result<std::string> pack(const Task& task, Context& context) {
  if (task.workdir.empty()) { return std::string{}; }
  const std::string archive =
      context.home + "/archives/" + task.name + "-" + std::to_string(context.random.next()) + ".tar";
  TRY([[maybe_unused]] const Ok made, context.files.make_dirs(folder_of(archive), 0700));
  TRY(const CommandResult packed,
      context.processes.run({.argv = {"tar", "-C", task.workdir, "--exclude=.git", "-cf", archive, "."}},
                            std::chrono::minutes{30}));
  if (packed.exit.code != 0) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "cannot pack the workdir: " + packed.err,
                 .source = task.workdir};
  }
  return archive;
}

}  // namespace

Result<Task> read_task(const LaunchOptionsCli& options, Context& context) {
  TRY(const std::string text, context.files.read(options.file));
  TRY(const CommandResult here, context.processes.run({.argv = {"pwd"}}, std::chrono::seconds{10}));
  std::string base = folder_of(options.file);
  if (base.front() != '/') { base = std::string(trim(here.out)) + (base == "." ? "" : "/" + base); }
  TRY(TaskFile file, parse_task(text, options.file, base));
  for (const TaskWarning& warning : file.warnings) {
    std::cerr << "warning: " << options.file << ":" << warning.line << ":" << warning.column << ": "
              << warning.message << '\n';
  }
  for (const auto& [field, value] : options.fields) {
    TRY([[maybe_unused]] const Ok set, set_field(file.task, field, value));
  }
  if (!file.task.checkpoint.path.empty() && file.task.checkpoint.store.empty()) {
    file.task.checkpoint.store = "file://" + context.home + "/checkpoints";
  }
  return file.task;
}

Status check_task(const Task& task, Context& context) {
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY([[maybe_unused]] const std::string secrets, read_secrets_json(task, context.files, context.processes));
  return Ok{};
}

Result<Accepted> submit(const Task& task, LaunchOptions options, bool supervise, Context& context) {
  TRY([[maybe_unused]] const Ok paths, check_paths(task, context.files));
  TRY(const std::string secrets, read_secrets_json(task, context.files, context.processes));
  TRY(options.archive, pack(task, context));
  TRY(Journal* const journal, context.journal());
  TRY(const Accepted accepted, accept(*journal, context.clock, context.random, task, options));
  if (!secrets.empty()) {
    TRY([[maybe_unused]] const Ok kept,
        context.files.write_atomic(context.home + "/secrets/" + accepted.id.value + ".json", secrets, 0600,
                                   /*durable=*/true));
  }
  if (supervise) { TRY([[maybe_unused]] const Ok supervised, ensure_supervisor(context)); }
  return accepted;
}

}  // namespace gpubroker
