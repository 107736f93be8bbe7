#pragma once
#include <compare>
#include <string>

namespace gpubroker {

/// A name that cannot be mixed up with another kind of name.
template <class Tag>
struct Id {
  std::string value;
  auto operator<=>(const Id&) const = default;
};

using WorkloadId = Id<struct WorkloadTag>;  // "llama-ft-7k2q": made by us, unique in one journal
using NodeId = Id<struct NodeTag>;          // the cloud's own id, with the provider in front: "local/n-12"
using Token = Id<struct TokenTag>;          // names one intent; the same token never acts twice
using CheckpointId = Id<struct CheckpointTag>;  // "00000042-a3": sorts by step

}  // namespace gpubroker
