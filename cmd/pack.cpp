#include "cmd/pack.hpp"

#include <iostream>
#include <set>

#include "core/base/text.hpp"
#include "core/broker/broker.hpp"

namespace gpubroker {
namespace {

constexpr Millis kPackLimit = std::chrono::minutes{30};
constexpr Millis kLaunchLimit =
    std::chrono::hours{1};  // an archive this young may be of a launch in the making

Error cannot(const std::string& what, const std::string& words, const std::string& source) {
  return {.kind = ErrorKind::invalid,
          .message = "cannot pack " + what + ": " + std::string(trim(words)),
          .source = source};
}

/// Files on this disk that go away with the scope.
class Scratch {
 public:
  Scratch(Files& files, std::string path) : files_(files), path_(std::move(path)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { (void)files_.remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Files& files_;
  std::string path_;
};

bool has(Context& context, const std::string& path) {
  return context.files.stat(path).ok();
}

/// Lists what of the workdir is to be packed into `list`, by git's own rules; false when all of it is. git
/// reads ignore files for folders that are no repository too, given an empty one to stand on.
Result<bool> list_chosen(const std::string& workdir, const std::string& list, Context& context) {
  const std::string borrowed =
      "git init -q \"$2.git\" && export GIT_DIR=\"$2.git/.git\" GIT_WORK_TREE=. && "
      "git ls-files -z --others ";
  const bool sky = has(context, workdir + "/.skyignore");
  std::string script = "cd \"$1\" && ";
  if (sky) {
    script += borrowed + "--exclude-from=.skyignore";
  } else {
    const Result<CommandResult> inside = context.processes.run(
        {.argv = {"git", "-C", workdir, "rev-parse", "--is-inside-work-tree"}}, kPackLimit);
    const bool is_repository = inside.ok() && inside.value().exit.code == 0;
    if (!is_repository && !has(context, workdir + "/.gitignore")) { return false; }
    // What is deleted and not yet committed is still listed.
    script += is_repository ? "git ls-files -z --cached --others --exclude-standard | "
                              "while IFS= read -r -d '' f; do if [ -e \"$f\" ] || [ -L \"$f\" ]; then "
                              "printf '%s\\0' \"$f\"; fi; done"
                            : borrowed + "--exclude-per-directory=.gitignore";
  }
  script = "set -o pipefail; { " + script + "; } > \"$2\"";
  TRY(const CommandResult done,
      context.processes.run({.argv = {"bash", "-c", script, "list", workdir, list}}, kPackLimit));
  (void)context.files.remove_all(list + ".git");
  if (done.exit.code != 0) {
    return cannot("the workdir",
                  done.err + (sky ? " (.skyignore" : " (.gitignore") + std::string(" is read by git)"),
                  workdir);
  }
  return true;
}

Status run_tar(const std::vector<std::string>& arguments, const std::string& what, const std::string& source,
               Context& context) {
  std::vector<std::string> argv = {"tar"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  TRY(const CommandResult packed, context.processes.run({.argv = argv}, kPackLimit));
  return packed.exit.code == 0 ? Status(Ok{}) : cannot(what, packed.err, source);
}

Status pack_workdir(const std::string& workdir, const std::string& archive, Context& context) {
  const Scratch list(context.files, archive + ".list");
  TRY(const bool is_chosen, list_chosen(workdir, list.path(), context));
  // S: the targets of links stay as they are.
  std::vector<std::string> arguments = {"-C", workdir, "--exclude=.git", "-rf", archive};
  if (is_chosen) {
    arguments.insert(arguments.end(),
                     {"--transform=s,^,workdir/,S", "--null", "--files-from=" + list.path()});
  } else {
    arguments.insert(arguments.end(), {"--transform=s,^\\.,workdir,S", "."});
  }
  return run_tar(arguments, "the workdir", workdir, context);
}

Status pack_mount(const FileMount& mount, std::size_t index, const std::string& archive, Context& context) {
  const std::string member = "mounts/" + std::to_string(index);
  const std::string what = "file_mounts." + mount.target;
  if (has(context, mount.source + "/.")) {
    return run_tar({"-C", mount.source, "--transform=s,^\\.," + member + ",S", "-rf", archive, "."}, what,
                   mount.source, context);
  }
  const std::size_t slash = mount.source.rfind('/');
  // -h: a link to a file stands for the file.
  return run_tar({"-C", mount.source.substr(0, slash + 1), "-h", "--transform=s,.*," + member + ",S", "-rf",
                  archive, "--", mount.source.substr(slash + 1)},
                 what, mount.source, context);
}

}  // namespace

Result<std::string> pack_files(const Task& task, Context& context) {
  if (task.workdir.empty() && task.file_mounts.empty()) { return std::string{}; }
  const std::string folder = context.home + "/archives";
  TRY([[maybe_unused]] const Ok made, context.files.make_dirs(folder, 0700));
  const std::string archive = folder + "/" + task.name + "-" + std::to_string(context.random.next()) + ".tar";
  const auto pack_all = [&]() -> Status {
    if (!task.workdir.empty()) {
      TRY([[maybe_unused]] const Ok packed, pack_workdir(task.workdir, archive, context));
    }
    for (std::size_t i = 0; i < task.file_mounts.size(); ++i) {
      TRY([[maybe_unused]] const Ok packed, pack_mount(task.file_mounts[i], i, archive, context));
    }
    return Ok{};
  };
  if (Status packed = pack_all(); !packed.ok()) {
    (void)context.files.remove_all(archive);
    return packed.error();
  }
  return archive;
}

void forget_files(const std::string& archive, const std::string& workload, Context& context) {
  if (!archive.empty()) { (void)context.files.remove_all(archive); }
  (void)context.files.remove_all(context.home + "/secrets/" + workload + ".json");
}

Status sweep_files(const std::map<WorkloadId, WorkloadState>& live, Journal& journal, Context& context) {
  TRY(const std::vector<WorkloadRow> rows, journal.workloads(/*only_live=*/false));
  std::set<std::string> wanted;
  const auto want = [&](const WorkloadState& state) {
    wanted.insert(state.options.archive);
    wanted.insert(context.home + "/secrets/" + state.id.value + ".json");
  };
  for (const WorkloadRow& row : rows) {
    const std::optional<Phase> phase = phase_from(row.phase);
    if (phase && is_final(*phase)) { continue; }
    const auto known = live.find(row.id);
    if (known != live.end()) {
      want(known->second);
    } else {  // stopped: it may go on
      TRY(const WorkloadState state, load_state(journal, row.id.value));
      want(state);
    }
  }
  for (const std::string& folder : {context.home + "/archives", context.home + "/secrets"}) {
    const Result<std::vector<FileInfo>> found = context.files.list(folder, /*recursive=*/false);
    if (!found.ok()) { continue; }  // none was ever made
    for (const FileInfo& file : found.value()) {
      const std::string path = folder + "/" + file.name;
      const bool is_old = context.clock.now() - file.modified >= kLaunchLimit;
      if (is_old && wanted.count(path) == 0) { (void)context.files.remove_all(path); }
    }
  }
  return Ok{};
}

}  // namespace gpubroker
