#pragma once
// What the cloud decides, without a disk or a process: what it sells, whom it refuses, what it books.
#include <set>
#include <string>
#include <vector>

#include "core/base/offer.hpp"
#include "core/base/result.hpp"
#include "core/ports/provider.hpp"
#include "providers/local/records.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker::local {

inline constexpr const char* kProvider = "local";

/// Everything on sale at `now`.
std::vector<Offer> offers_at(const Scenario& scenario, const CloudRecord& record, Instant now);

/// Writes the scenario's prices into the record, counted from its start; what was charged before `now` stays
/// as it was.
void publish_prices(const Scenario& scenario, Instant now, CloudRecord& record);

/// The published prices in force between `from` and `to`. The first point is moved back to `from` when the
/// cloud knows no price that old. `not_found` for a key that was never sold.
Result<std::vector<PricePoint>> prices_between(const CloudRecord& record, const OfferKey& key, Instant from,
                                               Instant to);

/// Adds the gang's nodes to the record, all or none, or fails: `invalid` (not ours to sell), `quota`,
/// `capacity`; both of the last rule out the region. `used_ports` are taken on this machine and are not given
/// out.
Result<std::vector<NodeRecord>> book_gang(const Scenario& scenario, const GangRequest& request, Instant now,
                                          const std::set<int>& used_ports, CloudRecord& record);

/// What goes wrong with the n-th call; each matching fault's counter goes up by one.
struct Trouble {
  Millis delay{0};
  bool answer_lost = false;
  std::optional<Error> refusal = {};
};
Trouble meet_faults(const Scenario& scenario, CloudCall call, const std::set<std::string>& regions,
                    CloudRecord& record);

/// The machine as the cloud tells it at `now`; a record that is not ended must have a living process.
NodeView view_node(const NodeRecord& node, Instant now, const std::string& nodes_folder,
                   const std::string& binary);

/// Local ports in use, from the text of /proc/net/tcp or tcp6.
std::set<int> parse_used_ports(std::string_view proc_net_tcp);

}  // namespace gpubroker::local
