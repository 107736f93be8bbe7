#pragma once
#include <vector>

#include "providers/gcp/compute.hpp"
#include "providers/gcp/machines.hpp"

namespace gpubroker::gcp {

/// Ours of one gang, or of all (`token` null): the machines there are and those of which operations tell.
Result<std::vector<Instance>> find_machines(Compute& compute, const Token* token, const Sightings& sightings,
                                            Clock& clock);

/// One booking, from the look whether it is there already to its machines. As Provisioner::ensure_gang.
class GangBooking {
 public:
  GangBooking(Compute& compute, const CloudParts& parts, const GangRequest& request, Sightings sightings)
      : compute_(compute), parts_(parts), request_(request), sightings_(std::move(sightings)) {}
  Result<std::vector<Instance>> run();

 private:
  /// The gang if it is there, nothing if it is to be booked; an error for a token that was used up.
  Result<std::optional<std::vector<Instance>>> look();
  /// Where to ask, one after the other: empty is anywhere in the region.
  Result<std::vector<std::string>> places(const MachineFact& machine);
  /// In one of those.
  Result<std::vector<Instance>> book_in(const MachineFact& machine, const std::string& zone);
  Result<Operation> book(const MachineFact& machine, const std::string& zone);
  Status open_ssh();
  Result<std::optional<Reservation>> find_reservation();
  /// The further interfaces of the gang's machines, on networks that are there.
  Result<std::vector<FabricPlace>> ensure_interfaces(const std::string& zone);
  Status ensure_placement(const MachineFact& machine);
  Result<std::vector<Instance>> follow(const Operation& begun);
  [[nodiscard]] std::vector<Instance> made_in(const std::string& zone) const;
  /// Why it failed; whatever is left of it is ended.
  Error give_up(const Operation& failed);
  Error give_back(Error error);

  Compute& compute_;
  const CloudParts& parts_;
  const GangRequest& request_;
  Sightings sightings_;
};

/// Removes a gang's placement policy and its stopped machines. Nothing there succeeds; in use is `conflict`.
Status sweep_gang(Compute& compute, const Token& token, const OfferKey& offer);

/// Deletes machines side by side. The gone succeeds.
Status end_machines(Compute& compute, FanOut& fan_out, const std::vector<NodeId>& nodes);

}  // namespace gpubroker::gcp
