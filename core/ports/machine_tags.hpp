#pragma once
// What a machine of ours carries at its cloud, so that it is found with no journal at all. Each cloud has its
// own place and rules for it (tags, labels, a name, an environment); the names and texts are the same
// everywhere.
#include <map>
#include <string>

#include "core/ports/provider.hpp"

namespace gpubroker {

/// "workload", "attempt", "token", "key", "owner", "expires" (2026-11-27T10:00:00Z), "market", and "rank"
/// unless it is below zero (one call makes many machines, and the cloud numbers them). Empty values are left
/// out.
std::map<std::string, std::string> machine_tags(const GangRequest& request, int rank = -1);

/// Puts them into the view (index, token, tags, offer.market). False when they are not those of a machine of
/// ours, and the view is as it was.
bool read_machine_tags(const std::map<std::string, std::string>& tags, NodeView& view);

/// A name for the machine that is the same whenever it is asked for: "gb-llama-7k2q-a1-0"; at most 60 of a-z,
/// 0-9 and hyphens, longer tokens end in a hash.
std::string machine_name(const Token& token, int rank);
/// The same for what belongs to a gang: "gb-llama-7k2q-a1".
std::string gang_name(const Token& token);

}  // namespace gpubroker
