#pragma once
// Checkpoint stores as commands and the supervisor open them.
#include <memory>
#include <string>

#include "cmd/context.hpp"
#include "core/broker/state.hpp"
#include "core/workload/task.hpp"

namespace gpubroker {

/// Whether the store is in the network, so that it needs keys.
bool is_remote_store(const std::string& url);

/// Gives the nodes what this machine's environment says of where such a store is (AWS_REGION,
/// AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL), unless the task says it. Never keys: those the
/// user hands out by name.
void pass_on_store_settings(Task& task, Context& context);

/// The store of a workload: with what its task gives the nodes (envs, secrets while they are kept), then
/// this machine's environment, then ~/.aws.
Result<std::unique_ptr<ObjectStore>> open_workload_store(const WorkloadState& state, Context& context);

/// Before anything is spent: whether the nodes can reach the store with what the task gives them. `secrets`:
/// the text of secrets.json. Errors: `auth` for missing or refused keys, `not_found` for the bucket.
Status check_store(const Task& task, const std::string& secrets, Context& context);

/// The same by writing a small object and removing it.
Status try_store(const Task& task, const std::string& secrets, Context& context);

}  // namespace gpubroker
