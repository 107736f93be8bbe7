#pragma once
// RunPod's pods: values to bytes and back. Booked by GraphQL, because only there is a bid and a date at which
// RunPod itself ends the pod; listed and ended by REST v2. Sources: runpod/docs (v2 OpenAPI, 2026-08-20, and
// get-started/billing-information), runpodctl (2026-07-23), read 2026-11.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/ports/http.hpp"
#include "core/ports/key_ring.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::runpod {

/// The SSH user in RunPod's own images.
inline constexpr std::string_view kUser = "root";

/// What an instance type's name says: "8x NVIDIA H100 80GB HBM3 secure".
struct PodType {
  int count = 0;
  std::string gpu = {};      // RunPod's id
  std::string product = {};  // "secure", "community", "cluster"
  bool operator==(const PodType&) const = default;
};
/// Nothing when the name is none of ours.
std::optional<PodType> parse_pod_type(std::string_view instance_type);

/// The mutation that books one pod; for spot, the offer's price is the bid. The request holds the pod's
/// private host key. Errors: `invalid` for a type or market that pods are not sold in, `not_found` for
/// clusters, which are not booked here.
Result<HttpRequest> encode_launch(const GangRequest& request, int rank, const NodeKeys& keys,
                                  const Secret& key);
HttpRequest encode_delete(const std::string& path, const Secret& key);

/// The pod's id and price, whatever else the answer says; GraphQL refuses with status 200.
Result<NodeView> parse_launched(std::string_view body);

/// Ours among all pods of the account. `address` has host and port only. A pod that has stopped without us is
/// `ended`: outbid, or its container ended; it lies there, and its disk may cost, until it is deleted.
Result<std::vector<NodeView>> parse_pods(std::string_view body);

}  // namespace gpubroker::runpod
