#pragma once
// From prices of parts to prices of machines.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "core/ports/price_feed.hpp"
#include "providers/gcp/sku_names.hpp"

namespace gpubroker::gcp {

struct MachineFact;

/// What a part costs, exactly as Google tells it: billionths of a dollar for an hour of it (a month of a GiB
/// of Local SSD).
struct PartPrice {
  std::int64_t nanos = 0;
  std::string sku = {};
};

/// The prices of all parts that GPU machines are made of, by what, market and region.
class PartPrices {
 public:
  /// A part that is told twice at different prices keeps the higher, and a remark.
  void add(const SkuName& name, const std::string& region, const PartPrice& price, Harvest& harvest);
  /// Every machine in every region and market where all of its parts have a price; a remark where one is
  /// missing beside the GPU's. Prices are the sums of the parts, each rounded to the micro-dollar.
  void add_machines(Instant now, Harvest& harvest) const;
  [[nodiscard]] bool empty() const { return prices_.empty(); }

 private:
  using Key = std::tuple<Component, std::string, Market, std::string>;
  [[nodiscard]] const PartPrice* find(Component component, std::string_view of, Market market,
                                      const std::string& region) const;
  void add_machine(const MachineFact& machine, Market market, const std::string& region, Instant now,
                   Harvest& harvest) const;

  std::map<Key, PartPrice> prices_ = {};
};

}  // namespace gpubroker::gcp
