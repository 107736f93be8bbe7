#pragma once
// CoreWeave's control plane: bytes to values. Source:
// coreweave/terraform-provider-coreweave (2026-08-21) and docs.coreweave.com, shared API notes, read 2026-11.
// There is no price call: facts.hpp has them.
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/ports/process.hpp"

namespace gpubroker::coreweave {

inline constexpr std::string_view kEndpoint = "https://api.coreweave.com";
inline constexpr std::string_view kZonesPath = "/v1alpha1/inference/capacityclaims/parameters";
inline constexpr std::string_view kClustersPath = "/v1beta1/cks/clusters";

/// Which types each zone knows, as listings of the zone priced by the table. That a zone knows a type says
/// nothing of stock.
Result<Harvest> parse_zones(std::string_view body);

/// $COREWEAVE_API_ENDPOINT, or kEndpoint; without a slash at its end.
std::string control_plane(Processes& processes);

/// A Kubernetes cluster of the organisation.
struct CksCluster {
  std::string name = {};
  std::string zone = {};      // "US-EAST-04A"
  std::string endpoint = {};  // a host, or a URL; empty while it is made
  std::string status = {};    // "STATUS_RUNNING"
};
Result<std::vector<CksCluster>> parse_clusters(std::string_view body);

/// Connect's errors: {"code", "message", "details": [{"type"}]}.
Error parse_error(const HttpResponse& answer, std::string_view path, Instant now);

}  // namespace gpubroker::coreweave
