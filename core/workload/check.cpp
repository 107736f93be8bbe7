#include "core/workload/check.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

Error missing(const std::string& field, const std::string& path, const std::string& why) {
  return {.kind = ErrorKind::invalid,
          .message = field + ": " + why,
          .hint = "relative paths are looked up beside the task file",
          .source = path};
}

}  // namespace

Status check_paths(const Task& task, Files& files) {
  if (!task.workdir.empty()) {
    const Result<FileInfo> info = files.stat(task.workdir);
    if (!info.ok()) { return missing("workdir", task.workdir, info.error().message); }
    if (info.value().type == FileType::file) {
      return missing("workdir", task.workdir, task.workdir + " is not a folder");
    }
  }
  for (const FileMount& mount : task.file_mounts) {
    const Result<FileInfo> info = files.stat(mount.source);
    if (!info.ok()) { return missing("file_mounts." + mount.target, mount.source, info.error().message); }
    if (info.value().type == FileType::file) {
      const Result<std::string> first = files.read_at(mount.source, 0, 1);
      if (!first.ok()) { return missing("file_mounts." + mount.target, mount.source, first.error().message); }
    }
  }
  return Ok{};
}

Status check_mounts(const std::vector<FileMount>& mounts, const std::string& provider, bool shares_machine) {
  for (const FileMount& mount : mounts) {
    Error error{.kind = ErrorKind::invalid,
                .message = "file_mounts." + mount.target + ": ",
                .hint = "a relative target lies below the workdir, ~/… below the home folder",
                .source = mount.source};
    const std::vector<std::string> steps = split(mount.target, '/');
    if (mount.target.empty() || std::find(steps.begin(), steps.end(), "..") != steps.end()) {
      error.message += "a target says where, without \"..\"";
      return error;
    }
    if (shares_machine && mount.target.front() == '/') {
      error.message += "a node of " + provider + " has no disk of its own, and this path is this machine's";
      return error;
    }
  }
  return Ok{};
}

Result<std::string> read_secrets_json(const Task& task, Files& files, Processes& processes) {
  if (task.secrets.empty()) { return std::string{}; }
  Json values = Json::object();
  for (const SecretNeed& secret : task.secrets) {
    if (secret.file.empty()) {
      const std::optional<std::string> value = processes.env(secret.name);
      if (!value) {
        return Error{.kind = ErrorKind::invalid,
                     .message = "the secret " + secret.name + " is not set in the environment",
                     .hint = "export " + secret.name + "=…, or name a file: secrets: [{name: " + secret.name +
                             ", file: …}]",
                     .source = "secrets." + secret.name};
      }
      values[secret.name] = *value;
    } else {
      const Result<std::string> value = files.read(secret.file);
      if (!value.ok()) { return missing("secrets." + secret.name, secret.file, value.error().message); }
      values[secret.name] = std::string(trim(value.value()));
    }
  }
  return dump_json(values);
}

}  // namespace gpubroker
