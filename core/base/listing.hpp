#pragma once
// An offer with everything that is known of it and how it is known: what a cloud's feeds tell and the catalog
// keeps. The broker needs only the offer in it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/offer.hpp"

namespace gpubroker {

/// What connects the machines of one gang, as far as training cares.
enum class Fabric : std::uint8_t { unknown, ethernet, tcpx, roce, efa, infiniband };
std::string_view to_string(Fabric fabric);
std::optional<Fabric> fabric_from(std::string_view name);  // also "ib"

/// Where a price comes from; it decides how far it can be trusted.
enum class PriceBasis : std::uint8_t {
  list,       // the cloud's published price
  market,     // what the cloud says that spot costs now
  computed,   // the sum of published parts (GPU + core + RAM + disk)
  table,      // a dated fact of our own, where the cloud has no price API
  bid_floor,  // the least that may be bid, or a "from" price: nobody is promised a machine for it
  quote,      // sold on request only: there is no price (and offer.price is zero)
};
std::string_view to_string(PriceBasis basis);
std::optional<PriceBasis> price_basis_from(std::string_view name);

enum class AvailabilityKind : std::uint8_t {
  unknown,  // sold here; nobody says whether there is one now (every price list)
  count,    // machines obtainable now
  level,    // 0 none, 1 low, 2 medium, 3 high
  score,    // 1 … 10: how likely a request succeeds; no promise
  quota,    // machines that the account's quota allows; says nothing about stock
};
std::string_view to_string(AvailabilityKind kind);
std::optional<AvailabilityKind> availability_kind_from(std::string_view name);

struct Availability {
  AvailabilityKind kind = AvailabilityKind::unknown;
  int value = 0;
  std::string basis = {};  // who says so: "lambda regions_with_capacity_available"
  bool operator==(const Availability&) const = default;
};
/// Whether somebody says that at least `machines` can be had now (a count, or a level above none).
bool says_available(const Availability& availability, int machines = 1);

/// One part of an all-in price, per machine and hour: "8 x Nvidia H100 80GB GPU", SKU AAAA-BBBB-CCCC.
struct PricePart {
  std::string what = {};
  Rate rate = {};
  std::string source = {};
  bool operator==(const PricePart&) const = default;
};

/// When dated capacity (market `block`) begins and ends.
struct Window {
  Instant from = {};
  Instant until = {};
  bool operator==(const Window&) const = default;
};

struct Listing {
  /// key, vcpus, memory, price per machine-hour, billing rule, source. Of `gpu`, a codec sets the count, and
  /// form and memory as far as the cloud tells them; the catalog finds the model.
  Offer offer = {};
  std::string gpu_text = {};  // the accelerator in the cloud's words: "H100 SXM5 80GB", "nvidia-h100-80gb"
  std::string seller = {};    // whose machine it is, where the provider is an aggregator or a market
  std::string variant = {};  // tells offers of one key apart (a Vast ask, a dated block); empty: the only one
  std::string arch = {};     // "x86_64", "arm64"; empty: unknown
  std::int64_t disk_gib = 0;  // local disk in the price
  Fabric fabric = Fabric::unknown;
  int fabric_gbps = 0;    // of one machine, all links together; 0: unknown
  int nvlink_domain = 0;  // GPUs that NVLink joins, across machines too; 1: none; 0: unknown
  PriceBasis basis = PriceBasis::list;
  std::vector<PricePart> parts = {};  // empty: the price is one piece
  Availability availability = {};
  std::optional<Window> window = {};
  bool operator==(const Listing&) const = default;
};

/// Something learnt apart from prices; joined to the listings of the same place and type.
struct Signal {
  std::string provider = {};
  std::string region = {};
  std::string zone = {};  // empty: all of the region
  std::string instance_type = {};
  std::optional<Market> market = {};  // absent: all
  Availability availability = {};     // kind unknown: this signal says nothing of it
  std::optional<int> reclaimed_percent_most =
      {};  // spot machines taken back within a month: at most so many of 100
  bool operator==(const Signal&) const = default;
};

}  // namespace gpubroker
