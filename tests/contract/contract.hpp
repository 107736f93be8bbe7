#pragma once
// The contract of a provider (core/ports/provider.hpp), tested against every entry of the registry. A new
// cloud brings one ContractCase: a world in which its provider talks to its emulator, arranged as
// ContractNeeds says.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/money.hpp"
#include "core/base/offer.hpp"
#include "core/ports/clock.hpp"
#include "core/ports/provider.hpp"

namespace gpubroker::contract {

struct ContractNeeds {
  int slots = 8;                  // machines of the type in the region, over both markets
  std::optional<int> quota = {};  // machines the account may have there
  Millis boot{0};                 // from creation to running
  BillingRule billing = {};
  std::vector<std::pair<Millis, Rate>> prices = {
      {Millis{0}, Rate{1'000'000}}};  // spot, from the cloud's start
  bool lose_first_create = false;     // the answer, not the deed
  bool lose_first_terminate = false;
  bool refuse_first_create = false;      // network error, nothing done
  std::optional<Millis> spot_life = {};  // spot machines are taken at this age
  Millis notice{0};
};

class ContractWorld {
 public:
  virtual ~ContractWorld() = default;
  virtual Provider& provider() = 0;
  /// The same account through another door: as a second process of ours would open it.
  virtual std::unique_ptr<Provider> make_another() = 0;
  virtual Clock& clock() = 0;
  virtual OfferKey key(Market market) = 0;
  /// The machine breaks down. False where the emulator cannot.
  virtual bool break_machine(const NodeView& node) = 0;
  /// How many processes still run on it; the emulator's word, not the provider's.
  virtual std::size_t count_processes(const NodeId& node) = 0;
  /// What the cloud says it billed per machine that has ended, by its own arithmetic.
  virtual std::map<NodeId, Money> billed() = 0;
};

struct ContractCase {
  std::string name = {};  // of the registry entry
  std::function<std::unique_ptr<ContractWorld>(const ContractNeeds&)> make = {};
};

std::vector<ContractCase> contract_cases();

}  // namespace gpubroker::contract
