#include "core/ports/cloud_machine.hpp"

namespace gpubroker {

Result<NodeAddress> login_address(KeyRing& keys, const NodeView& view, std::string_view user) {
  TRY(const std::optional<NodeKeys> found, keys.find(view.tags.workload));
  NodeAddress address = view.address;
  address.id = view.id;
  address.user = user;
  address.root = (user == "root" ? "/root" : "/home/" + address.user) + "/.gpubroker";
  address.binary = address.root + "/bin/gpubroker";
  if (found) {
    address.identity = found->identity;
    address.host_key = found->host_public;
  }
  return address;
}

}  // namespace gpubroker
