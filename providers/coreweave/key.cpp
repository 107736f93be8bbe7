#include "providers/coreweave/key.hpp"

#include "core/base/text.hpp"
#include "providers/coreweave/kube.hpp"

namespace gpubroker::coreweave {
namespace {

std::vector<std::string> kubeconfig_paths(Processes& processes) {
  const std::string listed = processes.env("KUBECONFIG").value_or("");
  if (listed.empty()) { return {processes.env("HOME").value_or("") + "/.kube/config"}; }
  std::vector<std::string> paths = split(listed, ':');
  std::erase(paths, "");
  return paths;
}

}  // namespace

FoundKey find_api_token(Files& files, Processes& processes) {
  return find_key(files, processes, {.variables = {"COREWEAVE_API_TOKEN", "CW_TOKEN"}});
}

std::optional<KubeContext> find_kube_context(Files& files, Processes& processes) {
  std::vector<std::string> texts;
  for (const std::string& path : kubeconfig_paths(processes)) {
    Result<std::string> text = files.read(path);
    if (text.ok()) { texts.push_back(std::move(text).value()); }
  }
  Result<std::optional<KubeContext>> read = parse_kubeconfig(texts);
  if (!read.ok() || !read.value() || zone_of_server(read.value()->server).empty()) { return std::nullopt; }
  return std::move(read).value();
}

FoundKey find_token(Files& files, Processes& processes) {
  FoundKey found = find_api_token(files, processes);
  if (!found.key.empty()) { return found; }
  const std::optional<KubeContext> context = find_kube_context(files, processes);
  if (!context) { return found; }
  found.key = context->token;
  const bool is_named = !processes.env("KUBECONFIG").value_or("").empty();
  found.found_in = (is_named ? "$KUBECONFIG [" : "~/.kube/config [") + context->name + "]";
  return found;
}

}  // namespace gpubroker::coreweave
