#include "core/ports/cloud_machine.hpp"

namespace gpubroker {

NodeAddress ssh_address(const NodeId& id, const NodeAddress& found, int port, const std::string& user,
                        const std::optional<NodeKeys>& keys) {
  const std::string root = (user == "root" ? "/root" : "/home/" + user) + "/.gpubroker";
  return {.id = id,
          .host = found.host,
          .peer_host = found.peer_host,
          .root = root,
          .binary = root + "/bin/gpubroker",
          .user = user,
          .port = port,
          .identity = keys ? keys->identity : std::string{},
          .host_key = keys ? keys->host_public : std::string{}};
}

}  // namespace gpubroker
