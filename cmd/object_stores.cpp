#include "cmd/object_stores.hpp"

#include <algorithm>

#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

using Values = std::map<std::string, std::string>;

/// What the nodes get: as the agent puts it together, envs before secrets.
Result<Values> values_of_nodes(const Task& task, const std::string& secrets) {
  Values values = task.envs;
  if (secrets.empty()) { return values; }
  TRY(const Values kept,
      read_json(secrets, "secrets", [](const Json& json) -> Result<Values> { return json.get<Values>(); }));
  values.insert(kept.begin(), kept.end());
  return values;
}

Environment look_up_in(Values values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional(at->second);
  };
}

/// As a node will see it: nothing of this machine counts.
Result<std::unique_ptr<ObjectStore>> open_as_node(const Task& task, const std::string& secrets,
                                                  Context& context) {
  TRY(Values values, values_of_nodes(task, secrets));
  Result<std::unique_ptr<ObjectStore>> objects =
      open_object_store(task.checkpoint.store, context.files,
                        {.network = [&context] { return context.network.for_store(); },
                         .places = {look_up_in(std::move(values))}});
  if (objects.ok() || objects.error().kind != ErrorKind::auth) { return objects; }
  Error error = std::move(objects).error();
  error.message = "the nodes have no key for " + task.checkpoint.store + ": " + error.message;
  error.hint =
      "export both and say --secret AWS_ACCESS_KEY_ID --secret AWS_SECRET_ACCESS_KEY, or in the task file: "
      "secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]";
  return error;
}

}  // namespace

bool is_remote_store(const std::string& url) {
  return url.rfind("s3://", 0) == 0;
}

void pass_on_store_settings(Task& task, Context& context) {
  if (!is_remote_store(task.checkpoint.store)) { return; }
  const auto knows = [&](const std::string& name) {
    return task.envs.count(name) != 0 ||
           std::any_of(task.secrets.begin(), task.secrets.end(),
                       [&](const SecretNeed& need) { return need.name == name; });
  };
  for (const auto& names : {std::array{"AWS_REGION", "AWS_DEFAULT_REGION"},
                            std::array{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}}) {
    // What the task says in either name is not overruled by the other one from here.
    if (std::any_of(names.begin(), names.end(), knows)) { continue; }
    for (const char* name : names) {
      const std::string value = context.processes.env(name).value_or("");
      if (!value.empty()) { task.envs[name] = value; }
    }
  }
}

Result<std::unique_ptr<ObjectStore>> open_workload_store(const WorkloadState& state, Context& context) {
  StoreAccess access{.network = [&context] { return context.network.for_store(); }, .reads_user_files = true};
  if (is_remote_store(state.task.checkpoint.store)) {
    const Result<std::string> kept =
        context.files.read(context.home + "/secrets/" + state.id.value + ".json");  // gone after the end
    TRY(Values values, values_of_nodes(state.task, kept.ok() ? kept.value() : ""));
    access.places = {look_up_in(std::move(values)),
                     [&context](const std::string& name) { return context.processes.env(name); }};
  }
  return open_object_store(state.task.checkpoint.store, context.files, access);
}

Status check_store(const Task& task, const std::string& secrets, Context& context) {
  if (task.checkpoint.path.empty() || !is_remote_store(task.checkpoint.store)) { return Ok{}; }
  TRY(const std::unique_ptr<ObjectStore> objects, open_as_node(task, secrets, context));
  // No workload is called so: an empty answer, and all that can be wrong with bucket and keys is met.
  TRY([[maybe_unused]] const auto none, objects->list("check/"));
  return Ok{};
}

Status try_store(const Task& task, const std::string& secrets, Context& context) {
  if (task.checkpoint.path.empty() || !is_remote_store(task.checkpoint.store)) { return Ok{}; }
  TRY(const std::unique_ptr<ObjectStore> objects, open_as_node(task, secrets, context));
  const std::string key = "check/" + std::to_string(context.random.next());
  TRY([[maybe_unused]] const Ok put, objects->put(key, "gpubroker"));
  return objects->remove(key);
}

}  // namespace gpubroker
