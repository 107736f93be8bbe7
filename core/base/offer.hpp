#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/gpu.hpp"
#include "core/base/money.hpp"
#include "core/base/time.hpp"

namespace gpubroker {

/// How capacity is sold (DESIGN.md, nouns).
enum class Market : std::uint8_t { on_demand, spot, flex, block, contract };

std::string_view to_string(Market market);
std::optional<Market> market_from(std::string_view name);  // also "on-demand", "ondemand"

/// What names a thing that can be rented; the key of price histories and of negative memory.
struct OfferKey {
  std::string provider = {};
  std::string region = {};
  std::string zone = {};  // empty where the cloud has none
  std::string instance_type = {};
  Market market = Market::on_demand;
  auto operator<=>(const OfferKey&) const = default;
};

/// "local/us-east/cpu4/spot", for messages and keys of maps in JSON.
std::string format_offer_key(const OfferKey& key);

/// Something that can be rented now or on a date.
struct Offer {
  OfferKey key = {};
  Accelerator gpu = {};
  int vcpus = 0;
  std::int64_t memory_mib = 0;
  Rate price = {};                     // per machine
  std::optional<int> available = {};   // machines obtainable now as far as the cloud says; absent: unknown
  BillingRule billing = {};            // how the cloud rounds time
  Instant learnt_at = {};              // when this was learnt
  std::string source = {};             // and from where: "local scenario", "aws spot price history"
  int chance_percent = 100;            // that a launch finds it, by what launches from here met lately
  std::string cpu_without_agent = {};  // its CPU ("arm64"), where no agent that we carry runs on it
  bool operator==(const Offer&) const = default;
};

/// A price from `at` on, until the next point.
struct PricePoint {
  Instant at = {};
  Rate price = {};
  auto operator<=>(const PricePoint&) const = default;
};

}  // namespace gpubroker
