#pragma once
#include <optional>

#include "core/wire/api_key.hpp"
#include "providers/coreweave/kubeconfig.hpp"

namespace gpubroker::coreweave {

inline constexpr const char* kNeeds =
    "an API token in $COREWEAVE_API_TOKEN, or a kubeconfig of a CoreWeave cluster";

/// The token in the environment, which is good for the control plane and for all clusters.
FoundKey find_api_token(Files& files, Processes& processes);
/// The current context of $KUBECONFIG (a list with colons) or ~/.kube/config, if its cluster is CoreWeave's:
/// a file of another cluster's is not ours to complain about.
std::optional<KubeContext> find_kube_context(Files& files, Processes& processes);
/// The token in the environment, else the one in the kubeconfig: it is made as the same kind of token.
FoundKey find_token(Files& files, Processes& processes);

}  // namespace gpubroker::coreweave
