#pragma once
// What a gang is made of in its cluster: a NodePool, and for each rank a pod that runs sshd and a Service
// with a public address. All else belongs to the pool (ownerReferences): Kubernetes removes it when the pool
// is gone, whoever ends it. Sources: docs.coreweave.com (products/cks/reference/node-pool,
// products/networking/ ingress-service/expose-service-dns,
// products/cks/clusters/scheduling/workload-scheduling), read 2026-11.
#include <string>
#include <vector>

#include "core/ports/key_ring.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::coreweave {

inline constexpr std::string_view kPools = "/apis/compute.coreweave.com/v1alpha1/nodepools";
/// On everything of ours; the gang's name is its value.
inline constexpr std::string_view kGangLabel = "gpubroker/gang";
inline constexpr std::string_view kRankLabel = "gpubroker/rank";
/// Our tags are annotations of the pool, because labels may hold neither colons nor long texts.
inline constexpr std::string_view kTagPrefix = "gpubroker/";
/// Ranks that were ended before the others: "0,2".
inline constexpr std::string_view kGivenBack = "gpubroker/given-back";
inline constexpr std::string_view kNodes = "gpubroker/nodes";

/// Pods end so long after SIGTERM, which comes two minutes after a spot node's notice, and five before its
/// end.
inline constexpr Millis kPodGrace = std::chrono::minutes{4};

/// The pool, for no node yet: it costs nothing until encode_target.
std::string encode_pool(const GangRequest& request);
/// A merge patch: so many nodes from now on; `given_back` as in kGivenBack, empty leaves it as it is.
std::string encode_target(int nodes, const std::string& given_back = {});

/// An object to create: POST of `body` to `path`.
struct Manifest {
  std::string path = {};
  std::string body = {};
};
/// Whose the objects are, and where.
struct Home {
  std::string pool_uid = {};
  std::string name_space = {};
};
/// The keys (a Secret), and the account of the pods, which may end this pool and do nothing else.
std::vector<Manifest> encode_belongings(const GangRequest& request, const Home& home, const NodeKeys& keys);
/// One rank's pod and its Service. `now` bounds the pod's life to the death date.
std::vector<Manifest> encode_rank(const GangRequest& request, int rank, const Home& home, Instant now);

}  // namespace gpubroker::coreweave
