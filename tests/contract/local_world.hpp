#pragma once
#include <memory>
#include <string>

#include "core/ports/files.hpp"
#include "core/ports/process.hpp"
#include "providers/local/provider.hpp"
#include "tests/contract/contract.hpp"

namespace gpubroker::contract {

/// A home in a temporary folder, gone with this object.
class TemporaryHome {
 public:
  TemporaryHome();
  ~TemporaryHome();
  TemporaryHome(const TemporaryHome&) = delete;
  TemporaryHome& operator=(const TemporaryHome&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The local provider, from the registry, living by `scenario` (YAML; empty: this machine as it is).
class LocalWorld : public ContractWorld {
 public:
  explicit LocalWorld(const std::string& scenario);
  // NOLINTNEXTLINE(bugprone-exception-escape): only what the library throws when memory is out.
  ~LocalWorld() override;
  Provider& provider() override { return *provider_; }
  std::unique_ptr<Provider> make_another() override;
  Clock& clock() override;
  OfferKey key(Market market) override { return {"local", "east", "", "small", market}; }
  bool break_machine(const NodeView& node) override;
  std::size_t count_processes(const NodeId& node) override;
  std::map<NodeId, Money> billed() override;

  Files& files();
  Processes& processes();
  static std::string machine_program();
  [[nodiscard]] std::string folder() const { return home_.path() + "/local"; }
  [[nodiscard]] std::string scenario_path() const { return home_.path() + "/scenario.yaml"; }

 private:
  struct Parts;
  TemporaryHome home_;
  std::unique_ptr<Parts> parts_;
  std::string scenario_;
  std::unique_ptr<Provider> provider_;
};

}  // namespace gpubroker::contract
