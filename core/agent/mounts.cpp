#include "core/agent/mounts.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr Millis kCopyLimit = std::chrono::minutes{30};

bool is_home(const std::string& target) {
  return target == "~" || target.rfind("~/", 0) == 0;
}

Error refuse(const MountSpec& mount, const std::string& why) {
  return {.kind = ErrorKind::invalid,
          .message = "file_mounts." + mount.target + ": " + why,
          .hint = "a relative target lies below the workdir, ~/… below the home folder"};
}

Status run_tool(AgentParts parts, const std::vector<std::string>& argv) {
  TRY(const CommandResult result, parts.processes.run({.argv = argv}, kCopyLimit));
  if (result.exit.code == 0) { return Ok{}; }
  return Error{.kind = ErrorKind::internal, .message = argv.front() + ": " + std::string(trim(result.err))};
}

Result<std::string> resolve(AgentParts parts, const std::string& path) {
  TRY(const CommandResult result, parts.processes.run({.argv = {"realpath", "-m", "--", path}}, kCopyLimit));
  if (result.exit.code == 0) { return std::string(trim(result.out)); }
  return Error{.kind = ErrorKind::internal, .message = "realpath: " + std::string(trim(result.err))};
}

Result<std::string> place_of(AgentParts parts, const AgentSpec& spec, const std::string& root,
                             const MountSpec& mount) {
  const std::string& target = mount.target;
  const std::vector<std::string> steps = split(target, '/');
  if (target.empty() || std::find(steps.begin(), steps.end(), "..") != steps.end()) {
    return refuse(mount, "a target says where, without \"..\"");
  }
  if (is_home(target)) {
    const std::string own = parts.processes.env("HOME").value_or("/root");
    return (spec.shares_machine ? root + "/home" : own) + target.substr(1);
  }
  if (target.front() != '/') { return root + "/workdir/" + target; }
  if (spec.shares_machine) { return refuse(mount, "this node shares its disk with others"); }
  return target;
}

Status put_mount(AgentParts parts, const AgentSpec& spec, const std::string& root, std::size_t index) {
  const MountSpec& mount = spec.mounts[index];
  const std::string source = root + "/mounts/" + std::to_string(index);
  TRY(const FileInfo info, parts.files.stat(source));
  TRY(std::string target, place_of(parts, spec, root, mount));
  const bool into_folder = target.back() == '/';
  while (target.size() > 1 && target.back() == '/') { target.pop_back(); }
  if (into_folder && info.type != FileType::directory) { target += "/" + mount.name; }
  if (spec.shares_machine) {
    TRY(const std::string real, resolve(parts, target));
    TRY(const std::string real_root, resolve(parts, root));
    if (real.rfind(real_root + "/", 0) != 0) {
      return refuse(mount, "a link leads out of the node's folder");
    }
  }
  TRY([[maybe_unused]] const Ok made, parts.files.make_dirs(target.substr(0, target.rfind('/')), 0755));
  const bool is_free = !parts.files.stat(target).ok();
  if (is_free && parts.files.rename(source, target).ok()) { return Ok{}; }
  // Into what is there already, and never through a link to somewhere else.
  return run_tool(parts, {"cp", "-a", "--remove-destination", "-T", "--", source, target});
}

}  // namespace

Status unpack_files(AgentParts parts, const AgentSpec& spec, const std::string& root,
                    const std::string& folder) {
  const std::string archive = folder + "/files.tar";
  if (!parts.files.stat(archive).ok()) { return Ok{}; }
  TRY([[maybe_unused]] const Ok unpacked,
      run_tool(parts, {"tar", "-C", root, "--no-same-owner", "-xf", archive}));
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    TRY([[maybe_unused]] const Ok put, put_mount(parts, spec, root, i));
  }
  TRY([[maybe_unused]] const Ok staged, parts.files.remove_all(root + "/mounts"));
  return parts.files.remove_all(archive);
}

std::string home_of_job(const AgentSpec& spec, const std::string& root) {
  const bool has_home = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                    [](const MountSpec& mount) { return is_home(mount.target); });
  return spec.shares_machine && has_home ? root + "/home" : std::string{};
}

}  // namespace gpubroker
