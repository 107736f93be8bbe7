// Every parser of RunPod's codec on any bytes. Seeds: tests/fixtures/runpod.
#include "providers/runpod/codec.hpp"
#include "providers/runpod/machines.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpubroker;  // NOLINT(google-build-using-namespace): a program of few functions.

GPUBROKER_FUZZ_TARGET(input) {
  for (const Result<Harvest>& harvest :
       {runpod::parse_catalog(input, 8, runpod::Ownership::secure, Instant{0}),
        runpod::parse_catalog(input, 1, runpod::Ownership::community, Instant{0}),
        runpod::parse_gpu_types(input, Instant{0})}) {
    if (!harvest.ok()) { continue; }
    for (const Listing& listing : harvest.value().listings) {
      fuzz::must(listing.offer.gpu.count > 0, "a listing has a GPU");
      fuzz::must(listing.offer.price.micros_per_hour >= 0, "a price is no credit");
      fuzz::must(listing.offer.key.provider == "runpod", "a listing is of its cloud");
    }
  }
  const Result<std::vector<NodeView>> pods = runpod::parse_pods(input);
  if (pods.ok()) {
    for (const NodeView& pod : pods.value()) {
      fuzz::must(!pod.token.value.empty(), "a pod of ours has a token");
      fuzz::must(pod.state != NodeState::running || !pod.address.host.empty(), "a running pod is somewhere");
    }
  }
  static_cast<void>(runpod::parse_launched(input));
  static_cast<void>(runpod::parse_pod_type(input));
  static_cast<void>(runpod::parse_error({.status = 400, .body = std::string(input)}, "/x", Instant{0}));
  static_cast<void>(runpod::parse_key_file(input));
}
