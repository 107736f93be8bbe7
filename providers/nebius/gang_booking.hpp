#pragma once
#include <mutex>
#include <optional>

#include "core/ports/gang_of_singles.hpp"
#include "providers/nebius/compute.hpp"

namespace gpubroker::nebius {

/// One gang being booked: subnet and GPU cluster are found or made at the first machine, once.
class GangBooking final : SingleMachines {
 public:
  GangBooking(const Session& session, const CloudParts& parts, const GangRequest& request)
      : session_(session), parts_(parts), request_(request) {}
  /// As Provisioner::ensure_gang.
  Result<std::vector<NodeView>> run();

 private:
  Result<std::vector<NodeView>> list_machines() override;
  Result<NodeView> create_machine(const GangRequest& request, int rank) override;
  Status terminate_machines(const std::vector<NodeId>& nodes) override;

  Result<Place> place();
  Result<Place> find_place();
  Result<std::string> find_subnet(const std::string& project) const;
  Result<std::string> ensure_cluster(const std::string& project) const;
  Result<std::string> find_cluster(const std::string& project) const;
  Result<std::string> choose() const;
  Status await_machine(const Operation& creation);

  const Session& session_;
  const CloudParts& parts_;
  const GangRequest& request_;
  std::mutex mutex_ = {};
  std::optional<Result<Place>> place_ = {};
};

}  // namespace gpubroker::nebius
