#pragma once
// EC2's machines: bytes to values. Sources: the EC2 service model (botocore 1.43), "Maximize network
// bandwidth on EC2 instances with multiple network cards" and the codes of StateReason, read 2026-11.
#include <string>
#include <string_view>
#include <vector>

#include "core/ports/http.hpp"
#include "core/ports/provider.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::aws {

/// What our tags begin with: "gpubroker:token".
inline constexpr std::string_view kTagPrefix = "gpubroker:";
/// The machine's SSH user in the images that we boot.
inline constexpr std::string_view kUser = "ubuntu";

/// Where a network interface sits. The first is the machine's own; the others carry the fabric and nothing
/// else.
struct CardPlace {
  int card = 0;
  int device = 0;
  std::string_view kind = "interface";  // "efa", "efa-only"
  auto operator<=>(const CardPlace&) const = default;
};
/// The interfaces of a gang's machine, as many as the type has EFA for; empty: the type has none, and EC2
/// makes the usual one. A single one may have a public address of its own accord, several may not.
std::vector<CardPlace> fabric_layout(std::string_view type);

struct LaunchPlan {
  std::string user_data = {};  // as cloud-init gets it, a secret
  std::string security_group = {};
  std::string zone = {};                  // empty: where EC2 likes
  std::string subnet = {};                // in that zone; needed with `cards`
  std::vector<CardPlace> cards = {};      // empty: one plain interface
  std::string placement_group = {};       // empty: none
  std::string capacity_reservation = {};  // of a Capacity Block
};
/// RunInstances: all machines of the gang or none, idempotent by the gang's name.
QueryPairs launch_call(const GangRequest& request, const LaunchPlan& plan);

/// A machine and what only EC2 has of it.
struct Machine {
  NodeView view = {};
  std::string interface = {};  // the first one's id; empty once it has ended
  bool wants_address = false;  // runs, and nobody can reach it yet
  std::string block = {};      // the Capacity Block that it runs in
  bool operator==(const Machine&) const = default;
};
struct MachinePage {
  std::vector<Machine> machines = {};
  std::string next = {};
};
/// Those of ours in the answer to RunInstances, by rank. One that cannot be read fails it all, and so does
/// none.
Result<std::vector<Machine>> parse_launched(std::string_view body, const std::string& region);

/// Of a region: those with our tags; with `token`, only that gang's.
QueryPairs machines_call(const std::string& token = {});
Result<MachinePage> parse_machines(std::string_view body, const std::string& region);

QueryPairs terminate_call(const std::vector<std::string>& ids);

/// "aws/us-east-1/i-0abc".
NodeId node_id(const std::string& region, const std::string& instance);
struct Place {
  std::string region = {};
  std::string instance = {};
};
/// Both empty: no id of ours.
Place place_of(const NodeId& id);

/// The prices of a spot type in a zone from `from` (and the one before it) to `to`.
QueryPairs price_history_call(const OfferKey& key, Instant from, Instant to);
/// Adds a page's points, in EC2's order. The next page's token.
Result<std::string> parse_price_history(std::string_view body, const OfferKey& key,
                                        std::vector<PricePoint>& points);

/// In order of time: those between the two, and the one in force at `from`.
void clip_prices(std::vector<PricePoint>& points, Instant from, Instant to);

/// The machines that a token stands for, if they are what the request asks for; else `invalid`.
Result<std::vector<Machine>> whole_gang(std::vector<Machine> gang, const GangRequest& request);

/// Names the quota that refused the gang, with its numbers as far as EC2 tells them.
Error with_quota(Error error, const GangRequest& request);

}  // namespace gpubroker::aws
