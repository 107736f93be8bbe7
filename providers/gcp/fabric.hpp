#pragma once
// The networks of a gang's further interfaces: GPUDirect of A3 (one VPC for each card) and RDMA of A3 Ultra
// and A4 (one VPC with RDMA's profile, one subnet for each card). Made at the first gang that needs them and
// shared by all; found again by name. Source: shared API notes, section 4.1; that RDMA's networks need no
// firewall rule and that networks may be named by part of their links is from memory (?).
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "providers/gcp/compute.hpp"
#include "providers/gcp/machines.hpp"

namespace gpubroker::gcp {

/// What all of them begin with.
inline constexpr std::string_view kFabricPrefix = "gpubroker-fabric-";

struct FabricNetwork {
  std::string name = {};                  // "gpubroker-fabric-8244-1", "gpubroker-fabric-us-central1-b"
  int mtu = 0;                            // 0: as the profile says
  std::string profile = {};               // "us-central1-b-vpc-roce"; empty: none
  std::string_view nic = {};              // "GVNIC", "IDPF", "MRDMA"
  int first_block = 0;                    // of addresses, of its first subnet
  std::vector<std::string> subnets = {};  // by name, one for each interface
};
/// Beside the default network, in the order of the interfaces. Empty: the type has one interface. `zone`:
/// where the machines are to be; RDMA's network is the zone's.
std::vector<FabricNetwork> fabric_networks(std::string_view type, const std::string& zone);
/// Whether its networks are a zone's, so that a gang cannot be booked in a region.
bool pins_zone(std::string_view type);

/// The further interfaces of a machine.
std::vector<FabricPlace> fabric_places(const std::vector<FabricNetwork>& networks, const std::string& region);

/// Networks, subnets and rules of ours that there are.
struct FabricGround {
  std::vector<std::string> networks = {};
  std::vector<std::string> rules = {};
  struct Subnet {
    std::string name = {};
    std::string region = {};
    std::string network = {};
    std::string range = {};
  };
  std::vector<Subnet> subnets = {};
};
Result<std::string> parse_networks(std::string_view body, FabricGround& ground);
Result<std::string> parse_subnets(std::string_view body, FabricGround& ground);
Result<std::string> parse_fabric_rules(std::string_view body, FabricGround& ground);

std::string encode_network(const FabricNetwork& network);
std::string encode_subnet(const std::string& name, const std::string& network, const std::string& range);
/// All traffic between the machines of one network.
std::string encode_fabric_rule(const FabricNetwork& network);
std::string fabric_rule(const std::string& network);

/// A free range of a subnet: block `block` of 32 in 10.0.0.0/9 (the default network has the other half),
/// which serves 64 regions. Empty: all are taken.
std::string free_range(int block, const std::string& network, const FabricGround& ground);

/// Reads what there is.
Result<FabricGround> find_fabric(Compute& compute);
/// Makes what is missing. Doing it twice, or at once, makes nothing twice.
Status ensure_fabric(Compute& compute, FanOut& fan_out, const std::vector<FabricNetwork>& networks,
                     const std::string& region);
/// What there is as leftovers, in the order in which it can be removed.
std::vector<Leftover> fabric_leftovers(const FabricGround& ground);

/// The zones of a region that sell a type, by name.
Result<std::vector<std::string>> zones_selling(Compute& compute, const std::string& type,
                                               const std::string& region);

inline constexpr const char* kFabricRule = "fabric firewall rule";
inline constexpr const char* kFabricSubnet = "fabric subnet";
inline constexpr const char* kFabricNetwork = "fabric network";

}  // namespace gpubroker::gcp
