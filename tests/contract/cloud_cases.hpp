#pragma once
// What the suite over the emulators has to know of each cloud: what is sold there, and how its booking call
// looks.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/offer.hpp"
#include "providers/registry.hpp"

namespace gpubroker::contract {

struct CloudCase {
  std::string name = {};    // of the registry entry
  OfferKey on_demand = {};  // sold by its emulator without further ado
  std::optional<OfferKey> spot = {};
  Rate price = {};  // of on_demand, per machine; the emulator's
  Rate spot_price = {};
  BillingRule billing = {};
  std::string host = {};  // regular expressions for faults: of the booking call
  std::string path = {};
  std::string body = {};    // where path and host do not tell it (GraphQL, query APIs)
  bool tells_times = true;  // when billing began and ended; else the ledger is right to one billing unit
  bool tells_end = true;    // where it tells times: also when billing ended
  bool ends_itself = true;  // keeps the death date at the cloud
  bool keeps_ended = true;  // ended machines stay listed for a while
  // Of a cloud that is not in the registry: how it is made, and the variables of an account there.
  Result<std::unique_ptr<Provider>> (*make)(const ProviderContext& context) = nullptr;
  std::map<std::string, std::string> account = {};
};

/// By name.
std::vector<CloudCase> cloud_cases();

}  // namespace gpubroker::contract
