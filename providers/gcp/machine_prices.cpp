#include "providers/gcp/machine_prices.hpp"

#include <array>
#include <utility>

#include "providers/gcp/facts.hpp"

namespace gpubroker::gcp {
namespace {

constexpr std::int64_t kHoursPerMonth = 730;             // how Google turns months into hours
constexpr std::int64_t kLeastNanos = 1'000;              // below a micro-dollar it would round to nothing
constexpr std::int64_t kMostNanos = 10'000'000'000'000;  // 10 000 dollars
constexpr std::array kMarkets = {std::pair{Market::on_demand, kOnDemand}, std::pair{Market::spot, kSpot},
                                 std::pair{Market::flex, kFlex}, std::pair{Market::block, kBlock}};

/// `count` of a part, per hour, to the nearest micro-dollar. Counts are below 100 000 and prices below
/// kMostNanos: it fits.
Rate part_rate(std::int64_t count, std::int64_t nanos, std::int64_t hours) {
  const std::int64_t unit = hours * 1'000;
  return {(count * nanos + unit / 2) / unit};
}

struct Part {
  Component component;
  std::string_view of;
  int count;
  const char* unit;
};

std::array<Part, 4> parts_of(const MachineFact& machine) {
  const bool billed_apart = !machine.family.empty();
  return {Part{Component::gpu, machine.accelerator, machine.gpus, ""},
          Part{Component::core, machine.family, billed_apart ? machine.vcpus : 0, "vCPU"},
          Part{Component::ram, machine.family, billed_apart ? machine.memory_gib : 0, "GiB of memory"},
          Part{Component::local_ssd, "", billed_apart ? machine.local_ssd_gib : 0, "GiB of Local SSD"}};
}

std::string name_of(const Part& part) {
  if (part.component == Component::gpu) { return std::string(part.of); }
  std::string name(part.of);
  if (!name.empty()) { name += ' '; }
  return name + part.unit;
}

}  // namespace

void PartPrices::add(const SkuName& name, const std::string& region, const PartPrice& price,
                     Harvest& harvest) {
  if (price.nanos < kLeastNanos || price.nanos > kMostNanos) {
    add_remark(harvest, "price out of range", "SKU " + price.sku);
    return;
  }
  const auto [at, is_new] =
      prices_.emplace(Key{name.component, std::string(name.of), name.market, region}, price);
  if (is_new || at->second.nanos == price.nanos) { return; }
  add_remark(harvest, "two prices of one part",
             "SKUs " + at->second.sku + " and " + price.sku + " in " + region);
  if (at->second.nanos < price.nanos) { at->second = price; }
}

const PartPrice* PartPrices::find(Component component, std::string_view of, Market market,
                                  const std::string& region) const {
  const auto found = prices_.find(Key{component, std::string(of), market, region});
  return found == prices_.end() ? nullptr : &found->second;
}

void PartPrices::add_machine(const MachineFact& machine, Market market, const std::string& region,
                             Instant now, Harvest& harvest) const {
  Listing listing = describe_machine(machine);
  listing.offer.key.region = region;
  listing.offer.key.market = market;
  listing.offer.learnt_at = now;
  listing.offer.source = "gcp/skus";
  listing.basis = PriceBasis::computed;
  for (const Part& part : parts_of(machine)) {
    if (part.count == 0) { continue; }
    const PartPrice* const price = find(part.component, part.of, market, region);
    if (price == nullptr) {
      std::string detail(machine.type);
      detail += " (";
      detail += to_string(market);
      detail += ") in " + region + ": " + name_of(part);
      add_remark(harvest, "no price of a part", detail);
      return;
    }
    const std::int64_t hours = part.component == Component::local_ssd ? kHoursPerMonth : 1;
    const Rate rate = part_rate(part.count, price->nanos, hours);
    listing.parts.push_back({.what = std::to_string(part.count) + " x " + name_of(part),
                             .rate = rate,
                             .source = "SKU " + price->sku});
    listing.offer.price.micros_per_hour += rate.micros_per_hour;
  }
  harvest.listings.push_back(std::move(listing));
}

void PartPrices::add_machines(Instant now, Harvest& harvest) const {
  for (const auto& [key, price] : prices_) {
    const auto& [component, of, market, region] = key;
    if (component != Component::gpu) { continue; }
    for (const MachineFact& machine : machines()) {
      if (machine.accelerator != of) { continue; }
      for (const auto& [sold_as, bit] : kMarkets) {
        if (sold_as == market && (machine.markets & bit) != 0) {
          add_machine(machine, market, region, now, harvest);
        }
      }
    }
  }
}

}  // namespace gpubroker::gcp
